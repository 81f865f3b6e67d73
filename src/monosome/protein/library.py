"""A library of designs: proteins drawn by the thousand, in a journal while it grows, ranked in files when it is whole.

What is drawn depends on the model, the settings and each protein's number alone, so a journal that breaks off anywhere
is gone on with, and the files are the same.
"""

import csv
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from monosome import __version__
from monosome.atomic import replacing, write_text
from monosome.errors import DataError
from monosome.protein.generate import load_generator, records, sample_summary
from monosome.protein.pretrained import content_hash
from monosome.protein.sampling import BATCH, Sample, Sampler, SamplingSettings
from monosome.sequences.fasta import write_fasta

Faulty = Literal["flag", "drop", "redraw"]

MAX_DRAWS = 50
"""Draws for each protein that is wanted, at most, where faulty ones are drawn again."""
COLUMNS = ("id", "sequence", "residues", "perplexity", "perplexity_per_residue", "fault")


@dataclass(frozen=True)
class Order:
    """What is asked for: how many, drawn how, what becomes of faulty ones, and the share of the whole ones to keep.

    Of equal sequences the first counts. `redraw` goes on until `num` whole and distinct ones are there. With
    `keep_best` below 1 the likeliest whole ones are kept, best first.
    """

    num: int
    settings: SamplingSettings
    faulty: Faulty = "flag"
    keep_best: float = 1.0
    batch: int = BATCH


@dataclass(frozen=True)
class Library:
    """The proteins that were kept, and what came of all the draws."""

    samples: Sequence[Sample]
    facts: dict[str, Any]


def make_library(place: str, order: Order, out: Path | None = None) -> Library:
    """Draw the proteins; with `out` they go to a FASTA file, and CSV and JSON files beside it.

    A journal beside `out` holds what is drawn until the files are there: the same call goes on with it. Raises
    DataError where a file is there already, and where the journal is of another order.
    """
    files = [out, *(out.with_suffix(suffix) for suffix in (".csv", ".json"))] if out else []
    for file in files:
        if file.exists():
            raise DataError(f"{file} is there already", "give another name with -o, or move it away")
    model, tokenizer = load_generator(place)
    provenance = {
        "monosome": __version__,
        "model": place,
        "model_hash": content_hash(model),
        "tokenizer_hash": tokenizer.content_hash,
        **{key: value for key, value in asdict(order).items() if key != "batch"},
    }
    sampler = Sampler(model, tokenizer, order.settings, order.batch)
    journal = Journal(out.with_name(f"{out.name}.journal") if out else None, provenance)
    drawn = _draw(sampler, order, journal)
    kept = chosen(drawn, order)
    good = whole(drawn)
    facts = {
        **provenance,
        **sample_summary(drawn),
        "num_duplicates": len(drawn) - len(distinct(drawn)),
        "num_whole_and_distinct": len(good),
        "num_written": len(kept),
        "row_waste": sampler.effort.row_waste,
        "key_waste": sampler.effort.key_waste,
    }
    if out:
        stamp = f"seed={order.settings.seed} model={provenance['model_hash'][:12]}"
        write_fasta(records(kept, stamp), out)
        _write_table(kept, files[1])
        steady = {key: value for key, value in facts.items() if not key.endswith("_waste")}
        write_text(files[2], json.dumps(steady, indent=2) + "\n")
        journal.remove()
    return Library(kept, facts)


def _draw(sampler: Sampler, order: Order, journal: "Journal") -> list[Sample]:
    """The samples in order, those of the journal among them; rounds follow from what was drawn alone."""
    drawn, wanted = journal.read(), order.num
    found = list[Sample]()
    while True:
        missing = [index for index in range(wanted) if index not in drawn]
        for sample in _shown(sampler.samples(missing), wanted, len(drawn)):
            drawn[sample.index] = sample
            journal.write(sample)
        journal.flush()
        found = [drawn[index] for index in range(wanted)]
        num_good = len(whole(found))
        if order.faulty != "redraw" or num_good >= order.num or wanted >= MAX_DRAWS * order.num:
            return found
        more = (order.num - num_good) * wanted / max(1, num_good)
        wanted = min(wanted + max(16, int(1.1 * more)), MAX_DRAWS * order.num)


def _shown(samples: Iterator[Sample], total: int, done: int) -> Iterator[Sample]:
    """The samples, counted on stderr."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("drawing proteins", total=total, completed=done)
        for sample in samples:
            yield sample
            progress.advance(task)


def distinct(samples: Sequence[Sample]) -> list[Sample]:
    """The samples without those whose sequence came before; empty ones are no duplicates."""
    seen: set[str] = set()
    found = []
    for one in samples:
        if one.sequence not in seen:
            found.append(one)
        if one.sequence:
            seen.add(one.sequence)
    return found


def whole(samples: Sequence[Sample]) -> list[Sample]:
    """The distinct samples that nothing is wrong with."""
    return [one for one in distinct(samples) if one.is_valid]


def chosen(samples: Sequence[Sample], order: Order) -> list[Sample]:
    """The samples that the order wants of those that were drawn."""
    if order.keep_best < 1:
        ranked = sorted(whole(samples)[: order.num], key=lambda one: (round(one.perplexity or 0.0, 4), one.index))
        return ranked[: max(1, round(order.keep_best * len(ranked)))]
    if order.faulty == "flag":
        return distinct(samples)
    return whole(samples)[: order.num]


def _write_table(samples: Sequence[Sample], file: Path) -> None:
    with replacing(file) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(COLUMNS)
        for one in samples:
            values = one.perplexity, one.perplexity_per_residue
            figures = ["" if value is None else f"{value:.4f}" for value in values]
            table.writerow([f"sample_{one.index + 1}", one.sequence, len(one.sequence), *figures, one.fault])


class Journal:
    """Samples in a file of JSON lines, the first of which says of what order they are; without a path nothing is kept.

    A line that a power cut broke off is dropped, and its protein drawn again.
    """

    def __init__(self, path: Path | None, provenance: dict[str, Any]) -> None:
        self.path = path
        self.head = json.dumps(provenance)
        self._lines: list[str] = []

    def read(self) -> dict[int, Sample]:
        """The samples by number; begins the file where there is none."""
        if not self.path:
            return {}
        if not self.path.exists():
            write_text(self.path, self.head + "\n")
            return {}
        text = self.path.read_text(encoding="utf-8")
        lines = text[: text.rfind("\n") + 1].splitlines()
        if not lines or lines[0] != self.head:
            raise DataError(f"{self.path} is the journal of another order", "move it away to begin anew")
        with self.path.open("r+", encoding="utf-8") as stream:
            stream.truncate(len("\n".join([*lines, ""]).encode()))
        samples = [Sample(**json.loads(line)) for line in lines[1:]]
        return {sample.index: sample for sample in samples}

    def write(self, sample: Sample) -> None:
        """Add a sample; it is on disk after every `BATCH` of them."""
        if self.path:
            self._lines.append(json.dumps(asdict(sample)) + "\n")
            if len(self._lines) == BATCH:
                self.flush()

    def flush(self) -> None:
        """Bring what was added to disk."""
        if self.path and self._lines:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.writelines(self._lines)
                stream.flush()
                os.fsync(stream.fileno())
            self._lines = []

    def remove(self) -> None:
        """Take the file away."""
        if self.path:
            self.path.unlink()
