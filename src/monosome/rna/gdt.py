"""GDT_TS: the share of residues that can be brought close to the native's (Zemla 2003, Nucleic Acids Res. 31, 3370)."""

import numpy as np
from jaxtyping import Bool, Float

from monosome.rna.tm_score import NUM_ROUNDS, Search, fragments, new_rows, portions, within

CUTOFFS = (1.0, 2.0, 4.0, 8.0)
"""Distances in Å, each with a superposition of its own."""


def gdt_ts(model: Float[np.ndarray, "n 3"], native: Float[np.ndarray, "n 3"], native_length: int) -> float:
    """Mean over the cutoffs of the largest share of the native's residues within one superposition, 0 to 1.

    Residues are paired; those missing from the model are not within. Superpositions start from all fragments, as for
    TM-score, and from the residues within a cutoff again, until they stay the same.
    """
    search, starts = Search(model, native, native_length), fragments(len(model))
    most = [max(_most_within(search, part, cutoff) for part in portions(starts)) for cutoff in CUTOFFS]
    return float(np.mean(most)) / native_length


def _most_within(search: Search, chosen: Bool[np.ndarray, "s n"], cutoff: float) -> int:
    most, seen = 0, set[bytes]()
    for _ in range(NUM_ROUNDS):
        _, squared = search.superpose(chosen)
        most = max(most, int((squared <= cutoff**2).sum(axis=-1).max()))
        chosen = new_rows(within(squared, cutoff), seen)
        if not len(chosen):
            break
    return most
