"""Sequence identity by alignment, for many pairs at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, UInt8

MATCH, MISMATCH, OPEN, EXTEND = 2, -2, -6, -1
"""Scores of cd-hit-est (Li & Godzik 2006); a gap of n letters costs OPEN + (n − 1)·EXTEND, one at an end nothing."""
CELLS_AT_ONCE = 1 << 17
"""Pairs × letters of the longer one that are worked on together: a row of the tables then fits into the cache."""

_UNIT = 1 << 15  # a cell is score · _UNIT + matches, so that of equal scores the one with more matches wins
_NEVER = -(1 << 30)
_PAD_SHORT, _PAD_LONG = 0, 1  # no letters, and unequal


@dataclass(frozen=True)
class Likeness:
    """Pairs of sequences as they align: `matches` are equal letters in the best alignment, `score` is its score."""

    matches: Int64[np.ndarray, "k"]
    score: Int64[np.ndarray, "k"]
    shorter: Int64[np.ndarray, "k"]
    longer: Int64[np.ndarray, "k"]

    @property
    def identity(self) -> Float64[np.ndarray, "k"]:
        """Matches over the length of the shorter sequence: 1 for a fragment and its parent."""
        return self.matches / self.shorter

    def expected(self, num_letters: int) -> Float64[np.ndarray, "k"]:
        """How often a pair of random sequences of these lengths would reach this score by chance, at most.

        E = m·n·exp(−λS) (Karlin & Altschul 1990, with their K < 1 left out); for letters of equal frequency, matches
        of 2 and mismatches of −2 λ is ln(letters − 1) / 2.
        """
        return self.shorter * self.longer * np.exp(-math.log(num_letters - 1) / 2 * self.score)


def compare(sequences: Sequence[str], first: Int64[np.ndarray, "k"], second: Int64[np.ndarray, "k"]) -> Likeness:
    """How each pair (by index) aligns: the best overlap alignment, in which gaps at the ends of either are free.

    Gotoh's recurrence (1982, J. Mol. Biol. 162, 705) over all pairs of like length together, a row at a time; exact,
    whatever the length. Upper and lower case are the same letter.
    """
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    swapped = lengths[first] > lengths[second]
    short, long = np.where(swapped, second, first), np.where(swapped, first, second)
    best = np.zeros(len(first), dtype=np.int64)
    order = np.lexsort((lengths[short], lengths[long]))
    start = 0
    while start < len(order):
        portion = order[start : start + max(1, CELLS_AT_ONCE // max(1, int(lengths[long[order[start]]])))]
        # A portion never holds pairs twice as long as its first, nor rows that most of its pairs lack.
        fits = (lengths[long[portion]] <= 2 * lengths[long[portion[0]]]) & (
            lengths[short[portion]] <= 2 * lengths[short[portion[0]]] + 16
        )
        portion = portion[: len(portion) if fits.all() else int(np.argmin(fits))]
        best[portion] = _best(
            _letters([sequences[each] for each in short[portion]], _PAD_SHORT),
            _letters([sequences[each] for each in long[portion]], _PAD_LONG),
        )
        start += len(portion)
    return Likeness(best % _UNIT, best // _UNIT, lengths[short], lengths[long])


def _letters(sequences: Sequence[str], pad: int) -> UInt8[np.ndarray, "k n"]:
    width = max(len(sequence) for sequence in sequences)
    padding = chr(pad)
    text = "".join(sequence.upper().ljust(width, padding) for sequence in sequences)
    return np.frombuffer(text.encode("latin-1", errors="replace"), dtype=np.uint8).reshape(-1, width)


def _best(short: UInt8[np.ndarray, "k m"], long: UInt8[np.ndarray, "k n"]) -> Int64[np.ndarray, "k"]:
    """The best cell of each pair; letters that are padding never match, and cost what a mismatch costs."""
    num, width = long.shape
    steps = np.arange(1, width + 1, dtype=np.int32) * (EXTEND * _UNIT)
    before = np.zeros((num, width + 1), dtype=np.int32)  # scores that end in a pair or in a free gap at the start
    down = np.full((num, width), _NEVER, dtype=np.int32)
    best = np.zeros(num, dtype=np.int32)
    for row in range(short.shape[1]):
        equal = long == short[:, row, None]
        np.maximum(down + EXTEND * _UNIT, before[:, 1:] + OPEN * _UNIT, out=down)
        cells = before[:, :-1] + np.where(equal, np.int32(MATCH * _UNIT + 1), np.int32(MISMATCH * _UNIT))
        np.maximum(cells, down, out=cells)
        # Across: of all cells to the left the best, less the gap. One gap after another would never be better.
        across = np.maximum.accumulate(cells - steps, axis=1)[:, :-1] + (steps[1:] + (OPEN - EXTEND) * _UNIT)
        np.maximum(cells[:, 1:], across, out=before[:, 2:])
        before[:, 1] = cells[:, 0]
        np.maximum(best, before[:, -1], out=best)
    return np.maximum(best, before.max(axis=1)).astype(np.int64)
