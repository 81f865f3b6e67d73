"""The nearest relative of each sequence in another set: how new is it?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from monosome.sequences import mmseqs
from monosome.sequences.identity import compare
from monosome.sequences.kmers import index_kmers
from monosome.sequences.relatives import MAX_CHANCE, Alphabet

NUM_CANDIDATES = 5
"""References that share most k-mers with a sequence: those are aligned."""


@dataclass(frozen=True)
class Nearest:
    """For each sequence the index of its nearest reference, or −1, and the identity over the shorter one, or 0."""

    reference: Int64[np.ndarray, "k"]
    identity: Float64[np.ndarray, "k"]


def nearest(
    sequences: Sequence[str], references: Sequence[str], alphabet: Alphabet, program: str | None = None
) -> Nearest:
    """The relative of highest identity of each sequence, by MMseqs2 where `program` is given.

    Else by alignment with the references that share most k-mers. Limits: relatives below about 40 % identity may be
    missed either way; sequences that share no k-mer with any reference have none.
    """
    found = Nearest(np.full(len(sequences), -1), np.zeros(len(sequences)))
    if not sequences or not references:
        return found
    if program:
        first, second, identity = mmseqs.search(sequences, references, alphabet, program)
    else:
        first, second, identity = _aligned(sequences, references, alphabet)
    for place in np.argsort(identity, kind="stable"):  # the best of each comes last and stays
        found.reference[first[place]] = second[place]
        found.identity[first[place]] = identity[place]
    return found


def _aligned(
    sequences: Sequence[str], references: Sequence[str], alphabet: Alphabet
) -> tuple[Int64[np.ndarray, "p"], Int64[np.ndarray, "p"], Float64[np.ndarray, "p"]]:
    both = [each.upper() for each in (*references, *sequences)]
    pairs = []
    for portion in index_kmers(both, alphabet.k).shared_counts(len(references)):
        order = np.lexsort((-portion.shared, portion.first))
        starts = np.flatnonzero(np.diff(portion.first[order], prepend=-1))
        sizes = np.diff(starts, append=len(order))
        rank = np.arange(len(order)) - np.repeat(starts, sizes)
        best = order[rank < NUM_CANDIDATES]
        pairs.append((portion.first[best], portion.second[best]))
    equal = {sequence: index for index, sequence in reversed(list(enumerate(both[: len(references)])))}
    same = [(place, equal[one]) for place, one in enumerate(both[len(references) :], len(references)) if one in equal]
    table = np.array(same, dtype=np.int64).reshape(-1, 2)
    pairs.append((table[:, 0], table[:, 1]))
    first, second = (np.concatenate(each) for each in zip(*pairs, strict=True))
    likeness = compare(both, first, second)
    # Of 1,000 references the best of chance alone is a thousand times as likely: 499 of 500 proteins had a relative
    # before that was counted, by MMseqs2 293.
    chance = likeness.expected_by_chance(alphabet.num_letters) * len(references)
    kept = (chance <= MAX_CHANCE) | (likeness.identity == 1)
    return first[kept] - len(references), second[kept], likeness.identity[kept]
