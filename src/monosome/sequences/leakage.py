"""Held-out sequences that training data has seen, in whole or in part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monosome.sequences.fasta import Record
from monosome.sequences.kmers import index_kmers


@dataclass(frozen=True)
class Overlap:
    """A training and a held-out record by name, the distinct k-mers they share, and their share of the smaller set."""

    train: str
    valid: str
    shared: int
    share: float


def shared_kmers(train: Sequence[Record], valid: Sequence[Record], k: int, min_share: float = 0.0) -> list[Overlap]:
    """The pairs that share k-mers, the worst leak first; `min_share` hides smaller overlaps.

    Method: distinct k-mers in common, over those of the record that has fewer, so that a held-out fragment of a
    training sequence counts as 1. Limits: those of `clusters.cluster`; records shorter than k are never named, so
    look for equal sequences besides.
    """
    index = index_kmers([record.sequence for record in (*train, *valid)], k)
    overlaps = []
    for portion in index.shared_counts(num_references=len(train)):
        smaller = np.minimum(index.num_kmers[portion.first], index.num_kmers[portion.second])
        leaks = np.flatnonzero(portion.shared >= min_share * smaller)
        overlaps += [
            Overlap(
                train=train[portion.second[at]].id,
                valid=valid[portion.first[at] - len(train)].id,
                shared=int(portion.shared[at]),
                share=float(portion.shared[at] / smaller[at]),
            )
            for at in leaks
        ]
    return sorted(overlaps, key=lambda overlap: (-overlap.share, -overlap.shared, overlap.valid, overlap.train))
