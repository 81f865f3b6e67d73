"""Held-out sequences that training data has seen, in whole or in part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monosome.sequences.fasta import Record
from monosome.sequences.kmers import index_kmers
from monosome.sequences.relatives import Alphabet, find_relatives


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


@dataclass(frozen=True)
class Leak:
    """A training and a held-out record that are relatives: identity over the shorter, and how often chance does it."""

    train: str
    valid: str
    identity: float
    chance: float


def find_leaks(train: Sequence[Record], valid: Sequence[Record], alphabet: Alphabet) -> list[Leak]:
    """The pairs of relatives, one of each side, the highest identity first.

    Relatives are those of `relatives.find_relatives`, whatever their identity: a common domain is a leak too, such as
    the two halves of a tRNA around an insert. Equal sequences are always named.
    """
    sequences = [record.sequence.upper() for record in (*train, *valid)]
    held_out: dict[str, list[int]] = {}
    for number, sequence in enumerate(sequences[len(train) :], start=len(train)):
        held_out.setdefault(sequence, []).append(number)
    pairs = {
        (first, at): (1.0, 0.0)
        for at, sequence in enumerate(sequences[: len(train)])
        for first in held_out.get(sequence, ())
    }
    for found in find_relatives(sequences, alphabet, num_references=len(train)):
        for first, second, identity, chance in zip(
            found.first.tolist(), found.second.tolist(), found.identity.tolist(), found.chance.tolist(), strict=True
        ):
            pairs[first, second] = (identity, chance)
    leaks = [Leak(train[second].id, valid[first - len(train)].id, *values) for (first, second), values in pairs.items()]
    return sorted(leaks, key=lambda leak: (-leak.identity, leak.chance, leak.valid, leak.train))
