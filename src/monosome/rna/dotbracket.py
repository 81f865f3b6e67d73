"""Secondary structure in dot-bracket form, pseudoknots included, written from base pairs."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Int32, Int64

from monosome.rna.pairing import Pairs

BRACKETS = ("()", "[]", "{}", "<>", "Aa", "Bb", "Cc", "Dd")
"""Of each layer the letters that open and close a pair; `pairing.pairs_of` reads the same."""


def dot_bracket(length: int, pairs: Iterable[tuple[int, int]]) -> str:
    """Dot-bracket form of pairs (i, j) counted from 0: round for the largest nested set, then a kind for each layer.

    Of pairs that share a residue one is written, see `one_per_residue`; so is no pair of a ninth layer.
    """
    letters = ["."] * length
    for brackets, layer in zip(BRACKETS, nested_layers(one_per_residue(pairs)), strict=False):
        for i, j in layer:
            letters[i], letters[j] = brackets[0], brackets[1]
    return "".join(letters)


def with_breaks(text: str, segments: Int64[np.ndarray, "n"]) -> str:
    """A sequence or its dot-bracket form with `&` wherever a strand ends and the next begins."""
    starts = np.flatnonzero(np.diff(segments)) + 1
    cuts = [0, *starts.tolist(), len(text)]
    return "&".join(text[start:end] for start, end in pairwise(cuts))


def one_per_residue(pairs: Iterable[tuple[int, int]]) -> Pairs:
    """The pairs, sorted, without those that share a residue with a pair of a longer stem (of equals, with the first).

    A stem is a run of pairs (i, j), (i+1, j-1), …: a model squeezed together pairs a base with two others.
    """
    found = {(min(pair), max(pair)) for pair in pairs}
    lengths = {pair: len(stem) for stem in stems(found) for pair in stem}
    taken: set[int] = set()
    kept: Pairs = []
    for pair in sorted(found, key=lambda pair: (-lengths[pair], pair)):
        if taken.isdisjoint(pair):
            taken.update(pair)
            kept.append(pair)
    return sorted(kept)


def stems(pairs: Iterable[tuple[int, int]]) -> list[Pairs]:
    """Runs of pairs (i, j), (i+1, j-1), …, as long as they go, outermost pair first; single pairs are runs of one."""
    found = set(pairs)
    runs = []
    for i, j in sorted(found):
        if (i - 1, j + 1) not in found:
            run = [(i, j)]
            while (run[-1][0] + 1, run[-1][1] - 1) in found:
                run.append((run[-1][0] + 1, run[-1][1] - 1))
            runs.append(run)
    return runs


def nested_layers(pairs: Sequence[tuple[int, int]]) -> list[Pairs]:
    """The pairs, each residue in one at most, as sets without crossings: the largest, the largest of the rest, …"""
    layers = []
    rest = list(pairs)
    while rest:
        layers.append(nested_pairs(rest))
        chosen = set(layers[-1])
        rest = [pair for pair in rest if pair not in chosen]
    return layers


def nested_pairs(pairs: Sequence[tuple[int, int]]) -> Pairs:
    """The largest set of the pairs that do not cross, each residue being in one pair at most; of equals the 5' one.

    An independent set of a circle graph (Supowit 1987), by dynamic programming over the 2m paired residues: time and
    memory grow with m²: 5 ms and 3 MB for the 400 pairs of a 1,600-nt ribosomal RNA.
    """
    places = sorted(place for pair in pairs for place in pair)
    rank = {place: index for index, place in enumerate(places)}
    opening = np.full(len(places), -1)
    for i, j in pairs:
        opening[rank[max(i, j)]] = rank[min(i, j)]
    best = _most_nested(opening)
    chosen = []
    intervals = [(0, len(places))]
    while intervals:
        start, end = intervals.pop()
        while end > start:
            end -= 1
            if best[end + 1, start] > best[end, start]:
                chosen.append((places[opening[end]], places[end]))
                intervals.append((int(opening[end]) + 1, end))
                end = int(opening[end])
    return sorted(chosen)


def _most_nested(opening: Int64[np.ndarray, "k"]) -> Int32[np.ndarray, "k+1 k+1"]:
    """At [end, start] the largest number of nested pairs among the places from start to end, which is left out.

    `opening` has the place of the opening partner at each closing place, and -1 elsewhere.
    """
    best = np.zeros((len(opening) + 1, len(opening) + 1), dtype=np.int32)
    for end, partner in enumerate(opening.tolist()):
        best[end + 1] = best[end]
        if partner >= 0:
            paired = best[partner, : partner + 1] + 1 + best[end, partner + 1]
            np.maximum(best[end, : partner + 1], paired, out=best[end + 1, : partner + 1])
    return best
