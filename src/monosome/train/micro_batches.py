"""How many examples are computed at once, by the longest of them: what fitted a card, kept between runs.

`monosome plan --measure` writes a table for a card and a recipe into the user's cache folder, and a run in which memory
ended corrects it; runs read it where execution.micro_batch is "auto".
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from monosome.atomic import write_text
from monosome.config import Config, fingerprint
from monosome.hardware.detect import Device
from monosome.places import cache_folder

_INDIFFERENT = {"micro_batch", "evaluate_every", "save_every", "keep_checkpoints", "log_every", "tensorboard", "wandb"}
"""Settings of execution that change nothing in what a step takes, or are what is looked for."""


@dataclass(frozen=True)
class Held:
    """The most examples up to `length` that were held at once, 0 where not even one was.

    `peak_bytes` is the most memory that this took; `seconds_per_example` is the time of a step over its examples.
    """

    length: int
    micro_batch: int
    peak_bytes: int | None = None
    seconds_per_example: float | None = None


@dataclass(frozen=True)
class MicroBatches:
    """What is held at once, by ascending length; each row counts from the row before on."""

    rows: tuple[Held, ...]

    def most(self, length: int) -> int:
        """Examples of up to that length to compute at once, 1 at least.

        Beyond the last row they are fewer by the square of the length: pair activations and attention grow so.
        """
        last = self.rows[-1]
        found = next((row.micro_batch for row in self.rows if length <= row.length), None)
        return max(1, int(last.micro_batch * (last.length / length) ** 2) if found is None else found)

    def holds(self, lengths: Sequence[int]) -> bool:
        """Whether examples of these lengths are few enough to be computed at once."""
        return len(lengths) <= self.most(max(lengths))

    def bounded(self, length: int, number: int) -> "MicroBatches":
        """The same with at most `number` at once from the row that holds `length` on."""
        rows = self.rows if length <= self.rows[-1].length else (*self.rows, Held(length, number))
        return MicroBatches(
            tuple(
                replace(row, micro_batch=number, peak_bytes=None)
                if row.length >= length and row.micro_batch > number
                else row
                for row in rows
            )
        )

    def seconds(self, length: int) -> float | None:
        """Time of one example of that length, between rows by a straight line; None where nothing was timed."""
        timed = {row.length: row.seconds_per_example for row in self.rows if row.seconds_per_example}
        if not timed:
            return None
        beyond = max(1.0, length / max(timed)) ** 2
        return beyond * float(np.interp(length, list(timed), list(timed.values())))

    def __str__(self) -> str:
        joined = [
            row for row, after in zip(self.rows, self.rows[1:], strict=False) if row.micro_batch > after.micro_batch
        ]
        return ", ".join(
            f"{max(1, row.micro_batch)} at once up to length {row.length}" for row in [*joined, self.rows[-1]]
        )


@dataclass(frozen=True)
class Place:
    """Where the table of a card and a recipe is kept. `config` is resolved, but for its micro-batch."""

    device: Device
    config: Config
    content_hash: str

    @property
    def path(self) -> Path:
        """A file of the cache folder, named by all that the table depends on."""
        digest = hashlib.sha256(json.dumps(self._conditions(), sort_keys=True).encode()).hexdigest()
        return cache_folder() / "micro_batches" / f"{digest[:16]}.json"

    def load(self) -> MicroBatches | None:
        """The table, where there is a whole one."""
        try:
            rows = json.loads(self.path.read_text(encoding="utf-8"))["table"]
            return MicroBatches(tuple(Held(**row) for row in rows)) if rows else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, table: MicroBatches) -> bool:
        """Whether the table could be kept: a folder that cannot be written is no reason to stop."""
        content = {**self._conditions(), "table": [asdict(row) for row in table.rows]}
        try:
            write_text(self.path, json.dumps(content, indent=1) + "\n")
        except OSError:
            return False
        return True

    def _conditions(self) -> dict[str, Any]:
        execution = self.config.execution.model_dump()
        return {
            "device": self.device.name,
            "memory_bytes": self.device.memory_bytes,
            "fingerprint": fingerprint(self.config, self.content_hash),
            "execution": {name: value for name, value in execution.items() if name not in _INDIFFERENT},
            "numerics": self.config.numerics.model_dump(),
        }
