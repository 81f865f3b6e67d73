"""Many models assessed at once, in several processes."""

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path

from monosome.errors import DataError, MonosomeError
from monosome.processes import num_processors, worker_pool
from monosome.rna.comparison import Reference
from monosome.rna.files import is_structure
from monosome.rna.metrics import METRICS, Assessment, Detail, Mode, score

MAX_PORTION = 32
"""Pairs that a process takes at once; all of one native, which is read once for them."""


@dataclass(frozen=True)
class Request:
    """What is asked of every pair."""

    atom: str = "C1'"
    mode: Mode | None = None
    metrics: tuple[str, ...] = METRICS
    details: tuple[Detail, ...] = ()


Outcome = Assessment | str
"""The scores of a pair, or why there are none."""
Pair = tuple[Path, Path]
"""Model and native."""


def assess_pairs(pairs: Sequence[Pair], request: Request, num_workers: int = 0) -> Iterator[tuple[int, Outcome]]:
    """The outcome of each pair with its place in `pairs`, in whatever order they are done.

    `num_workers` processes, by default one per processor that this process may use; few pairs stay in this one.
    """
    workers = num_workers or num_processors()
    todo = _portions(pairs, workers)
    if workers == 1 or len(todo) == 1:
        for portion in todo:
            yield from _assess_portion(portion, request)
        return
    with worker_pool(min(workers, len(todo)), __name__) as pool:
        for future in as_completed(pool.submit(_assess_portion, portion, request) for portion in todo):
            yield from future.result()


def models_in(folder: Path) -> list[Path]:
    """The structure files of a folder in the order of their names. Raises DataError when there are none."""
    found = sorted(file for file in folder.iterdir() if file.is_file() and is_structure(file))
    if not found:
        raise DataError(f"{folder}: there is no structure file in it", "give a folder of PDB or mmCIF files, also .gz")
    return found


Portion = list[tuple[int, Pair]]


def _portions(pairs: Sequence[Pair], num_workers: int) -> list[Portion]:
    """The pairs by native, cut so that every worker has some."""
    by_native: dict[Path, Portion] = {}
    for number, pair in enumerate(pairs):
        by_native.setdefault(pair[1], []).append((number, pair))
    size = max(1, min(MAX_PORTION, -(-len(pairs) // (4 * num_workers))))
    return [group[at : at + size] for group in by_native.values() for at in range(0, len(group), size)]


def _assess_portion(portion: Portion, request: Request) -> list[tuple[int, Outcome]]:
    try:
        native = Reference.read(portion[0][1][1])
    except MonosomeError as error:
        return [(number, error.message) for number, _ in portion]
    return [(number, _assess_one(model, native, request)) for number, (model, _) in portion]


def _assess_one(model: Path, native: Reference, request: Request) -> Outcome:
    try:
        return score(
            Reference.read(model),
            native,
            request.atom,
            mode=request.mode,
            metrics=request.metrics,
            details=request.details,
        )
    except DataError as error:
        return error.message
