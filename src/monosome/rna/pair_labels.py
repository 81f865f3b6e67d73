"""What the pair head learns: for every two residues no pair, a canonical pair, or a Leontis–Westhof class."""

import numpy as np
from jaxtyping import Float32, Float64, Int8

from monosome.rna.chain import Chain
from monosome.rna.dotbracket import dot_bracket, stems
from monosome.rna.geometry import helix_frames, partner_frames
from monosome.rna.interactions import find_interactions
from monosome.rna.nucleotides import CAN_PAIR
from monosome.rna.pairing import Pairs, at_most_certain, most_accurate, pairs_of

_EDGES = ("WW", "WH", "HW", "WS", "SW", "HH", "HS", "SH", "SS")
KINDS = tuple(turn + edges for edges in _EDGES for turn in "ct")
"""Leontis–Westhof classes with the edge of the row's residue first (Leontis & Westhof 2001)."""
CLASSES = ("none", "canonical", *KINDS)
"""Classes of the pair head: cWW stands for those that are neither Watson–Crick nor wobble."""
NONE, CANONICAL = 0, 1
UNKNOWN = -1
"""Of two residues of which nothing is known."""
NOT_CANONICAL = -2
"""Of two residues that make no canonical pair, and of which no more is known: a dot-bracket tells no others."""
MIRRORED = tuple(CLASSES.index(kind if kind in CLASSES[:2] else kind[0] + kind[:0:-1]) for kind in CLASSES)
"""The class that two residues have when they are named the other way round."""

GAMMA = 2.0
"""How much a pair counts against an unpaired residue: a start misses a helix more than it minds one too many. Held-out
chains, 81: TM-score of starts .249, .251 and .252 at 1, 2 and 4."""
MIN_CROSSING = 3
"""Pairs of a helix of a pseudoknot at least."""
MIN_LOOP = 3
"""Residues in a hairpin loop at least."""
STEP_LIKENESS = 1.0
"""Root mean square (Å) of the differences of the six C1'–C1' distances of two stacked pairs from A-form's."""


def label_pairs(chain: Chain) -> Int8[np.ndarray, "n n"]:
    """Classes of all pairs of residues of a chain, from its atoms; from C1' alone where it has no bases.

    A residue without a whole base has only unknown pairs. Where C1' are all there is (Kaggle's labels), pairs are
    canonical if their bases, their distance and a neighbouring pair say so, and else not canonical.
    """
    has_frame = chain.has_frame
    if not has_frame.any():
        return _from_distances(chain)
    labels = np.where(has_frame[:, None] & has_frame, NONE, UNKNOWN).astype(np.int8)
    for pair in find_interactions(chain).pairs:
        label = CANONICAL if pair.is_canonical else CLASSES.index(pair.kind)
        labels[pair.i, pair.j], labels[pair.j, pair.i] = label, MIRRORED[label]
    return labels


def label_structure(structure: str) -> Int8[np.ndarray, "n n"]:
    """Classes of a secondary structure in dot-bracket form: its pairs canonical, all others not."""
    labels = np.full((len(structure), len(structure)), NOT_CANONICAL, dtype=np.int8)
    for i, j in pairs_of(structure):
        labels[i, j] = labels[j, i] = CANONICAL
    return labels


def likely_structure(probabilities: Float32[np.ndarray, "n n"]) -> str:
    """The structure of maximum expected accuracy of a matrix of chances of canonical pairs, in dot-bracket form.

    Helices that cross it (pseudoknots) are added where each pair is more likely than not and nothing else is. Pairs
    that stack on no other are left out: a helix is not begun by one (ViennaRNA's noLP).
    """
    length = len(probabilities)
    chances = at_most_certain(probabilities * (1 - np.eye(length, dtype=np.float32)))
    pairs = _stacked(pairs_of(most_accurate(chances, 1e-4, GAMMA)), 2)
    paired = {place for pair in pairs for place in pair}
    free = [(i, j) for i, j in np.argwhere(np.triu(chances, MIN_LOOP + 1) > 0.5).tolist() if paired.isdisjoint((i, j))]
    return dot_bracket(length, [*pairs, *_stacked(free, MIN_CROSSING)])


def _stacked(pairs: Pairs, least: int) -> Pairs:
    """The pairs of stems of at least so many."""
    return [pair for stem in stems(pairs) if len(stem) >= least for pair in stem]


def _from_distances(chain: Chain) -> Int8[np.ndarray, "n n"]:
    """Labels from C1' alone: bases that can pair, stacked as in A-form on others that can, each residue once."""
    c1 = chain.atom("C1'").astype(np.float64)
    known = np.asarray(np.isfinite(c1).all(axis=1))
    labels = np.where(known[:, None] & known, NOT_CANONICAL, UNKNOWN).astype(np.int8)
    likeness = _step_likeness(np.linalg.norm(c1[:, None] - c1[None], axis=-1))
    can_pair = CAN_PAIR[np.ix_(chain.bases, chain.bases)]
    likeness = np.where(can_pair[:-1, 1:] & can_pair[1:, :-1], likeness, np.inf)
    likeness[np.tril_indices(len(likeness), MIN_LOOP + 1)] = np.inf
    firsts, seconds = np.nonzero(likeness < STEP_LIKENESS)  # unknown distances are no step
    partners: dict[int, int] = {}
    for row in likeness[firsts, seconds].argsort():
        i, j = int(firsts[row]), int(seconds[row]) + 1
        step = ((i, j), (i + 1, j - 1))
        if all(partners.get(one, other) == other and partners.get(other, one) == one for one, other in step):
            partners |= {place: other for pair in step for place, other in (pair, pair[::-1])}
    for i, j in partners.items():
        labels[i, j] = CANONICAL
    return labels


def _step_likeness(distances: Float64[np.ndarray, "n n"]) -> Float64[np.ndarray, "m m"]:
    """Of i, i + 1 and j, j + 1: how far the distances of pairs i·(j + 1) and (i + 1)·j are from those in A-form (Å)."""
    helix = np.concatenate([frames.translations.numpy() for frames in (helix_frames(2), partner_frames(2))])
    ideal = np.linalg.norm(helix[:, None] - helix[None], axis=-1)  # i, i + 1, and their partners j + 1, j
    along = np.diagonal(distances, offset=1)
    found = (
        (distances[:-1, 1:], ideal[0, 2]),
        (distances[1:, :-1], ideal[1, 3]),
        (distances[:-1, :-1], ideal[0, 3]),
        (distances[1:, 1:], ideal[1, 2]),
        (along[:, None], ideal[0, 1]),
        (along[None, :], ideal[2, 3]),
    )
    return np.sqrt(sum((measured - wanted) ** 2 for measured, wanted in found) / len(found))
