"""eRMSD: how differently the bases of two structures lie towards each other."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from monosome.rna.base_geometry import unit
from monosome.rna.chain import Chain
from monosome.rna.neighbours import pairs_within
from monosome.rna.nucleotides import ATOM_INDEX, BASES

CUTOFF = 2.4
"""Scaled length from which a pair of bases counts nothing."""
SCALE = np.array([5.0, 5.0, 3.0])
"""Half axes of the ellipsoid that the vectors between bases are measured by (Å)."""
_RING = {"A": ("C2", "C6", "C4"), "G": ("C2", "C6", "C4"), "C": ("C2", "C4", "C6"), "U": ("C2", "C4", "C6")}
_RING_ATOMS = np.array([[ATOM_INDEX[atom] for atom in _RING[base]] for base in BASES])
"""Origin is their centre, the first is on x, the second has y > 0."""


@dataclass(frozen=True, eq=False)
class Ermsd:
    """The eRMSD, and what each residue adds: the mean of `residues` is its square; NaN where a base lacks an atom.

    `value` is None where fewer than two residues have their base in both structures.
    """

    value: float | None
    residues: Float[np.ndarray, "n"]


def ermsd(native: Chain, model: Chain) -> Ermsd:
    """eRMSD of two chains of equal length, residue for residue (Bottaro et al. 2014, Nucleic Acids Res. 42, 13306).

    √(1/N Σ |G_jk − G'_jk|²) over ordered pairs of the N residues whose C2, C4 and C6 both have. 0 for equal structures;
    below about 0.7 most pairs and stacks are the same. A pair's difference counts half for each of its residues.
    """
    frames = [base_frames(chain) for chain in (native, model)]
    known = np.logical_and.reduce([np.isfinite(origins).all(axis=1) for origins, _ in frames])
    residues = np.full(len(native), np.nan)
    if known.sum() < 2:
        return Ermsd(None, residues)
    frames = [(origins[known], axes[known]) for origins, axes in frames]
    num = int(known.sum())
    pairs = np.unique(np.concatenate([_near(origins) for origins, _ in frames]), axis=0)
    difference = _interaction(*frames[0], pairs) - _interaction(*frames[1], pairs)
    squared = np.square(difference).sum(axis=1)
    added = np.bincount(pairs.T.ravel(), np.tile(squared / 2, 2), minlength=num)
    residues[known] = added
    return Ermsd(float(np.sqrt(added.mean())), residues)


def base_frames(chain: Chain) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3 3"]]:
    """Centre of the six-membered ring of each base and its axes as rows: x to C2, z normal to the base."""
    ring = np.take_along_axis(chain.atoms, _RING_ATOMS[chain.bases][:, :, None], axis=1).astype(np.float64)
    origins = ring.mean(axis=1)
    x = unit(ring[:, 0] - origins)
    z = unit(np.cross(x, ring[:, 1] - origins))  # atoms on one line have no frame: NaN
    axes = np.stack([x, np.cross(z, x), z], axis=1)
    return np.where(np.isfinite(axes).all(axis=(1, 2))[:, None], origins, np.nan), axes


def _near(origins: Float[np.ndarray, "n 3"]) -> Int64[np.ndarray, "k 2"]:
    """Ordered pairs of bases that may lie within the cutoff in either frame."""
    pairs = pairs_within(origins, float(CUTOFF * SCALE.max()))
    return np.concatenate([pairs, pairs[:, ::-1]])


def _interaction(
    origins: Float[np.ndarray, "n 3"], axes: Float[np.ndarray, "n 3 3"], pairs: Int64[np.ndarray, "k 2"]
) -> Float[np.ndarray, "k 4"]:
    """The vectors G of pairs: where the second base lies in the frame of the first, smoothly 0 at the cutoff."""
    first, second = pairs.T
    scaled = np.einsum("kij,kj->ki", axes[first], origins[second] - origins[first]) / SCALE
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    share = length / CUTOFF  # sinc(x) = sin(πx)/(πx)
    vector = np.concatenate([scaled * np.sinc(share), (1 + np.cos(np.pi * share)) * CUTOFF / np.pi], axis=1)
    return np.where(share < 1, vector, 0)
