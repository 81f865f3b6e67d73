"""Clusters of related sequences, and splits that never part a cluster."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from monosome.errors import DataError
from monosome.sequences.kmers import Ints, index_kmers
from monosome.sequences.relatives import MIN_IDENTITY, Alphabet, find_relatives

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


SPLIT_SEED = 0
"""The split is the same for every seed of training, so that runs compare."""


def cluster(sequences: Sequence[str], k: int, min_shared: float) -> list[int]:
    """The cluster number of each sequence, from 0.

    Method: single linkage. Two sequences are linked when they share at least `min_shared` (above 0, at most 1) of the
    distinct k-mers of the one that has fewer, so that a fragment joins the sequence it is cut from; equal sequences
    are always linked. Clusters are numbered by their alphabetically first sequence: a sequence's number depends on
    the set of sequences and not on their order.

    Limits: shared k-mers are a stand-in for alignment. Identity of 80 % leaves about .8^k of the k-mers, so distant
    homologues (below about 40 % identity for proteins) are not found; repeats and low complexity link sequences that
    are not related; a chain of fragments can join sequences that share nothing (single linkage). Sequences shorter
    than k link to equal ones only. Time grows with the sum over k-mers of the square of the number of their sequences:
    near-linear where most k-mers are rare (k ≥ 6 for proteins, k ≥ 9 for RNA).
    """
    _require_share(min_shared)
    distinct = sorted({sequence.upper() for sequence in sequences})
    index = index_kmers(distinct, k)
    parents = np.arange(len(distinct))
    for portion in index.shared_counts():
        needed = min_shared * np.minimum(index.num_kmers[portion.first], index.num_kmers[portion.second])
        linked = portion.shared >= needed
        _join(parents, portion.first[linked], portion.second[linked])
    return _numbered(sequences, distinct, parents)


def representatives(sequences: Sequence[str], k: int, min_shared: float) -> list[int]:
    """Indices, rising, of sequences of which no two are linked as `cluster` links them: the longest of those alike.

    Greedy, as CD-HIT is (Li & Godzik 2006): the longest first, each kept unless it is linked to one that is kept; of
    equal length the alphabetically first, of equal sequences the first. Limits and time: those of `cluster`.
    """
    _require_share(min_shared)
    upper = [sequence.upper() for sequence in sequences]
    first_of = {sequence: number for number, sequence in reversed(list(enumerate(upper)))}
    distinct = sorted(first_of, key=lambda sequence: (-len(sequence), sequence))
    index = index_kmers(distinct, k)
    kept = np.ones(len(distinct), dtype=bool)
    # Pairs come by rising `first`, which is the later of the two: whether `second` is kept is known by then.
    for portion in index.shared_counts():
        linked = portion.shared >= min_shared * np.minimum(
            index.num_kmers[portion.first], index.num_kmers[portion.second]
        )
        for first, second in zip(portion.first[linked].tolist(), portion.second[linked].tolist(), strict=True):
            kept[first] &= ~kept[second]
    return sorted(first_of[distinct[at]] for at in np.flatnonzero(kept))


def _require_share(min_shared: float) -> None:
    if not 0 < min_shared <= 1:
        raise ValueError(f"min_shared is {min_shared}, and must be above 0 and at most 1")


def cluster_by_identity(sequences: Sequence[str], alphabet: Alphabet, min_identity: float = MIN_IDENTITY) -> list[int]:
    """The cluster number of each sequence, from 0: single linkage of relatives of at least that identity.

    Identity counts over the shorter sequence, so that a fragment joins the one it is cut from; equal sequences are
    always one cluster. Numbered as `cluster` does. Limits: those of `relatives.find_relatives`.
    """
    distinct = sorted({sequence.upper() for sequence in sequences})
    parents = np.arange(len(distinct))
    for found in find_relatives(distinct, alphabet, min_identity):
        _join(parents, found.first, found.second)
    return _numbered(sequences, distinct, parents)


def split_by_date(dates: Sequence[str], clusters: Sequence[int | str], cutoff: str) -> list[str]:
    """ "train" up to the day `cutoff` (YYYY-MM-DD) and "valid" after it; "" for what belongs to neither.

    Neither: sequences without a date, and later ones whose cluster has a member that trains. Raises DataError for a
    cutoff that is no date or leaves one side empty.
    """
    if not _DATE.fullmatch(cutoff):
        raise DataError(f"{cutoff!r} is no date", "write the day as 2022-05-27")
    trained = {name for name, date in zip(clusters, dates, strict=True) if date and date <= cutoff}
    split = [
        "" if not date or (date > cutoff and name in trained) else "train" if date <= cutoff else "valid"
        for name, date in zip(clusters, dates, strict=True)
    ]
    for side, when in (("train", "up to"), ("valid", "only after")):
        if side not in split:
            raise DataError(f"no cluster is known {when} {cutoff}", "choose another day")
    return split


def split_by_cluster(clusters: Sequence[int | str], valid_share: float, seed: int) -> list[str]:
    """ "train" or "valid" for each sequence, whole clusters at a time, whatever the order of the input.

    Clusters are drawn in a random order fixed by `seed`, and taken for "valid" while they fit into `valid_share`
    (between 0 and 1) of the sequences; where none fits, the smallest is taken. A cluster larger than the share thus
    always trains. Raises DataError when there is but one cluster.
    """
    if not 0 < valid_share < 1:
        raise ValueError(f"valid_share is {valid_share}, and must be between 0 and 1")
    sizes: dict[int | str, int] = {}
    for name in clusters:
        sizes[name] = sizes.get(name, 0) + 1
    if len(sizes) < 2:
        raise DataError("all sequences are relatives of each other: none can be held out", "add unrelated sequences")
    order = sorted(sizes, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    room = min(max(1, round(valid_share * len(clusters))), len(clusters) - 1)
    valid: set[int | str] = set()
    for name in order:
        if sizes[name] <= room:
            valid.add(name)
            room -= sizes[name]
    valid = valid or {min(order, key=lambda name: sizes[name])}
    return ["valid" if name in valid else "train" for name in clusters]


def _numbered(sequences: Sequence[str], distinct: Sequence[str], parents: Ints) -> list[int]:
    # A root is its cluster's smallest index, so its alphabetically first sequence.
    _, numbers = np.unique(_roots(parents), return_inverse=True)
    number_of = dict(zip(distinct, numbers.tolist(), strict=True))
    return [number_of[sequence.upper()] for sequence in sequences]


def _join(parents: Ints, first: Ints, second: Ints) -> None:
    """Unite each pair, in place; the smaller root becomes the parent."""
    roots = _roots(parents)
    ends = np.stack([roots[first], roots[second]])
    ends = np.unique(np.sort(ends[:, ends[0] != ends[1]], axis=0), axis=1)
    for low, high in ends.T.tolist():
        low, high = sorted((_root(parents, low), _root(parents, high)))
        parents[high] = low


def _root(parents: Ints, node: int) -> int:
    while parents[node] != node:
        parents[node] = parents[parents[node]]  # path halving keeps the trees flat
        node = int(parents[node])
    return node


def _roots(parents: Ints) -> Ints:
    roots = parents
    while not np.array_equal(roots, above := roots[roots]):
        roots = above
    return roots
