"""A run's folder: whose run it holds, which checkpoint to go on from, which ones stay.

RUN/recipe.toml     the resolved recipe of the last start
    metrics.jsonl   the journal
    checkpoints/    step_00000100/ …  and  best/
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monosome.atomic import write_text
from monosome.config import Config, build, learned, read_recipe, to_toml
from monosome.errors import ConfigError
from monosome.train.checkpoint import BEST, MANIFEST, Manifest, latest, load_manifest, numbered, step_folder

RECIPE = "recipe.toml"


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run; nothing in it is written before `origin` has found it to be this run's."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints lie."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path | None:
        """The checkpoint with the lowest loss on held-out data, once there is one."""
        best = self.checkpoints / BEST
        return best if (best / MANIFEST).exists() else None

    def step(self, step: int) -> Path:
        """Where the checkpoint of a step lies."""
        return step_folder(self.checkpoints, step)

    def origin(self, config: Config, fingerprint: str) -> tuple[Path | None, list[str]]:
        """The latest whole checkpoint of this run, None where it has none yet, and notes on damaged later ones.

        Raises ConfigError when the folder holds another run, naming the settings that differ, and CheckpointError when
        there are checkpoints but none is whole.
        """
        found, damaged = latest(self.checkpoints)
        if found is not None:
            manifest = load_manifest(found)
            if manifest.fingerprint != fingerprint:
                raise _another_run(self.path, _built(config, manifest.config), config)
        elif damaged:
            raise damaged[0]
        elif (self.path / RECIPE).exists():
            there = _built(config, read_recipe(str(self.path / RECIPE)))
            if there is None or learned(there) != learned(config):
                raise _another_run(self.path, there, config)
        return found, [error.message for error in damaged]

    def begin(self, config: Config) -> None:
        """Write the resolved recipe, and clear what a kill in the middle of writing left behind."""
        write_text(self.path / RECIPE, to_toml(config))
        for left in self.checkpoints.glob(".*.tmp"):
            shutil.rmtree(left)

    def keep(self, num_checkpoints: int, step: int) -> None:
        """Remove all but the latest checkpoints up to `step`; each is renamed first, so that none is ever half there.

        `best` stays, and so does a damaged later one until it is written again.
        """
        for old in [path for path in numbered(self.checkpoints) if path <= self.step(step)][:-num_checkpoints]:
            shutil.rmtree(old.rename(old.with_name(f".{old.name}.tmp")))

    def best_manifest(self) -> Manifest | None:
        """The manifest of `best`, where there is one."""
        return load_manifest(self.best) if self.best else None


def _built(config: Config, values: dict[str, Any]) -> Config | None:
    try:
        return build(type(config), values)
    except ConfigError:
        return None


def _another_run(path: Path, there: Config | None, here: Config) -> ConfigError:
    hint = "give the run a folder of its own with --out"
    if there is None:
        return ConfigError(f"{path} holds a run with other settings than this program knows", hint)
    old, new = dict(_flat(learned(there))), dict(_flat(learned(here)))
    changed = [f"{key} is {old.get(key)} there and {new.get(key)} here" for key in new if old.get(key) != new[key]]
    what = "; ".join(changed) or "its training data have another content"
    return ConfigError(f"{path} holds another run: {what}", hint)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value)
