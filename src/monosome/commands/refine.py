"""`monosome refine`: the local geometry of structures, mended."""

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from monosome.commands.output import print_json, print_table
from monosome.errors import DataError, MonosomeError
from monosome.processes import num_processors, worker_pool
from monosome.rna.assessments import models_in
from monosome.rna.files import SUFFIXES, read_structure, write_structure
from monosome.rna.refinement import Geometry, Refinement, join_near, refine
from monosome.rna.stereochemistry import GAP, OUTLIER, Check

COLUMNS = ("model", "nt", "C1' moved, Å", "links broken", "wrong hands", "clashscore")
"""Of a table of many; the last three before and after."""


@dataclass(frozen=True)
class Job:
    """A structure to mend, and where to write it."""

    structure: Path
    out: Path
    steps: int


Outcome = dict[str, Any] | str
"""What one refinement did, as JSON; or why there is none."""


def run(structures: Sequence[Path], *, out: Path, steps: int, jobs: int, json: bool) -> None:
    """Write the mended structure to the file `out`, those of several or of folders to the folder; print what was off.

    Raises DataError when `out` is there already or is no name of a structure file, or when there is nothing to refine.
    """
    if len(structures) > 1 or structures[0].is_dir():
        _run_many(structures, out, steps, jobs, json=json)
        return
    if out.exists():
        raise DataError(f"{out} is there already", "give another name with -o, or move it away")
    if out.suffix.lower() not in SUFFIXES:
        raise DataError(f"{out} is no name of a structure file", f"end it in {' or '.join(SUFFIXES)}")
    found, notes = _mend(Job(structures[0], out, steps))
    if json:
        print_json({"structure": str(structures[0]), "out": str(out), **_as_json(found), "notes": notes})
        return
    title = f"{len(found.chain)} residues, C1' moved by {found.shift:.2f} Å"
    before, after = _lines(found.before), _lines(found.after)
    print_table([title, "before", "after"], [[name, before[name], after[name]] for name in before])
    for note in (*_notes(found), *notes):
        print(f"note: {note}")
    print(f"structure: {out}")


def _run_many(structures: Sequence[Path], out: Path, steps: int, jobs: int, *, json: bool) -> None:
    """Mend each by itself, several at a time; one that cannot be mended is named, the others are written."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} is there already", "choose another folder with --out")
    todo = list(_jobs(structures, out, steps))
    out.mkdir(parents=True, exist_ok=True)
    found: dict[int, Outcome] = {}
    console = Console(stderr=True)
    done = track(
        _outcomes(todo, jobs or num_processors()),
        description="mending",
        total=len(todo),
        console=console,
        disable=not console.is_terminal,
    )
    for number, outcome in done:
        found[number] = outcome
    outcomes = [found[number] for number in range(len(todo))]
    failed = [(job.structure, outcome) for job, outcome in zip(todo, outcomes, strict=True) if isinstance(outcome, str)]
    if len(failed) == len(todo):
        raise DataError(f"none of {len(todo)} structures can be mended; the first: {failed[0][1]}")
    mended = [outcome for outcome in outcomes if not isinstance(outcome, str)]
    if json:
        errors = [{"structure": str(structure), "error": why} for structure, why in failed]
        print_json({"models": mended, "errors": errors})
        return
    print_table(COLUMNS, [_row(outcome) for outcome in mended])
    for structure, why in failed:
        print(f"not mended: {structure}: {why}")
    print(f"structures: {out}")


def _jobs(structures: Sequence[Path], out: Path, steps: int) -> Iterator[Job]:
    """One for each file, written under its own name, unpacked. Raises DataError where two would have one name."""
    taken: dict[Path, Path] = {}
    for place in structures:
        for file in models_in(place) if place.is_dir() else [place]:
            name = file.name.removesuffix(".gz")
            target = out / (name if Path(name).suffix.lower() in SUFFIXES else f"{name}.cif")
            if target in taken:
                raise DataError(f"{taken[target]} and {file} would both be {target}", "refine them one by one")
            taken[target] = file
            yield Job(file, target, steps)


def _outcomes(todo: Sequence[Job], num_workers: int) -> Iterator[tuple[int, Outcome]]:
    """Each with its place, in whatever order they are done."""
    if num_workers == 1 or len(todo) == 1:
        yield from ((number, outcome_of(job)) for number, job in enumerate(todo))
        return
    with worker_pool(min(num_workers, len(todo)), __name__) as pool:
        places = {pool.submit(outcome_of, job): number for number, job in enumerate(todo)}
        for future in as_completed(places):
            yield places[future], future.result()


def outcome_of(job: Job) -> Outcome:
    """What mending did, or why it could not be done."""
    try:
        found, notes = _mend(job)
    except MonosomeError as error:
        return error.message
    names = {"structure": str(job.structure), "out": str(job.out)}
    return {**names, **_as_json(found), "notes": [*_notes(found), *notes]}


def _mend(job: Job) -> tuple[Refinement, list[str]]:
    """The refinement, written, and notes of the reader."""
    reading = read_structure(job.structure)
    found = refine(join_near(reading.chains), steps=job.steps)
    ends = np.cumsum([0, *map(len, reading.chains)]).tolist()
    mended = [
        replace(chain, atoms=found.chain.atoms[start:end])
        for chain, (start, end) in zip(reading.chains, pairwise(ends), strict=True)
    ]
    write_structure(mended, job.out, format="pdb" if job.out.suffix.lower() in (".pdb", ".ent") else "cif")
    return found, list(reading.notes)


def _row(outcome: dict[str, Any]) -> list[str]:
    before, after = outcome["before"], outcome["after"]
    pairs = [
        f"{_number(before[name])} to {_number(after[name])}" for name in ("num_gaps", "num_inverted", "clashscore")
    ]
    return [Path(outcome["out"]).name, str(outcome["length"]), f"{outcome['shift_angstrom']:.2f}", *pairs]


def _number(value: float | int | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


def _lines(geometry: Geometry) -> dict[str, str]:
    found, clashes = geometry.stereochemistry, geometry.clashes
    return {
        f"bonds within {OUTLIER:g} sd": _share(found.bonds),
        f"angles within {OUTLIER:g} sd": _share(found.angles),
        "chiral centres inverted": f"{len(found.centres.outliers)} of {found.centres.num}",
        f"links above {GAP} Å": f"{len(found.links.outliers)} of {found.links.num}",
        "clashscore": "undefined" if clashes.score is None else f"{clashes.score:.1f}",
    }


def _share(check: Check) -> str:
    return "undefined" if check.within is None else f"{check.within:.1%} of {check.num}"


def _notes(found: Refinement) -> list[str]:
    notes = []
    if found.num_placed:
        notes.append(f"placed {found.num_placed} atoms that were missing")
    if found.num_renewed:
        notes.append(f"gave {found.num_renewed} residues an ideal base, ribose or phosphate: theirs was beyond bending")
    if found.num_open:
        notes.append(f"left {found.num_open} links open: closing them would move C1' too far")
    if found.chain.resolved.any(axis=1).sum() > found.chain.has_frame.sum():
        notes.append("residues without C1', C4' and N9 or N1 have atoms missing still")
    return notes


def _as_json(found: Refinement) -> dict[str, Any]:
    return {
        "length": len(found.chain),
        "shift_angstrom": found.shift,
        "num_placed": found.num_placed,
        "num_renewed": found.num_renewed,
        "num_open": found.num_open,
        "before": found.before.as_json(),
        "after": found.after.as_json(),
    }
