"""Bonds, angles, chirality and links of a structure, held against ideal values."""

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64

from monosome.rna.chain import Chain
from monosome.rna.neighbours import pairs_within
from monosome.rna.nucleotides import ATOM_INDEX, ATOM_NAMES, BACKBONE, BASES, NUM_ATOMS
from monosome.rna.torsions import along_strand

OUTLIER = 4.0
"""Standard deviations from which MolProbity calls a bond or angle an outlier (Williams 2018, Protein Sci. 27, 293)."""
GROSS = 12.0
"""Standard deviations from which OpenStructure takes atoms out of lDDT."""
GAP = 1.9
"""O3'–P distance (Å) above which neighbours are not bonded: 24 standard deviations from 1.607 Å."""

_LEAST_DEVIATION = {2: 0.01, 3: 1.5}
"""The smallest deviations (Å, degrees) in CCP4's monomer library, whose values OpenStructure takes."""
_RADII = {"C": 1.70, "N": 1.55, "O": 1.52, "P": 1.80}
_TOLERANCE = 1.5
"""Radii (Å) of OpenStructure's clashes, and how far they may overlap."""
_RADIUS = np.array([_RADII[name[0]] for name in ATOM_NAMES])


@dataclass(frozen=True, eq=False)
class Terms:
    """What is measured on two (bonds), three (angles) or four atoms (chiral centres) of each nucleotide, per base.

    An atom is at `slots` of the residue itself or, where `offsets` is 1, of the next. `ideal` and `deviation` are in Å,
    degrees or Å³, NaN where a base has fewer terms than another.
    """

    names: tuple[tuple[str, ...], ...]
    slots: Int64[np.ndarray, "4 t a"]
    offsets: Int64[np.ndarray, "4 t a"]
    ideal: Float[np.ndarray, "4 t"]
    deviation: Float[np.ndarray, "4 t"]

    def measure(self, chain: Chain) -> Float[np.ndarray, "n t"]:
        """Lengths, angles or signed volumes; NaN where an atom is missing or an angle has no arm."""
        points = along_strand(chain, self.slots[chain.bases], self.offsets[chain.bases])
        if points.shape[2] == 2:
            found = np.linalg.norm(points[:, :, 1] - points[:, :, 0], axis=-1)
        elif points.shape[2] == 3:
            one, other = points[:, :, 0] - points[:, :, 1], points[:, :, 2] - points[:, :, 1]
            lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
            cosine = (one * other).sum(axis=-1) / np.where(lengths > 0, lengths, np.nan)
            found = np.degrees(np.arccos(cosine.clip(-1, 1)))
        else:
            one, two, three = np.moveaxis(points[:, :, 1:] - points[:, :, :1], 2, 0)
            found = (np.cross(one, two) * three).sum(axis=-1)
        return np.where(np.isfinite(self.ideal[chain.bases]), found, np.nan)


def _terms(table: dict[str, Any], num_atoms: int) -> Terms:
    rows = [
        {
            names: values
            for names, values in (table["backbone"] | table[base]).items()
            if len(names.split()) == num_atoms
        }
        for base in BASES
    ]
    shape = (len(BASES), max(len(row) for row in rows))
    slots, offsets = (np.zeros((*shape, num_atoms), dtype=np.int64) for _ in range(2))
    ideal, deviation = np.full(shape, np.nan), np.full(shape, np.nan)
    for base, row in enumerate(rows):
        for term, (names, values) in enumerate(row.items()):
            slots[base, term] = [ATOM_INDEX[name.lstrip("+")] for name in names.split()]
            offsets[base, term] = [name.startswith("+") for name in names.split()]
            ideal[base, term], deviation[base, term] = values[:2]
    return Terms(tuple(tuple(row) for row in rows), slots, offsets, ideal, deviation)


def _bonded(bonds: Terms) -> Bool[np.ndarray, "4 27 27"]:
    base, term = np.nonzero((bonds.offsets == 0).all(axis=-1) & np.isfinite(bonds.ideal))
    one, other = bonds.slots[base, term].T
    bonded = np.zeros((len(BASES), NUM_ATOMS, NUM_ATOMS), dtype=bool)
    bonded[base, one, other] = bonded[base, other, one] = True
    return bonded


_TABLE = json.loads((resources.files("monosome.rna") / "geometry.json").read_text())
BONDS, ANGLES, CENTRES = (_terms(_TABLE, num_atoms) for num_atoms in (2, 3, 4))
"""Ideal values from geometry.json, which tools/measure_geometry.py writes: it says which are published."""
BONDED = _bonded(BONDS)
"""Which atoms of a nucleotide are bonded to each other, per base."""


@dataclass(frozen=True)
class Outlier:
    """Where a structure is off: index of the residue, atoms (+ those of the next residue), and the value there.

    `value` is in Å, degrees or Å³; `deviations` says how many standard deviations it is above the ideal.
    """

    residue: int
    atoms: str
    value: float
    deviations: float


@dataclass(frozen=True)
class Check:
    """How many were looked at, and which are off."""

    num: int
    outliers: tuple[Outlier, ...]

    @property
    def within(self) -> float | None:
        """Share that is not off; None where there was nothing to look at."""
        return 1 - len(self.outliers) / self.num if self.num else None


@dataclass(frozen=True)
class Stereochemistry:
    """Bonds and angles more than OUTLIER deviations off, C1' to C4' of the wrong hand, and links that are gaps."""

    bonds: Check
    angles: Check
    centres: Check
    links: Check


def stereochemistry(chain: Chain) -> Stereochemistry:
    """Which bonds, angles, chiral centres and links between residues are off.

    Ideal values are those of Gelbin et al. 1996 and Parkinson et al. 1996 for backbone and ribose, the others measured
    at 2 Å or better. A link joins neighbours of one strand, or of consecutive numbers (also where two chains were
    joined that are numbered through); it is a gap above GAP.
    """
    bonds, angles, centres = (_check(chain, terms) for terms in (BONDS, ANGLES, CENTRES))
    return Stereochemistry(bonds, angles, centres, _links(chain))


def _check(chain: Chain, terms: Terms) -> Check:
    values, bases = terms.measure(chain), chain.bases
    off = (values - terms.ideal[bases]) / terms.deviation[bases]
    is_off = values * terms.ideal[bases] < 0 if terms is CENTRES else np.abs(off) > OUTLIER
    outliers = tuple(
        Outlier(row, terms.names[bases[row]][term], float(values[row, term]), float(off[row, term]))
        for row, term in np.argwhere(is_off).tolist()
    )
    return Check(int(np.isfinite(values).sum()), outliers)


def _links(chain: Chain) -> Check:
    lengths = np.linalg.norm(chain.atom("P")[1:] - chain.atom("O3'")[:-1], axis=-1).astype(np.float64)
    near = (np.diff(chain.segments) == 0) | np.isin(np.diff(chain.residue_numbers), (0, 1))
    term = BONDS.names[0].index("O3' +P")
    off = (lengths - BONDS.ideal[0, term]) / BONDS.deviation[0, term]
    gaps = np.flatnonzero(near & (lengths > GAP)).tolist()
    return Check(
        int((near & np.isfinite(lengths)).sum()),
        tuple(Outlier(row, "O3' +P", float(lengths[row]), float(off[row])) for row in gaps),
    )


def bad_atoms(chain: Chain) -> Bool[np.ndarray, "n 27"]:
    """The atoms that OpenStructure takes out of a model before lDDT: those of bad residues, or of bad bases.

    Bad is an atom of a bond or angle more than GROSS deviations off, or one nearer to an atom it is not bonded to than
    the sum of their radii less 1.5 Å. An atom of phosphate or ribose makes the whole residue bad, one of the base the
    base. That is the rule of OpenStructure's mol.alg.stereochemistry.StereoCheck. It takes ideal values from CCP4's
    monomer library; here they are those of `stereochemistry`, no deviation below the least of that library.
    """
    bad = _clashing(chain)
    for terms in (BONDS, ANGLES):
        off = terms.measure(chain) - terms.ideal[chain.bases]
        limit = GROSS * np.maximum(terms.deviation, _LEAST_DEVIATION[terms.slots.shape[-1]])[chain.bases]
        rows, columns = np.nonzero(np.abs(off) > limit)
        bases = chain.bases[rows]
        bad[rows[:, None] + terms.offsets[bases, columns], terms.slots[bases, columns]] = True
    in_backbone = np.arange(NUM_ATOMS) < len(BACKBONE)
    whole = bad[:, in_backbone].any(axis=1, keepdims=True)
    base = bad[:, ~in_backbone].any(axis=1, keepdims=True) & ~in_backbone
    return np.asarray(chain.resolved & (whole | base))


def _clashing(chain: Chain) -> Bool[np.ndarray, "n 27"]:
    residues, slots = np.nonzero(chain.resolved)
    points = chain.atoms[residues, slots].astype(np.float64)
    one, other = pairs_within(points, float(2 * _RADIUS.max() - _TOLERANCE)).T
    near = (
        np.linalg.norm(points[one] - points[other], axis=1) < _RADIUS[slots[one]] + _RADIUS[slots[other]] - _TOLERANCE
    )
    near &= ~_are_bonded(chain, (residues[one], slots[one]), (residues[other], slots[other]))
    clashing = np.zeros((len(chain), NUM_ATOMS), dtype=bool)
    for ends in (one[near], other[near]):
        clashing[residues[ends], slots[ends]] = True
    return clashing


_Places = tuple[Int64[np.ndarray, "k"], Int64[np.ndarray, "k"]]
"""Residues and slots of atoms."""


def _are_bonded(chain: Chain, before: _Places, after: _Places) -> Bool[np.ndarray, "k"]:
    """Whether atoms are bonded to others, which come after them in the order of residues and slots."""
    (here, slot), (there, other) = before, after
    inner = (here == there) & BONDED[chain.bases[here], slot, other]
    linked = (there == here + 1) & (chain.segments[here] == chain.segments[there])
    return np.asarray(inner | linked & (slot == ATOM_INDEX["O3'"]) & (other == ATOM_INDEX["P"]))
