"""`monosome refine`: the local geometry of a structure, mended."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from monosome.commands.output import print_json, print_table
from monosome.errors import DataError
from monosome.rna.files import SUFFIXES, read_structure, write_structure
from monosome.rna.refinement import Geometry, Refinement, join_near, refine
from monosome.rna.stereochemistry import GAP, OUTLIER, Check


def run(structure: Path, *, out: Path, steps: int, json: bool) -> None:
    """Write the mended structure to `out`; print what was off and what still is.

    Raises DataError when `out` is there already or is no name of a structure file, or when there is nothing to refine.
    """
    if out.exists():
        raise DataError(f"{out} is there already", "give another name with -o, or move it away")
    if out.suffix.lower() not in SUFFIXES:
        raise DataError(f"{out} is no name of a structure file", f"end it in {' or '.join(SUFFIXES)}")
    reading = read_structure(structure)
    found = refine(join_near(reading.chains), steps=steps)
    ends = np.cumsum([0, *map(len, reading.chains)]).tolist()
    mended = [
        replace(chain, atoms=found.chain.atoms[start:end])
        for chain, (start, end) in zip(reading.chains, pairwise(ends), strict=True)
    ]
    write_structure(mended, out, format="pdb" if out.suffix.lower() in (".pdb", ".ent") else "cif")
    if json:
        print_json({"structure": str(structure), "out": str(out), **_as_json(found), "notes": list(reading.notes)})
        return
    title = f"{len(found.chain)} residues, C1' moved by {found.shift:.2f} Å"
    before, after = _lines(found.before), _lines(found.after)
    print_table([title, "before", "after"], [[name, before[name], after[name]] for name in before])
    for note in (*_notes(found), *reading.notes):
        print(f"note: {note}")
    print(f"structure: {out}")


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
