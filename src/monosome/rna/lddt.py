"""lDDT: which distances of the native a model keeps, without superposition (Mariani et al. 2013, Bioinformatics 29)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

from monosome.rna.neighbours import pairs_within
from monosome.rna.nucleotides import NUM_ATOMS

RADIUS = 15.0
"""Inclusion radius (Å)."""
THRESHOLDS = (0.5, 1.0, 2.0, 4.0)
"""Differences of distance (Å) that count as kept, each a quarter."""
MAX_PAIRS = 2_000_000
"""Pairs of atoms measured at once; 100 MB with their coordinates."""


@dataclass(frozen=True, eq=False)
class Contacts:
    """Pairs of atoms of a native that lDDT compares, as indices into all n·27 atoms, and their distances (Å)."""

    pairs: Int64[np.ndarray, "2 p"]
    lengths: Float32[np.ndarray, "p"]
    num_residues: int


@dataclass(frozen=True, eq=False)
class Lddt:
    """Over the whole native, 0 to 1, None where it has no distance; and of each residue, NaN where it has none."""

    score: float | None
    per_residue: Float[np.ndarray, "n"]


def find_contacts(native: Float32[np.ndarray, "n 27 3"]) -> Contacts:
    """Pairs of atoms of different residues within the inclusion radius."""
    points = native.reshape(-1, 3)
    resolved = np.flatnonzero(np.isfinite(points).all(axis=-1))
    pairs = resolved[pairs_within(points[resolved], RADIUS)].T
    pairs = np.ascontiguousarray(pairs[:, pairs[0] // NUM_ATOMS != pairs[1] // NUM_ATOMS])
    return Contacts(pairs, _lengths(points, pairs), len(native))


def kept_shares(model: Float32[np.ndarray, "n 27 3"], contacts: Contacts) -> Float32[np.ndarray, "p"]:
    """The share of thresholds within which a model keeps the length of each contact, 0 where it lacks an atom.

    The model has the residues of the native in the same order; NaN coordinates are missing atoms.
    """
    change = np.abs(_lengths(model.reshape(-1, 3), contacts.pairs) - contacts.lengths)
    kept = np.zeros(len(change), dtype=np.int8)
    for threshold in THRESHOLDS:
        kept += change < threshold  # NaN is not
    return kept / np.float32(len(THRESHOLDS))


def lddt(
    shares: Float32[np.ndarray, "p"], contacts: Contacts, left_out: Bool[np.ndarray, "n 27"] | None = None
) -> Lddt:
    """lDDT of all heavy atoms: the mean share over all contacts, of which those of atoms `left_out` count 0.

    Atoms that a check of stereochemistry objects to are left out, as OpenStructure does; without, none are.
    """
    if left_out is not None:
        shares = np.where(left_out.ravel()[contacts.pairs].any(axis=0), np.float32(0), shares)
    kept, counts = np.zeros(contacts.num_residues), np.zeros(contacts.num_residues)
    for residues in contacts.pairs // NUM_ATOMS:
        kept += np.bincount(residues, weights=shares, minlength=contacts.num_residues)
        counts += np.bincount(residues, minlength=contacts.num_residues)
    per_residue = np.divide(kept, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return Lddt(float(kept.sum() / counts.sum()) if counts.any() else None, per_residue)


def _lengths(points: Float32[np.ndarray, "a 3"], pairs: Int64[np.ndarray, "2 p"]) -> Float32[np.ndarray, "p"]:
    lengths = np.empty(pairs.shape[1], dtype=np.float32)
    for start in range(0, len(lengths), MAX_PAIRS):
        part = slice(start, start + MAX_PAIRS)
        steps = points.take(pairs[0, part], axis=0) - points.take(pairs[1, part], axis=0)
        np.sqrt(np.einsum("pi,pi->p", steps, steps), out=lengths[part])
    return lengths
