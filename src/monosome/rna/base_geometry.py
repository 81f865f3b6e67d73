"""The geometry of a base: where its hydrogens and lone pairs point, on which edge, and where its rings lie."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from monosome.rna.nucleotides import ATOM_INDEX, BASE_INDEX, BASES

_SITES = """
A -  H  C8 C8 N7 N9
A H  :  N7 N7 C5 C8
A H  H  N6 C6 N1 N1
A W  H  N6 C6 C5 C5
A W  :  N1 N1 C2 C6
A -  H  C2 C2 N1 N3
A S  :  N3 N3 C2 C4
C H  H  C6 C6 C5 N1
C H  H  C5 C5 C4 C6
C H  H  N4 C4 N3 N3
C W  H  N4 C4 C5 C5
C W  :  N3 N3 C2 C4
C W  :  O2 C2 N1 N1
C S  :  O2 C2 N3 N3
G -  H  C8 C8 N7 N9
G H  :  N7 N7 C5 C8
G H  :  O6 C6 N1 N1
G W  :  O6 C6 C5 C5
G W  H  N1 N1 C2 C6
G W  H  N2 C2 N3 N3
G S  H  N2 C2 N1 N1
G S  :  N3 N3 C2 C4
U H  H  C6 C6 C5 N1
U H  H  C5 C5 C4 C6
U H  :  O4 C4 N3 N3
U W  :  O4 C4 C5 C5
U W  H  N3 N3 C2 C4
U W  :  O2 C2 N1 N1
U S  :  O2 C2 N3 N3
"""
"""What a base can bond with, along its rim from the Hoogsteen to the sugar edge.

Base, edge (Watson–Crick, Hoogsteen, sugar, or a corner between two), hydrogen or lone pair, the atom it is on, and its
direction: from two atoms (the last) to a third, which for amino and carbonyl groups is some 60° off their axis. Edges
as in Leontis & Westhof 2001 and Lemieux & Major 2002.
"""

LENGTHS = {"C": 1.08, "N": 1.01, ":": 1.00}
"""From an atom to its hydrogen, or to the point that stands for its lone pair (Å; AMBER, Cornell et al. 1995)."""
EDGES = "WHS"
NO_EDGE = -1
NUM_SITES = 8

SIX_RING = tuple(ATOM_INDEX[name] for name in ("N1", "C2", "N3", "C4", "C5", "C6"))
FIVE_RING = tuple(ATOM_INDEX[name] for name in ("C4", "C5", "N7", "C8", "N9"))
_IS_PURINE = np.array([base in "AG" for base in BASES])


@dataclass(frozen=True, eq=False)
class Rim:
    """The sites of the bases in their order along the rim; bases with fewer than eight are filled up with −1.

    A site is `length` (Å) from `atom`, the way that `root` is from `first` and from `second`. `edge` indexes EDGES,
    NO_EDGE at a corner; `turn` that of the point halfway to the next site.
    """

    atom: Int64[np.ndarray, "4 8"]
    root: Int64[np.ndarray, "4 8"]
    first: Int64[np.ndarray, "4 8"]
    second: Int64[np.ndarray, "4 8"]
    length: Float[np.ndarray, "4 8"]
    is_hydrogen: Bool[np.ndarray, "4 8"]
    edge: Int64[np.ndarray, "4 8"]
    turn: Int64[np.ndarray, "4 8"]


def _rim() -> Rim:
    names = np.full((len(BASES), NUM_SITES, 4), -1, dtype=np.int64)
    edge = np.full((len(BASES), NUM_SITES), NO_EDGE)
    length = np.ones((len(BASES), NUM_SITES))
    is_hydrogen = np.zeros((len(BASES), NUM_SITES), dtype=bool)
    counts = [0] * len(BASES)
    for base, letter, kind, *atoms in (line.split() for line in _SITES.split("\n") if line):
        place = BASE_INDEX[base], counts[BASE_INDEX[base]]
        names[place] = [ATOM_INDEX[name] for name in atoms]
        edge[place] = EDGES.find(letter)
        length[place] = LENGTHS[atoms[0][0] if kind == "H" else ":"]
        is_hydrogen[place] = kind == "H"
        counts[place[0]] += 1
    following = np.roll(edge, -1, axis=1)
    one_edge = (following == NO_EDGE) | (following == edge)
    turn = np.where(one_edge, edge, np.where(edge == NO_EDGE, following, NO_EDGE))
    atom, root, first, second = np.moveaxis(names, -1, 0)
    return Rim(atom, root, first, second, length, is_hydrogen, edge, turn)


RIM = _rim()


def place_sites(atoms: Float[np.ndarray, "n 27 3"], bases: Int64[np.ndarray, "n"]) -> Float[np.ndarray, "n 8 3"]:
    """Where the hydrogens and lone pairs of each base are (Å), in the order of RIM; NaN where an atom is missing."""
    rows = np.arange(len(bases))[:, None]
    atom, root, first, second = (atoms[rows, index[bases]] for index in (RIM.atom, RIM.root, RIM.first, RIM.second))
    away = unit(unit(root - first) + unit(root - second))
    sites = atom + away * RIM.length[bases][..., None]
    sites[RIM.atom[bases] < 0] = np.nan
    return sites


def nearest_edge(
    points: Float[np.ndarray, "p 3"], sites: Float[np.ndarray, "p 8 3"], bases: Int64[np.ndarray, "p"]
) -> Int64[np.ndarray, "p"]:
    """The edge of a base that each point lies on, by the nearest site or halfway point; NO_EDGE at a corner."""
    halfway = (sites + np.roll(sites, -1, axis=1)) / 2
    halfway[:, -1] = np.nan  # from the last site to the first
    marks = np.concatenate([sites, halfway], axis=1)
    labels = np.concatenate([RIM.edge, RIM.turn], axis=1)[bases]
    distances = np.linalg.norm(marks - points[:, None], axis=-1)
    nearest = np.where(np.isnan(distances), np.inf, distances).argmin(axis=1)
    return labels[np.arange(len(points)), nearest]


@dataclass(frozen=True, eq=False)
class Rings:
    """Centre (Å) and unit normal of the rings of bases; in an A-form strand all normals point to the 3' end.

    `residue` tells whose they are: the six-membered rings of all residues, then the five-membered ones of the purines.
    """

    residue: Int64[np.ndarray, "rings"]
    centre: Float[np.ndarray, "rings 3"]
    normal: Float[np.ndarray, "rings 3"]


def find_rings(atoms: Float[np.ndarray, "n 27 3"], bases: Int64[np.ndarray, "n"]) -> Rings:
    """The rings of each base; NaN where an atom of one is missing."""
    purines = np.flatnonzero(_IS_PURINE[bases])
    six, five = atoms[:, SIX_RING], atoms[purines][:, FIVE_RING]
    turned = np.where(_IS_PURINE[bases], -1.0, 1.0)[:, None]
    return Rings(
        residue=np.concatenate([np.arange(len(bases)), purines]),
        centre=np.concatenate([six.mean(axis=1), five.mean(axis=1)]),
        normal=np.concatenate([turned * _normal(six), _normal(five)]),
    )


def _normal(ring: Float[np.ndarray, "rings corners 3"]) -> Float[np.ndarray, "rings 3"]:
    """Unit normal of a polygon (Newell's), counterclockwise as seen from its tip."""
    spokes = ring - ring.mean(axis=1, keepdims=True)
    return unit(np.cross(spokes, np.roll(spokes, -1, axis=1)).sum(axis=1))


def unit(vectors: Float[np.ndarray, "*shape 3"]) -> Float[np.ndarray, "*shape 3"]:
    """The vectors at length one; NaN for those of no length."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, np.nan)
