"""Base pairs and base stacking of a structure: Leontis–Westhof classes from coordinates."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from monosome.rna.base_geometry import EDGES, NO_EDGE, NUM_SITES, RIM, find_rings, nearest_edge, place_sites, unit
from monosome.rna.chain import Chain
from monosome.rna.neighbours import pairs_within
from monosome.rna.nucleotides import ATOM_INDEX, BASES, GLYCOSIDIC, WATSON_CRICK, WOBBLE

HALF_BOND = 1.7
"""From hydrogen to lone pair (Å) where a hydrogen bond counts half: with SOFTNESS fitted to Lemieux & Major 2002.

Their mixture of Gaussians takes two angles as well. The distance alone finds the same pairs in 259 natives (10,421
pairs; F1 0.995 for cis Watson–Crick, 0.95 for others); a term in the angles gained nothing.
"""
SOFTNESS = 0.1
"""How much farther (Å) divides the odds of a bond by e."""
REACH = 2.3
"""Farther apart (Å) hydrogen and lone pair make less than 0.003 of a bond."""
CLASH = 2.0
"""Donor and acceptor nearer than this (Å) are a clash, not a bond: 26 of 24,098 contacts in 259 natives."""
PAIRED = 0.8
"""Hydrogen bonds that a pair has at least (Lemieux & Major 2002)."""

STACK_DISTANCE = 4.5
"""Between the centres of stacked rings (Å; Gabb et al. 1996), as MC-Annotate has it."""
STACK_ANGLE = 35.0
"""Between normals, and between a normal and the line of centres (degrees), as MC-Annotate has it."""

_TURNED_OVER = {"upward": "downward", "downward": "upward"}
_GLYCOSIDIC = np.array([ATOM_INDEX[GLYCOSIDIC[base]] for base in BASES])


@dataclass(frozen=True, order=True)
class BasePair:
    """Residues `i` < `j`, paired; `kind` is their Leontis–Westhof class as in cWW, tHS, cSW: edges of i, then of j."""

    i: int
    j: int
    kind: str
    is_canonical: bool
    """A Watson–Crick or G·U wobble pair in its usual geometry: cWW of AU, GC or GU."""


@dataclass(frozen=True, order=True)
class Stack:
    """Bases `i` < `j` stacked on each other; `kind` is upward, downward, inward or outward."""

    i: int
    j: int
    kind: str


@dataclass(frozen=True)
class Interactions:
    """The base pairs and stacks of a structure, each sorted; a residue may be in several."""

    pairs: tuple[BasePair, ...]
    stacks: tuple[Stack, ...]


def find_interactions(chain: Chain) -> Interactions:
    """Base pairs and stacks by the rules of MC-Annotate, from heavy atoms.

    Gendron et al. 2001, Lemieux & Major 2002: hydrogens and lone pairs are placed on the bases, those of C–H too, and
    bases that share PAIRED of a hydrogen bond pair by the edges that meet; a pair that meets at a corner between two
    edges has no class and is left out. A residue has one canonical pair at most, the one with the most bonds. Bases
    stack by the distance and angles of their rings. What atoms are missing for is not there.
    """
    atoms = chain.atoms.astype(np.float64)
    return Interactions(tuple(sorted(_pairs(chain, atoms))), tuple(sorted(_stacks(atoms, chain.bases))))


def renumber(interactions: Interactions, places: Int64[np.ndarray, "n"]) -> Interactions:
    """The interactions with residue k called places[k]; those of a residue at −1 are left out.

    So a model's are brought into the numbers of its native. Where two residues change order, so do the edges of their
    pair, and upward becomes downward.
    """
    pairs, stacks = [], []
    for pair in interactions.pairs:
        i, j = int(places[pair.i]), int(places[pair.j])
        kind = pair.kind if i < j else pair.kind[0] + pair.kind[:0:-1]
        if min(i, j) >= 0:
            pairs.append(BasePair(min(i, j), max(i, j), kind, pair.is_canonical))
    for stack in interactions.stacks:
        i, j = int(places[stack.i]), int(places[stack.j])
        kind = stack.kind if i < j else _TURNED_OVER.get(stack.kind, stack.kind)
        if min(i, j) >= 0:
            stacks.append(Stack(min(i, j), max(i, j), kind))
    return Interactions(tuple(sorted(pairs)), tuple(sorted(stacks)))


@dataclass(frozen=True, eq=False)
class _Contacts:
    """Bases `i` < `j` with hydrogen bonds between them: how many, and their mean place on each base (Å)."""

    i: Int64[np.ndarray, "contacts"]
    j: Int64[np.ndarray, "contacts"]
    strength: Float[np.ndarray, "contacts"]
    on_i: Float[np.ndarray, "contacts 3"]
    on_j: Float[np.ndarray, "contacts 3"]

    def select(self, rows: Bool[np.ndarray, "contacts"]) -> "_Contacts":
        return _Contacts(self.i[rows], self.j[rows], self.strength[rows], self.on_i[rows], self.on_j[rows])


def _pairs(chain: Chain, atoms: Float[np.ndarray, "n 27 3"]) -> Iterator[BasePair]:
    bases = chain.bases
    sites = place_sites(atoms, bases)
    contacts = _find_contacts(atoms, sites, bases)
    contacts = contacts.select(contacts.strength >= PAIRED)
    edge_i = nearest_edge(contacts.on_i, sites[contacts.i], bases[contacts.i])
    edge_j = nearest_edge(contacts.on_j, sites[contacts.j], bases[contacts.j])
    turn = _turn(atoms, bases, contacts)
    known = (edge_i != NO_EDGE) & (edge_j != NO_EDGE) & np.isfinite(turn)
    paired: set[int] = set()
    for row in np.flatnonzero(known)[np.argsort(-contacts.strength[known], kind="stable")]:  # the strongest first
        i, j = int(contacts.i[row]), int(contacts.j[row])
        kind = "tc"[int(turn[row] > 0)] + EDGES[edge_i[row]] + EDGES[edge_j[row]]
        can_be = kind == "cWW" and chain.sequence[i] + chain.sequence[j] in WATSON_CRICK | WOBBLE
        is_canonical = can_be and paired.isdisjoint((i, j))
        if is_canonical:
            paired.update((i, j))
        yield BasePair(i, j, kind, is_canonical)


def _find_contacts(
    atoms: Float[np.ndarray, "n 27 3"], sites: Float[np.ndarray, "n 8 3"], bases: Int64[np.ndarray, "n"]
) -> _Contacts:
    """All pairs of bases with a hydrogen near a lone pair; each of these has one bond to give to the other base."""
    hydrogen, lone_pair = _facing(sites, RIM.is_hydrogen[bases])
    places = sites.reshape(-1, 3)
    carriers = atoms[np.arange(len(bases))[:, None], RIM.atom[bases]].reshape(-1, 3)
    clash = np.linalg.norm(carriers[hydrogen] - carriers[lone_pair], axis=1) < CLASH
    hydrogen, lone_pair = hydrogen[~clash], lone_pair[~clash]
    distance = np.linalg.norm(places[hydrogen] - places[lone_pair], axis=1)
    bond = 1 / (1 + np.exp((distance - HALF_BOND) / SOFTNESS))
    first, second = np.minimum(hydrogen, lone_pair), np.maximum(hydrogen, lone_pair)
    key, contact = np.unique(first // NUM_SITES * len(bases) + second // NUM_SITES, return_inverse=True)
    for site in (hydrogen, lone_pair):
        _, shared = np.unique(contact * len(places) + site, return_inverse=True)
        bond = bond / np.maximum(1, _sums(bond, shared, len(bond)))[shared]
    strength = _sums(bond, contact, len(key))
    on_first, on_second = (
        np.stack([_sums(bond * axis, contact, len(key)) for axis in places[site].T], axis=1) / strength[:, None]
        for site in (first, second)
    )
    return _Contacts(key // len(bases), key % len(bases), strength, on_first, on_second)


def _sums(
    values: Float[np.ndarray, "values"], groups: Int64[np.ndarray, "values"], num: int
) -> Float[np.ndarray, "groups"]:
    """The sum of the values of each group."""
    return np.bincount(groups, values, minlength=num).astype(np.float64)  # of nothing it is in integers


def _facing(
    sites: Float[np.ndarray, "n 8 3"], is_hydrogen: Bool[np.ndarray, "n 8"]
) -> tuple[Int64[np.ndarray, "bonds"], Int64[np.ndarray, "bonds"]]:
    """Places in `sites`, run together, of hydrogens and lone pairs of two bases that are within REACH."""
    places, kinds = sites.reshape(-1, 3), is_hydrogen.reshape(-1)
    known = np.flatnonzero(np.isfinite(places).all(axis=1))
    one, other = known[pairs_within(places[known], REACH)].T
    facing = (one // NUM_SITES != other // NUM_SITES) & (kinds[one] != kinds[other])
    one, other = one[facing], other[facing]
    return np.where(kinds[one], one, other), np.where(kinds[one], other, one)


def _turn(
    atoms: Float[np.ndarray, "n 27 3"], bases: Int64[np.ndarray, "n"], contacts: _Contacts
) -> Float[np.ndarray, "contacts"]:
    """Above zero where both glycosidic bonds are on one side of the line between the rings (cis), below in trans."""
    centre = find_rings(atoms, bases).centre
    bond = atoms[:, ATOM_INDEX["C1'"]] - atoms[np.arange(len(bases)), _GLYCOSIDIC[bases]]
    line = unit(centre[contacts.j] - centre[contacts.i])
    one, other = bond[contacts.i], bond[contacts.j]
    return np.asarray((one * other).sum(axis=1) - (one * line).sum(axis=1) * (other * line).sum(axis=1))


def _stacks(atoms: Float[np.ndarray, "n 27 3"], bases: Int64[np.ndarray, "n"]) -> Iterator[Stack]:
    """Of bases of which several rings stack, six-membered rings tell the direction."""
    rings = find_rings(atoms, bases)
    known = np.flatnonzero(np.isfinite(rings.normal).all(axis=1))
    near = known[pairs_within(rings.centre[known], STACK_DISTANCE)]
    first, second = np.take_along_axis(near, rings.residue[near].argsort(axis=1), axis=1).T
    rise = unit(rings.centre[second] - rings.centre[first])
    tilt, over, under = (
        (one * other).sum(axis=1)
        for one, other in (
            (rings.normal[first], rings.normal[second]),
            (rings.normal[first], rise),
            (rings.normal[second], rise),
        )
    )
    limit = np.cos(np.deg2rad(STACK_ANGLE))
    stacked = (np.abs(tilt) >= limit) & (np.maximum(np.abs(over), np.abs(under)) >= limit)
    stacked &= rings.residue[first] != rings.residue[second]
    found: dict[tuple[int, int], str] = {}
    rows = np.flatnonzero(stacked)
    for row in rows[np.lexsort((first[rows], second[rows]))]:
        kinds = ("downward", "upward") if tilt[row] > 0 else ("outward", "inward")
        residues = int(rings.residue[first[row]]), int(rings.residue[second[row]])
        found.setdefault(residues, kinds[int(over[row] > 0)])
    return (Stack(i, j, kind) for (i, j), kind in found.items())
