"""Torsion angles of a strand, its sugar puckers, and how far a model's torsions are from the native's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from monosome.rna.chain import Chain, find_segments
from monosome.rna.nucleotides import ATOM_INDEX, BASES, GLYCOSIDIC, NUM_ATOMS

_ATOMS = {
    "alpha": "-O3' P O5' C5'",
    "beta": "P O5' C5' C4'",
    "gamma": "O5' C5' C4' C3'",
    "delta": "C5' C4' C3' O3'",
    "epsilon": "C4' C3' O3' +P",
    "zeta": "C3' O3' +P +O5'",
    "chi": "O4' C1' {nitrogen} {carbon}",
    "eta": "-C4' P C4' +P",
    "theta": "P C4' +P +C4'",
    "nu0": "C4' O4' C1' C2'",
    "nu1": "O4' C1' C2' C3'",
    "nu2": "C1' C2' C3' C4'",
    "nu3": "C2' C3' C4' O4'",
    "nu4": "C3' C4' O4' C1'",
}
"""The four atoms of each torsion (IUPAC-IUB 1983, Eur. J. Biochem. 131, 9; η and θ: Duarte & Pyle 1998, J. Mol. Biol.
284, 1465); - and + mark atoms of the residue before and after."""
TORSION_NAMES = tuple(_ATOMS)
BACKBONE_TORSIONS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "chi")
"""Backbone and base alone, which round V of RNA-Puzzles is nearer to: its median over 53 models of puzzle 11 is 24.9°,
by these it is 20.1°, by MCQ_TORSIONS 18.0°."""
MCQ_TORSIONS = ("alpha", "beta", "gamma", "epsilon", "zeta", "chi", "nu0", "nu1", "nu2", "nu3", "nu4", "phase")
"""The ring is in, and δ, which turns about the bond of ν3, is not counted twice: of all sets this is nearest to the
tables of RNA-Puzzles 1 to 15 (445 models of 13 puzzles: rank correlation 0.86 within one, median difference 1.3°)."""
PUCKERS = (
    "C3'-endo", "C4'-exo", "O4'-endo", "C1'-exo", "C2'-endo", "C3'-exo", "C4'-endo", "O4'-exo", "C1'-endo", "C2'-exo",
)  # fmt: skip
"""Names of the ten sectors of 36° of the pseudorotation phase, from 0."""


def _places() -> tuple[Int64[np.ndarray, "4 t 4"], Int64[np.ndarray, "t 4"]]:
    """Per base the slots of each torsion's atoms, and which residue each is in: −1, 0 or +1 from its own."""
    offsets = [[{"-": -1, "+": 1}.get(atom[0], 0) for atom in names.split()] for names in _ATOMS.values()]
    slots = []
    for base in BASES:
        ends = {"nitrogen": GLYCOSIDIC[base], "carbon": {"N9": "C4", "N1": "C2"}[GLYCOSIDIC[base]]}
        written = [names.format(**ends).split() for names in _ATOMS.values()]
        slots.append([[ATOM_INDEX[atom.lstrip("-+")] for atom in atoms] for atoms in written])
    return np.array(slots, dtype=np.int64), np.array(offsets, dtype=np.int64)


_SLOTS, _OFFSETS = _places()


@dataclass(frozen=True, eq=False)
class Torsions:
    """The torsions of each residue in degrees, −180 to 180; NaN where one of the four atoms is missing.

    χ is O4'-C1'-N9-C4 of purines and O4'-C1'-N1-C2 of pyrimidines. Those with an atom of a neighbour (α, ε, ζ, η, θ)
    are NaN at the ends of strands.
    """

    alpha: Float[np.ndarray, "n"]
    beta: Float[np.ndarray, "n"]
    gamma: Float[np.ndarray, "n"]
    delta: Float[np.ndarray, "n"]
    epsilon: Float[np.ndarray, "n"]
    zeta: Float[np.ndarray, "n"]
    chi: Float[np.ndarray, "n"]
    eta: Float[np.ndarray, "n"]
    theta: Float[np.ndarray, "n"]
    nu0: Float[np.ndarray, "n"]
    nu1: Float[np.ndarray, "n"]
    nu2: Float[np.ndarray, "n"]
    nu3: Float[np.ndarray, "n"]
    nu4: Float[np.ndarray, "n"]

    @property
    def phase(self) -> Float[np.ndarray, "n"]:
        """Phase P of the sugar pucker in degrees from 0 to 360 (Altona & Sundaralingam 1972)."""
        sine, cosine = self._pseudorotation
        return np.degrees(np.arctan2(sine, cosine)) % 360

    @property
    def amplitude(self) -> Float[np.ndarray, "n"]:
        """Amplitude τm of the sugar pucker in degrees (Altona & Sundaralingam 1972, J. Am. Chem. Soc. 94, 8205)."""
        return np.hypot(*self._pseudorotation)

    @property
    def puckers(self) -> list[str | None]:
        """C3'-endo, C2'-endo and so on, by sectors of 36° of the phase; None where undefined."""
        return [None if np.isnan(phase) else PUCKERS[int(phase // 36) % 10] for phase in self.phase.tolist()]

    @property
    def _pseudorotation(self) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
        """τm sin P and τm cos P."""
        scale = 2 * (np.sin(np.radians(36)) + np.sin(np.radians(72)))
        return (self.nu4 + self.nu1 - self.nu3 - self.nu0) / scale, self.nu2


def torsions(chain: Chain) -> Torsions:
    """All torsions of a chain."""
    atoms = along_strand(chain, _SLOTS[chain.bases], _OFFSETS)
    return Torsions(*dihedral(*np.moveaxis(atoms, 2, 0)).T)


def along_strand(
    chain: Chain, slots: Int64[np.ndarray, "n t a"], offsets: Int64[np.ndarray, "*per t a"]
) -> Float[np.ndarray, "n t a 3"]:
    """Atoms of each residue or, where an offset is −1 or +1, of its neighbour; NaN beyond the end of the strand.

    A strand also ends where the link is too long, as between the remaining neighbours of a residue that was left out.
    """
    residues = np.arange(len(chain))[:, None, None] + offsets
    inside = residues.clip(0, max(len(chain) - 1, 0))
    atoms = chain.atoms.reshape(-1, 3)[inside * NUM_ATOMS + slots].astype(np.float64)
    strands = np.stack([chain.segments, find_segments(chain.atoms)])
    bonded = (strands[:, inside] == strands[:, :, None, None]).all(axis=0)
    atoms[(inside != residues) | ~bonded] = np.nan
    return atoms


def dihedral(
    a: Float[np.ndarray, "*k 3"],
    b: Float[np.ndarray, "*k 3"],
    c: Float[np.ndarray, "*k 3"],
    d: Float[np.ndarray, "*k 3"],
) -> Float[np.ndarray, "*k"]:
    """Angle about b–c from a to d in degrees, clockwise positive looking along b→c; NaN where three are on a line."""
    first, axis, last = b - a, c - b, d - c
    before, after = np.cross(first, axis), np.cross(axis, last)
    sine = np.linalg.norm(axis, axis=-1) * (first * after).sum(axis=-1)
    cosine = (before * after).sum(axis=-1)
    undefined = (before == 0).all(axis=-1) | (after == 0).all(axis=-1)
    return np.where(undefined, np.nan, np.degrees(np.arctan2(sine, cosine)))


def torsion_differences(native: Chain, model: Chain, names: Sequence[str] = MCQ_TORSIONS) -> Float[np.ndarray, "n t"]:
    """By how much torsions differ, 0 to 180 degrees; NaN where either lacks one.

    The chains have the same length, residue for residue. `names` are fields of Torsions or "phase".
    """
    found = [torsions(chain) for chain in (native, model)]
    tables = [np.stack([getattr(one, name) for name in names], axis=1) for one in found]
    return np.abs((tables[0] - tables[1] + 180) % 360 - 180)


def mcq(native: Chain, model: Chain, names: Sequence[str] = MCQ_TORSIONS) -> float | None:
    """Mean of circular quantities of the torsion differences in degrees; None where no torsion is in common.

    atan2(Σ sin Δ, Σ cos Δ) over all torsions that both define (Zok, Popenda & Szachniuk 2014, Cent. Eur. J. Oper. Res.
    22, 457). The chains have the same length, residue for residue.
    """
    differences = np.radians(torsion_differences(native, model, names))
    known = differences[np.isfinite(differences)]
    return float(np.degrees(np.arctan2(np.sin(known).sum(), np.cos(known).sum()))) if known.size else None
