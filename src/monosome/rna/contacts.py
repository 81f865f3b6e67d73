"""Hydrogens that follow their heavy atoms, and which atoms of a structure are about to run into each other."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

from monosome.rna.chain import Chain
from monosome.rna.clashes import HALF_ANGLE, HYDROGEN_BOND, METHYLENE, OVERLAP, TABLE, are_bonded
from monosome.rna.neighbours import pairs_within
from monosome.rna.nucleotides import NUM_ATOMS

APART = 0.08
"""Atoms are kept this much (Å) farther apart than a clash."""
SKIN = 1.0
"""Contacts are looked up for atoms that are this much (Å) farther apart than they may be."""

CELL, CROWDED = 4.0, 100.0
"""Edge of a cube (Å), and how many atoms share one in a heap, on average; in natural chains 4.5 heavy atoms do."""


@dataclass(frozen=True, eq=False)
class Hydrogens:
    """How hydrogens lie: `length` Å from `carrier`, away from `arms` as `origin` sees them.

    The two of a methylene group lie to both sides of the plane of its arms. `column` is the place in clashes.TABLE.
    """

    carrier: Int64[Tensor, "h"]
    origin: Int64[Tensor, "h"]
    arms: Int64[Tensor, "h 3"]
    has_arm: Bool[Tensor, "h 3"]
    length: Float[Tensor, "h"]
    column: Int64[Tensor, "h"]


@dataclass(frozen=True, eq=False)
class Contacts:
    """Pairs of atoms, hydrogens after all heavy atoms, and the least distance (Å) between them."""

    atoms: Int64[Tensor, "k 2"]
    least: Float[Tensor, "k"]


def hydrogens_of(chain: Chain) -> Hydrogens:
    """The hydrogens whose carriers and arms are there."""
    bases = chain.bases
    rows = np.arange(len(chain))[:, None] * NUM_ATOMS
    resolved = chain.resolved.reshape(-1)
    carrier, origin = rows + TABLE.carrier[bases, NUM_ATOMS:], rows + TABLE.origin[bases]
    arms, has_arm = rows[..., None] + TABLE.arms[bases], TABLE.has_arm[bases]
    known = np.isfinite(TABLE.length[bases]) & resolved[carrier] & resolved[origin]
    known &= (resolved[arms] | ~has_arm).all(axis=-1)
    return Hydrogens(
        torch.from_numpy(carrier[known]),
        torch.from_numpy(origin[known]),
        torch.from_numpy(arms[known]),
        torch.from_numpy(has_arm[known]),
        torch.from_numpy(TABLE.length[bases][known]).float(),
        torch.from_numpy(np.nonzero(known)[1]),
    )


def place(hydrogens: Hydrogens, atoms: Float[Tensor, "a 3"]) -> Float[Tensor, "h 3"]:
    """Where the hydrogens are (Å): as clashes.place_hydrogens has it, with a gradient."""
    arms = normalize(atoms[hydrogens.arms] - atoms[hydrogens.origin].unsqueeze(1), dim=-1)
    away = -normalize((arms * hydrogens.has_arm.unsqueeze(-1)).sum(1), dim=-1)
    across = normalize(torch.linalg.cross(arms[:, 0], arms[:, 1]), dim=-1)
    of_two = (hydrogens.column >= METHYLENE.start) & (hydrogens.column < METHYLENE.stop)
    sideways = math.cos(HALF_ANGLE) * away + math.sin(HALF_ANGLE) * across
    direction = torch.where(of_two.unsqueeze(-1), sideways, away)
    return atoms[hydrogens.carrier] + hydrogens.length.unsqueeze(-1) * direction


@dataclass(frozen=True, eq=False)
class Surfaces:
    """What decides which atoms may come how near: rows are heavy atoms as residue · 27 + slot, then hydrogens."""

    exists: Bool[np.ndarray, "p"]
    radius: Float[np.ndarray, "p"]
    gives: Bool[np.ndarray, "p"]
    takes: Bool[np.ndarray, "p"]
    carrier: Int64[np.ndarray, "p"]
    bonds: Int64[np.ndarray, "b 2"]

    def contacts(self, points: Float[np.ndarray, "p 3"]) -> Contacts:
        """Atoms near enough to run into each other that are not bonded: apart by clashscore's rules, and APART.

        None in a crowd.
        """
        rows = np.flatnonzero(self.exists)
        rows = rows[:0] if is_crowded(points[rows]) else rows
        pairs = rows[pairs_within(points[rows], 2 * float(self.radius.max()) - OVERLAP + APART + SKIN)]
        may_bond = (self.gives[pairs] & self.takes[pairs][:, ::-1]).any(axis=1)
        least = self.radius[pairs].sum(axis=1) - OVERLAP + APART - np.where(may_bond, HYDROGEN_BOND, 0)
        near = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1) < least + SKIN
        pairs, least = pairs[near], least[near]
        is_hydrogen = self.carrier[pairs] != pairs
        free = ~are_bonded(self.bonds, self.carrier[pairs], is_hydrogen)
        return Contacts(torch.from_numpy(pairs[free]), torch.from_numpy(least[free]).float())


def is_crowded(points: Float[np.ndarray, "p 3"]) -> bool:
    """Whether atoms lie in a heap, as where a network has not learned yet: no move of 1 Å would free them.

    Their pairs, of which there are as many as the square of the atoms, are better not looked at.
    """
    _, counts = np.unique(np.floor(points / CELL), axis=0, return_counts=True)
    return bool((counts**2).sum() > CROWDED * counts.sum())


def surfaces_of(chain: Chain, hydrogens: Hydrogens, bonds: Int64[np.ndarray, "b 2"]) -> Surfaces:
    """The surfaces of a chain's atoms and its hydrogens, bonded as `bonds` says however far apart."""
    carrier = hydrogens.carrier.numpy()
    residues, slots = np.divmod(np.arange(len(chain) * NUM_ATOMS), NUM_ATOMS)
    heavy = chain.bases[residues], slots
    light = chain.bases[carrier // NUM_ATOMS], NUM_ATOMS + hydrogens.column.numpy()
    radius, gives, takes = (
        np.concatenate([table[heavy], table[light]]) for table in (TABLE.radius, TABLE.gives, TABLE.takes)
    )
    return Surfaces(
        exists=np.concatenate([chain.resolved.reshape(-1), np.ones(len(carrier), dtype=bool)]),
        radius=radius,
        gives=gives,
        takes=takes,
        carrier=np.concatenate([np.arange(len(residues)), carrier]),
        bonds=bonds,
    )
