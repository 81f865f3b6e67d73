"""How many k-mers sequences share, through an inverted index from k-mer to the sequences that hold it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MAX_K = 12
"""Five bits a letter fill 60 of 64 bits: a k-mer is a number, exactly, with no hash that could collide."""

_BITS_PER_LETTER = 5
_PAIRS_AT_ONCE = 20_000_000  # 160 MB a temporary array

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SharedCounts:
    """Pairs of sequences by index, `first` > `second`, and the number of distinct k-mers they share."""

    first: Ints
    second: Ints
    shared: Ints


@dataclass(frozen=True)
class KmerIndex:
    """Inverted index: the sequences of every k-mer that at least two hold.

    `members` lists sequences, grouped by k-mer and rising in each group; `earlier` counts the members before each in
    its group; `num_kmers` is the number of distinct k-mers of each sequence.
    """

    members: Ints
    earlier: Ints
    num_kmers: Ints

    def shared_counts(self, num_references: int | None = None) -> Iterator[SharedCounts]:
        """Every pair that shares a k-mer, once, in portions; all pairs of one `first` come in one portion.

        With `num_references`, `second` runs over that many leading sequences and `first` over the others.
        Time and memory traffic grow with the sum over k-mers of the square of the number of their sequences.
        """
        entries = np.argsort(self.members, kind="stable")
        limit = np.iinfo(np.int64).max if num_references is None else num_references
        if num_references is not None:
            entries = entries[self.members[entries] >= num_references]
        pairs_so_far = np.cumsum(self.earlier[entries])
        start = 0
        while start < len(entries):
            done = pairs_so_far[start - 1] if start else 0
            stop = int(np.searchsorted(pairs_so_far, done + _PAIRS_AT_ONCE, side="right"))
            stop = max(stop, start + 1)
            stop = int(np.searchsorted(self.members[entries], self.members[entries[stop - 1]], side="right"))
            yield self._counted(entries[start:stop], limit)
            start = stop

    def _counted(self, entries: Ints, limit: int) -> SharedCounts:
        earlier = self.earlier[entries]
        offset = np.arange(earlier.sum()) - np.repeat(np.cumsum(earlier) - earlier, earlier)
        second = self.members[np.repeat(entries - earlier, earlier) + offset]
        first = np.repeat(self.members[entries], earlier)
        width = len(self.num_kmers)
        keys, shared = np.unique((first * width + second)[second < limit], return_counts=True)
        return SharedCounts(keys // width, keys % width, shared)


def index_kmers(sequences: Sequence[str], k: int) -> KmerIndex:
    """The inverted index of the sequences' k-mers; letters count whatever their case, and only their lower five bits.

    A sequence shorter than k has no k-mer. Raises ValueError for a k outside 1–12.
    """
    if not 1 <= k <= MAX_K:
        raise ValueError(f"k is {k}, and must be from 1 to {MAX_K}")
    kmers, owners = _kmers(sequences, k)
    order = np.lexsort((owners, kmers))
    kmers, owners = kmers[order], owners[order]
    new_kmer = np.diff(kmers, prepend=-1) != 0
    distinct = new_kmer | (np.diff(owners, prepend=-1) != 0)
    kmers, owners, new_kmer = kmers[distinct], owners[distinct], new_kmer[distinct]
    num_kmers = np.bincount(owners, minlength=len(sequences))
    starts = np.flatnonzero(new_kmer)
    sizes = np.diff(starts, append=len(kmers))
    earlier = np.arange(len(kmers)) - np.repeat(starts, sizes)
    several = np.repeat(sizes, sizes) > 1
    return KmerIndex(owners[several], earlier[several], num_kmers)


def _kmers(sequences: Sequence[str], k: int) -> tuple[Ints, Ints]:
    """Every k-mer as a number, and the index of the sequence it stands in."""
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    text = "".join(sequences).encode("latin-1", errors="replace")
    letters = np.frombuffer(text, dtype=np.uint8).astype(np.int64) & (2**_BITS_PER_LETTER - 1)
    num_windows = np.maximum(lengths - k + 1, 0)
    starts = np.repeat(np.cumsum(lengths) - lengths, num_windows)
    starts += np.arange(len(starts)) - np.repeat(np.cumsum(num_windows) - num_windows, num_windows)
    kmers = np.zeros(len(starts), dtype=np.int64)
    for position in range(k):
        kmers = (kmers << _BITS_PER_LETTER) | letters[starts + position]
    return kmers, np.repeat(np.arange(len(sequences)), num_windows)
