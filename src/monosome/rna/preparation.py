"""A collection turned into a prepared folder, source by source; what was prepared before is kept."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from monosome.errors import DataError
from monosome.rna import prepared
from monosome.rna.dataset import Source, find_groups, read_source, sources
from monosome.rna.tables import read_table

PARTIAL = "manifest.partial.csv"
"""What was done so far, while the manifest is not there; a folder without a manifest is not read."""
SAVE_EVERY = 100
"""Sources between two writings of it."""

Row = dict[str, str]


@dataclass(frozen=True)
class Preparation:
    """The manifest's rows, how many of them were there before, and notes on what was left out and why."""

    rows: tuple[Row, ...]
    num_kept: int
    notes: tuple[str, ...]


def prepare(source: Path, out: Path, watch: Callable[[int, int], None]) -> Preparation:
    """Write one NPZ per chain of `source` and a manifest to `out`; `watch` is told of sources done, and of all.

    A source whose content and NPZs are those of an earlier run is not read again, so an interrupted run goes on.
    Raises DataError when nothing is usable, or when `out` holds a manifest of another kind.
    """
    if (out / prepared.MANIFEST).exists() and not prepared.is_prepared(out):
        raise DataError(f"{out} holds another {prepared.MANIFEST}", "choose an empty folder")
    todo, done = sources(source), _rows_by_source(out)
    rows: list[Row] = []
    notes: list[str] = []
    num_kept = 0
    try:
        for number, each in enumerate(todo, start=1):
            before = done.get((each.name, each.sha256()), [])
            if before and all(prepared.is_whole(out, row) for row in before):
                rows += before
                num_kept += len(before)
            else:
                written, remarks = _write(each, out, taken={row["id"] for row in rows})
                rows += written
                notes += remarks
            watch(number, len(todo))
            if number % SAVE_EVERY == 0:
                prepared.write_manifest(out / PARTIAL, rows)
    except BaseException:
        prepared.write_manifest(out / PARTIAL, rows)
        raise
    if not rows:
        raise DataError(f"{source}: no usable RNA chain", notes[0] if notes else "")
    groups, remarks = find_groups(source, [(row["id"], row["sequence"]) for row in rows])
    rows = [row | {"group": group} for row, group in zip(rows, groups, strict=True)]
    prepared.write_manifest(out / prepared.MANIFEST, rows)
    (out / PARTIAL).unlink(missing_ok=True)
    return Preparation(tuple(rows), num_kept, (*notes, *remarks))


def _rows_by_source(out: Path) -> dict[tuple[str, str], list[Row]]:
    """Rows of earlier runs by source and its digest."""
    found: dict[tuple[str, str], list[Row]] = {}
    for name in (PARTIAL, prepared.MANIFEST):
        if (out / name).is_file():
            rows: dict[tuple[str, str], list[Row]] = {}
            for row in read_table(out / name, prepared.COLUMNS):
                rows.setdefault((row["source"], row["source_sha256"]), []).append(row)
            found |= rows
    return found


def _write(source: Source, out: Path, taken: set[str]) -> tuple[list[Row], list[str]]:
    entries, notes = read_source(source, taken)
    digest = source.sha256()
    return [prepared.write_entry(out, entry, digest) for entry in entries], notes
