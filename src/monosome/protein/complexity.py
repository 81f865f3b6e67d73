"""Low complexity and repeats in a protein."""

import math
from collections import Counter

WINDOW, MAX_BITS = 12, 2.2
"""Residues of a window, and the entropy up to which it is of low complexity: SEG's own (Wootton & Federhen 1993)."""


def low_complexity(sequence: str) -> float:
    """Share of residues in a window of 12 whose composition has an entropy of at most 2.2 bits: SEG's trigger.

    A protein shorter than a window is one window.
    """
    size = min(WINDOW, len(sequence))
    if not size:
        return 0.0
    inside = [False] * len(sequence)
    for start in range(len(sequence) - size + 1):
        if entropy_bits(sequence[start : start + size]) <= MAX_BITS:
            inside[start : start + size] = [True] * size
    return sum(inside) / len(sequence)


def entropy_bits(window: str) -> float:
    """Shannon entropy of the letters."""
    shares = [count / len(window) for count in Counter(window).values()]
    return -sum(share * math.log2(share) for share in shares)


def repetition(sequence: str, k: int) -> float:
    """Rep-k: the percentage of k-mers that came before in the protein (Welleck et al. 2020); 0 where it has none.

    Of natural proteins of 300 residues Rep-2 is about 37 and Rep-5 about 1: it grows with length.
    """
    kmers = [sequence[start : start + k] for start in range(len(sequence) - k + 1)]
    return 100 * (1 - len(set(kmers)) / len(kmers)) if kmers else 0.0


def longest_run(sequence: str) -> int:
    """Residues of the longest stretch of one letter."""
    best = run = 0
    for place, letter in enumerate(sequence):
        run = run + 1 if place and letter == sequence[place - 1] else 1
        best = max(best, run)
    return best
