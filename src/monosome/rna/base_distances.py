"""What holds bases together while a structure is mended: hydrogen bonds, and distances to those they stack on."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64

from monosome.rna.chain import Chain
from monosome.rna.clashes import TABLE
from monosome.rna.geometry import helix_frames, partner_frames, place_atoms
from monosome.rna.interactions import Interactions
from monosome.rna.nucleotides import ATOM_INDEX, BACKBONE, BASES, NUM_ATOMS, WATSON_CRICK

HELD_BOND, HELD_BASES = 0.1, 0.2
"""Deviations (Å) of hydrogen bonds, and of other distances between bases that pair or stack."""
HOLD = 3.0
"""Deviations from which the pull of what holds the start grows no further: a wrong pair must not tear a strand."""
HYDROGEN_BONDS = (2.75, 3.1)
"""Shortest and longest (Å) between donor and acceptor of a base pair."""
BONDED_REACH, BASES_REACH = 3.6, 6.0
"""Of paired bases atoms this near (Å) are taken as bonded; of paired or stacked bases distances to this are held."""
TWIST = 0.4
"""How far (Å) distances in a Watson–Crick pair may be from those in the A-form helix: pairs are not all alike."""
CANONICAL = {
    "AU": (("N6", "O4"), ("N1", "N3")),
    "CG": (("N4", "O6"), ("N3", "N1"), ("O2", "N2")),
    "GU": (("O6", "N3"), ("N1", "O2")),
}
"""The hydrogen bonds of Watson–Crick and wobble pairs."""

Rows = tuple[Int64[np.ndarray, "k 2"], Float[np.ndarray, "k"], Float[np.ndarray, "k"], Float[np.ndarray, "k"]]
"""Atoms, target, deviation and reach of distances."""


def _ideal_pairs() -> Float[np.ndarray, "4 4 27 27"]:
    """Distances (Å) between the atoms of two bases paired as in the A-form helix."""
    bases = torch.arange(len(BASES))
    first, second = (
        place_atoms(frames[torch.zeros_like(bases)], bases).double().numpy()
        for frames in (helix_frames(1), partner_frames(1))
    )
    return np.linalg.norm(first[:, None, :, None] - second[None, :, None, :], axis=-1)


_IDEAL_PAIRS = _ideal_pairs()


def hold_bases(chain: Chain, interactions: Interactions) -> list[Rows]:
    """Distances between bases that pair or stack, ideal in Watson–Crick pairs, else as they are; hydrogen bonds."""
    is_ideal = {
        (pair.i, pair.j): pair.is_canonical and chain.sequence[pair.i] + chain.sequence[pair.j] in WATSON_CRICK
        for pair in interactions.pairs
    }
    rows = sorted(is_ideal | {(stack.i, stack.j): False for stack in interactions.stacks})
    one, other = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    distances = np.linalg.norm(chain.atoms[one, :, None] - chain.atoms[other, None], axis=-1).astype(np.float64)
    ideal = np.array([is_ideal.get(row, False) for row in rows], dtype=bool)
    shape = _IDEAL_PAIRS[chain.bases[one[ideal]], chain.bases[other[ideal]]]
    distances[ideal] = shape + np.nan_to_num(distances[ideal] - shape).clip(-TWIST, TWIST)
    in_bases = np.arange(NUM_ATOMS) >= len(BACKBONE)
    known = in_bases[:, None] & in_bases & chain.resolved[one, :, None] & chain.resolved[other, None]
    pair, first, second = np.nonzero(known & (distances >= HYDROGEN_BONDS[1]) & (distances <= BASES_REACH))
    held = np.stack([one[pair] * NUM_ATOMS + first, other[pair] * NUM_ATOMS + second], axis=1)
    bonds = {bond for each in interactions.pairs for bond in _hydrogen_bonds(chain, each.i, each.j, each.is_canonical)}
    bonded = np.array(sorted(bonds), dtype=np.int64).reshape(-1, 2)
    places = chain.atoms.reshape(-1, 3)
    lengths = np.linalg.norm(places[bonded[:, 0]] - places[bonded[:, 1]], axis=-1).astype(np.float64)
    return [
        (held, distances[pair, first, second], np.full(len(held), HELD_BASES), np.full(len(held), HOLD)),
        (bonded, lengths.clip(*HYDROGEN_BONDS), np.full(len(bonded), HELD_BOND), np.full(len(bonded), HOLD)),
    ]


def _hydrogen_bonds(chain: Chain, i: int, j: int, is_canonical: bool) -> list[tuple[int, int]]:
    """Atoms of two bases that bond: by rule in a canonical pair, else donors near acceptors."""
    if chain.sequence[i] > chain.sequence[j]:
        i, j = j, i
    names = CANONICAL.get(chain.sequence[i] + chain.sequence[j]) if is_canonical else None
    if names:
        found = [(ATOM_INDEX[one], ATOM_INDEX[other]) for one, other in names]
    else:
        gives, takes = _polar(chain.bases[[i, j]])
        distances = np.linalg.norm(chain.atoms[i][:, None] - chain.atoms[j], axis=-1)
        may = (gives[0][:, None] & takes[1]) | (takes[0][:, None] & gives[1])
        found = [(int(one), int(other)) for one, other in np.argwhere(may & (distances <= BONDED_REACH))]
    return [
        (i * NUM_ATOMS + one, j * NUM_ATOMS + other)
        for one, other in found
        if chain.resolved[i, one] and chain.resolved[j, other]
    ]


def _polar(bases: Int64[np.ndarray, "k"]) -> tuple[Bool[np.ndarray, "k 27"], Bool[np.ndarray, "k 27"]]:
    """Which atoms of a base have a hydrogen to give, and which a lone pair."""
    gives = np.zeros((len(bases), NUM_ATOMS), dtype=bool)
    in_base = np.arange(NUM_ATOMS) >= len(BACKBONE)
    for row, base in enumerate(bases):
        gives[row, TABLE.carrier[base, NUM_ATOMS:][TABLE.gives[base, NUM_ATOMS:]]] = True
    return gives & in_base, TABLE.takes[bases, :NUM_ATOMS] & in_base
