"""The alignment of a sequence to a structure: optimal by brute force, and its path has its score."""

import itertools

import numpy as np
import pytest

from monosome.rna.nucleotides import BASES
from monosome.rna.template_alignment import EXTEND, OPEN, Query, aligned, best_score, letters


def _brute_force(scores: np.ndarray) -> float:
    """Smith & Waterman's recursion with every gap length tried: n³, and nothing in common with Gotoh's."""
    num, width = scores.shape
    best = np.zeros((num + 1, width + 1))
    for i, j in itertools.product(range(1, num + 1), range(1, width + 1)):
        ends = [0.0, best[i - 1, j - 1] + scores[i - 1, j - 1]]
        ends += [best[i - k, j] + OPEN + EXTEND * (k - 1) for k in range(1, i + 1)]
        ends += [best[i, j - k] + OPEN + EXTEND * (k - 1) for k in range(1, j + 1)]
        best[i, j] = max(ends)
    return float(best.max())


def _path_score(scores: np.ndarray, path: np.ndarray) -> float:
    total = float(scores[tuple(path.T)].sum())
    for gap in np.diff(path, axis=0).T:
        total += sum(OPEN + EXTEND * (step - 2) for step in gap if step > 1)
    return total


@pytest.mark.parametrize("seed", range(12))
def test_the_best_alignment_is_found_and_traced(seed: int) -> None:
    draw = np.random.default_rng(seed)
    scores = draw.normal(0.4, 1.5, (int(draw.integers(2, 30)), int(draw.integers(2, 30)))).astype(np.float32)
    path = aligned(scores)
    assert best_score(scores) == pytest.approx(_brute_force(scores), abs=1e-3)
    assert _path_score(scores, path) == pytest.approx(best_score(scores), abs=1e-2)
    assert (np.diff(path, axis=0) >= 1).all()


def test_a_sequence_aligns_to_itself() -> None:
    sequence = "".join(np.random.default_rng(1).choice(list(BASES), 40))
    query = Query.of(sequence, np.zeros((40, 40), dtype=np.float32))
    path = aligned(query.scores(letters(sequence), np.zeros(40, dtype=np.int64)))
    assert np.array_equal(path, np.stack([np.arange(40)] * 2, axis=1))


def test_pairs_count() -> None:
    """Of two templates of the same letters the one whose roles are the query's scores more."""
    probabilities = np.zeros((12, 12), dtype=np.float32)
    for i, j in ((0, 11), (1, 10), (2, 9), (3, 8)):
        probabilities[i, j] = probabilities[j, i] = 1.0
    query, bases = Query.of("GGGGAAAACCCC", probabilities), letters("GGGGAAAACCCC")
    alike, unlike = np.repeat([1, 0, 2], 4), np.repeat([2, 1, 0], 4)
    assert best_score(query.scores(bases, alike)) > best_score(query.scores(bases, unlike)) + 1


def test_nothing_alike_is_not_aligned() -> None:
    assert aligned(np.full((3, 4), -1.0, dtype=np.float32)).shape == (0, 2)
