from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosome.sequences import kmers
from monosome.sequences.kmers import index_kmers


def words(sequence: str, k: int) -> set[str]:
    return {sequence[start : start + k] for start in range(len(sequence) - k + 1)}


@pytest.mark.parametrize("pairs_at_once", [1, 7, 20_000_000])
@given(st.lists(st.text("ACGU", max_size=30), max_size=8), st.integers(1, 12))
def test_counts_agree_with_sets(pairs_at_once: int, sequences: list[str], k: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kmers, "_PAIRS_AT_ONCE", pairs_at_once)
        index = index_kmers(sequences, k)
        portions = list(index.shared_counts())
    assert index.num_kmers.tolist() == [len(words(sequence, k)) for sequence in sequences]
    found = Counter({(i, j): n for p in portions for i, j, n in zip(p.first, p.second, p.shared, strict=True)})
    expected = {
        (i, j): shared
        for j, i in combinations(range(len(sequences)), 2)
        if (shared := len(words(sequences[i], k) & words(sequences[j], k)))
    }
    assert found == expected


def test_references_restrict_the_pairs():
    index = index_kmers(["ACGUACGU", "ACGUGGGG", "ACGUCCCC", "ACGUAAAA"], 4)
    pairs = [(int(i), int(j)) for p in index.shared_counts(2) for i, j in zip(p.first, p.second, strict=True)]
    assert pairs == [(2, 0), (2, 1), (3, 0), (3, 1)]


def test_case_does_not_count():
    assert next(index_kmers(["acgu", "ACGU"], 4).shared_counts()).shared.tolist() == [1]


@pytest.mark.parametrize("k", [0, 13])
def test_k_is_bounded(k: int):
    with pytest.raises(ValueError, match="must be from 1 to 12"):
        index_kmers(["ACGU"], k)


def test_no_sequences():
    index = index_kmers([], 4)
    assert list(index.shared_counts()) == []
    assert np.array_equal(index.num_kmers, [])
