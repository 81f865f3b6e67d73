from itertools import pairwise

import numpy as np
import pytest

from monosome.sequences.alignment import align, best_sums


def best_by_trying(table: np.ndarray, gap: float) -> float:
    """Highest sum over all alignments, by recursion: every run of skipped rows and columns but a first costs `gap`."""
    rows, columns = table.shape

    def rest(row: int, column: int, *, in_gap: bool, at_start: bool) -> float:
        if row == rows and column == columns:
            return 0.0
        options = []
        if row < rows and column < columns:
            options.append(table[row, column] + rest(row + 1, column + 1, in_gap=False, at_start=False))
        cost = 0.0 if in_gap or at_start else gap
        if row < rows:
            options.append(cost + rest(row + 1, column, in_gap=True, at_start=False))
        if column < columns:
            options.append(cost + rest(row, column + 1, in_gap=True, at_start=False))
        return max(options)

    return rest(0, 0, in_gap=False, at_start=True)


def worth(table: np.ndarray, partners: np.ndarray, gap: float) -> float:
    """Sum of an alignment given as partners."""
    rows = np.flatnonzero(partners >= 0)
    places = [(-1, -1), *zip(rows.tolist(), partners[rows].tolist(), strict=True), table.shape]
    total = float(table[rows, partners[rows]].sum())
    for (row, column), (next_row, next_column) in pairwise(places):
        has_gap = next_row - row > 1 or next_column - column > 1
        total += gap if has_gap and row >= 0 else 0.0
    return total


@pytest.mark.parametrize("gap", [0.0, -0.6, -3.0])
def test_no_alignment_is_better(gap: float):
    tables = np.random.default_rng(0).normal(size=(12, 5, 4)).astype(np.float32)
    for table, partners in zip(tables, align(tables, gap), strict=True):
        assert np.all(np.diff(partners[partners >= 0]) > 0)
        assert worth(table, partners, gap) == pytest.approx(best_by_trying(table, gap), abs=1e-5)


def test_the_sum_without_penalties_is_that_of_the_alignment():
    tables = np.random.default_rng(1).random((8, 30, 20)).astype(np.float32)
    sums = [worth(table, partners, 0.0) for table, partners in zip(tables, align(tables, 0.0), strict=True)]
    assert best_sums(tables) == pytest.approx(sums, rel=1e-5)


def test_equal_letters_are_found_across_a_gap():
    one, other = (np.frombuffer(text, dtype=np.uint8) for text in (b"GGGGAAAACCCC", b"GGGGCCCC"))
    likeness = np.where(one[:, None] == other, 1, -1).astype(np.float32)
    assert align(likeness[None], -3.0)[0].tolist() == [0, 1, 2, 3, -1, -1, -1, -1, 4, 5, 6, 7]
