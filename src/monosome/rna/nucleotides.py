"""The four nucleotides: heavy atoms, frame, ideal coordinates, and how a sequence is read."""

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64

from monosome.errors import DataError

BASES = "ACGU"
BASE_INDEX = {base: index for index, base in enumerate(BASES)}

BACKBONE = ("P", "OP1", "OP2", "O5'", "C5'", "C4'", "O4'", "C3'", "O3'", "C2'", "O2'", "C1'")
"""Phosphate and ribose, the same in every nucleotide."""
BASE_ATOMS = {
    "A": ("N9", "C8", "N7", "C5", "C6", "N6", "N1", "C2", "N3", "C4"),
    "C": ("N1", "C2", "O2", "N3", "C4", "N4", "C5", "C6"),
    "G": ("N9", "C8", "N7", "C5", "C6", "O6", "N1", "C2", "N2", "N3", "C4"),
    "U": ("N1", "C2", "O2", "N3", "C4", "O4", "C5", "C6"),
}
"""Atoms of each base; the first is the glycosidic nitrogen."""
ATOM_NAMES = (
    *BACKBONE,
    *("N9", "C8", "N7", "C5", "C6", "O6", "N6", "N1", "C2", "N2", "N3", "C4", "O2", "N4", "O4"),
)
"""The 27 heavy atoms of A, C, G and U together: the atom axis of every coordinate array."""
NUM_ATOMS = len(ATOM_NAMES)
ATOM_INDEX = {name: index for index, name in enumerate(ATOM_NAMES)}

GLYCOSIDIC = {base: atoms[0] for base, atoms in BASE_ATOMS.items()}
"""The nitrogen that carries the base: N9 in purines, N1 in pyrimidines."""
WATSON_CRICK = frozenset({"AU", "UA", "CG", "GC"})
WOBBLE = frozenset({"GU", "UG"})
CAN_PAIR: Bool[np.ndarray, "4 4"] = np.array(
    [[one + other in WATSON_CRICK | WOBBLE for other in BASES] for one in BASES]
)
"""Whether two bases make a canonical pair, by their indices in BASES."""

_AMBIGUOUS = {
    "R": "A or G", "Y": "C or U", "S": "C or G", "W": "A or U", "K": "G or U", "M": "A or C",
    "B": "C, G or U", "D": "A, G or U", "H": "A, C or U", "V": "A, C or G", "N": "any base",
}  # fmt: skip
"""IUPAC-IUB codes (Cornish-Bowden 1985)."""
_MODIFIED = {"I": "inosine", "P": "pseudouridine", "Ψ": "pseudouridine", "X": "an unknown base"}


def _atom_mask() -> Bool[np.ndarray, "4 27"]:
    names = [set(BACKBONE) | set(BASE_ATOMS[base]) for base in BASES]
    return np.array([[atom in present for atom in ATOM_NAMES] for present in names])


def _frame_atoms() -> Int64[np.ndarray, "4 3"]:
    rows = [[ATOM_INDEX[atom] for atom in ("C1'", GLYCOSIDIC[base], "C4'")] for base in BASES]
    return np.array(rows, dtype=np.int64)


ATOM_MASK = _atom_mask()
"""Which of the 27 atoms each base has, rows in the order of BASES."""
FRAME_ATOMS = _frame_atoms()
"""Per base the atoms of its frame: origin C1', N9 or N1 on +x, C4' in the xy plane with y > 0."""


@dataclass(frozen=True)
class Helix:
    """An ideal A-form strand: frame k is frame 0 turned by k·twist about z and raised by k·rise.

    The dyad of nucleotide 0 is the x axis: turning the frame by 180° about it gives the frame of its partner.
    Twist in radians, lengths in Å.
    """

    twist: float
    rise: float
    rotation: Float32[np.ndarray, "3 3"]
    origin: Float32[np.ndarray, "3"]


def _measured() -> tuple[Float32[np.ndarray, "4 27 3"], Helix]:
    text = (resources.files("monosome.rna") / "nucleotides.json").read_text()
    values: dict[str, Any] = json.loads(text)
    template = np.full((len(BASES), NUM_ATOMS, 3), np.nan, dtype=np.float32)
    for base in BASES:
        for atom, position in values[base].items():
            template[BASE_INDEX[base], ATOM_INDEX[atom]] = position
    helix = values["helix"]
    return template, Helix(
        twist=float(np.deg2rad(helix["twist_degrees"])),
        rise=helix["rise_angstrom"],
        rotation=np.array(helix["rotation"], dtype=np.float32),
        origin=np.array(helix["origin"], dtype=np.float32),
    )


TEMPLATE, HELIX = _measured()
"""Ideal C3'-endo nucleotides in their own frame (Å, NaN for atoms that a base lacks), and the A-form helix.

Both come from nucleotides.json, which tools/measure_nucleotides.py writes: it says on how many nucleotides.
"""


def encode(sequence: str) -> Int64[np.ndarray, "n"]:
    """Indices into BASES of a sequence that `parse_sequence` returned."""
    return np.array([BASE_INDEX[base] for base in sequence], dtype=np.int64)


def parse_sequence(text: str) -> tuple[str, list[str]]:
    """The RNA sequence in letters A, C, G, U, and notes on what was changed on the way.

    Lower case is raised, white space is dropped, T is read as U; the last two leave a note. Raises DataError
    naming the first letter that cannot be folded as it stands, and its position counted from 1: IUPAC codes for
    more than one base, modified bases, gaps (which may stand for residues that exist), `&` (a strand's end).
    """
    letters = "".join(text.split()).upper()
    notes = [] if letters == text.strip().upper() else ["white space was dropped"]
    if not letters:
        raise DataError("the sequence is empty", "give letters A, C, G and U")
    num_thymines = letters.count("T")
    if num_thymines:
        notes.append(f"{num_thymines} T read as U")
        letters = letters.replace("T", "U")
    for position, letter in enumerate(letters, start=1):
        if letter not in BASE_INDEX:
            raise _refusal(letter, position)
    return letters, notes


def _refusal(letter: str, position: int) -> DataError:
    place = f"{letter!r} at position {position}"
    if letter in _AMBIGUOUS:
        return DataError(f"{place} stands for {_AMBIGUOUS[letter]}", "write the base that is meant: A, C, G or U")
    if letter in _MODIFIED:
        return DataError(
            f"{place} is {_MODIFIED[letter]}, which is not modelled", "write its parent base: A, C, G or U"
        )
    if letter == "&":
        return DataError(f"{place} is a chain break; one strand is folded at a time", "give each strand by itself")
    if letter in "-.~":
        return DataError(f"{place} is a gap: is this a row of an alignment?", "take the gaps out")
    if letter in "()[]{}<>":
        return DataError(f"{place} is a bracket: this looks like a secondary structure", "give the sequence")
    return DataError(f"{place} is no RNA base", "give letters A, C, G and U")
