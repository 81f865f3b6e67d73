"""How far the composition of proteins is from natural ones: Kullback–Leibler, Jensen–Shannon, mean discrepancy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from monosome.evaluate.intervals import Interval, resampled
from monosome.protein.tokens import AMINO_ACIDS

Array = np.ndarray
Divergence = Callable[[Any, Any], Any]
"""Of each row of shares from one row of expected shares."""

MAX_DISCREPANCY = 1000
"""Proteins of each side whose kernel is computed: three matrices of 8 MB."""
NUM_DRAWS = 500
SQUARE = len(AMINO_ACIDS) ** 2
_PLACE = np.full(256, -1)
_PLACE[[ord(letter) for letter in AMINO_ACIDS]] = range(len(AMINO_ACIDS))


@dataclass(frozen=True)
class Likeness:
    """Distances of proteins from a reference in nats, and the squared maximum mean discrepancy."""

    residue_kl: Interval
    residue_jsd: Interval
    dipeptide_kl: Interval
    dipeptide_jsd: Interval
    discrepancy: Interval


def likeness(sequences: Sequence[str], reference: Sequence[str]) -> Likeness:
    """How far the sequences are from the reference; intervals resample the sequences, not the reference.

    KL(sequences ‖ reference) with one added to every count of the reference. A reference is finite too: compare with
    the same figures of as many natural proteins.
    """
    ours, theirs = residue_counts(sequences), residue_counts(reference)
    our_pairs, their_pairs = dipeptide_counts(sequences), dipeptide_counts(reference)
    num = len(sequences)
    return Likeness(
        residue_kl=_distance(ours, theirs, num, _kl),
        residue_jsd=_distance(ours, theirs, num, _jsd),
        dipeptide_kl=_distance(our_pairs, their_pairs, num, _kl),
        dipeptide_jsd=_distance(our_pairs, their_pairs, num, _jsd),
        discrepancy=discrepancy(_shares(our_pairs[:MAX_DISCREPANCY]), _shares(their_pairs[:MAX_DISCREPANCY])),
    )


def residue_counts(sequences: Sequence[str]) -> Float64[Array, "n 20"]:
    """Counts of the 20 amino acids in each protein."""
    return np.array([[sequence.count(letter) for letter in AMINO_ACIDS] for sequence in sequences], dtype=np.float64)


def dipeptide_counts(sequences: Sequence[str]) -> Float64[Array, "n 400"]:
    """Counts of neighbours in each protein, overlapping, in alphabetic order."""
    counts = np.zeros((len(sequences), SQUARE))
    for row, sequence in zip(counts, sequences, strict=True):
        places = _PLACE[np.frombuffer(sequence.encode("latin-1", errors="replace"), dtype=np.uint8)]
        both = (places[:-1] >= 0) & (places[1:] >= 0)
        row += np.bincount((places[:-1] * len(AMINO_ACIDS) + places[1:])[both], minlength=SQUARE)
    return counts


def _distance(ours: Float64[Array, "n v"], theirs: Float64[Array, "m v"], num: int, kind: Divergence) -> Interval:
    totals = theirs.sum(0) + 1
    expected = totals / totals.sum()
    return resampled(ours, lambda sums: kind(_shares(sums), expected), num, centred=True)


def _shares(counts: Float64[Array, "n v"]) -> Float64[Array, "n v"]:
    return counts / np.maximum(counts.sum(1, keepdims=True), 1e-300)


def _kl(shares: Float64[Array, "n v"], expected: Float64[Array, "*#n v"]) -> Float64[Array, "n"]:
    ratios = np.where(shares > 0, shares / expected, 1.0)
    return (shares * np.log(ratios)).sum(1)


def _jsd(shares: Float64[Array, "n v"], expected: Float64[Array, "v"]) -> Float64[Array, "n"]:
    middle = (shares + expected) / 2
    ratios = expected / middle
    return (_kl(shares, middle) + (expected * np.log(ratios)).sum(1)) / 2


def discrepancy(ours: Float64[Array, "n v"], theirs: Float64[Array, "m v"]) -> Interval:
    """Unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3) of features, a Gaussian kernel.

    The kernel's width is the median distance between proteins of the reference. Below 0 is chance. The interval
    resamples `ours`, centred on the value: drawn twice, a protein is at no distance from itself.
    """
    gaps = _squares(theirs, theirs)
    width = float(np.median(gaps[np.triu_indices(len(gaps), 1)])) or 1.0
    within, across, among = (np.exp(-each / width) for each in (_squares(ours, ours), _squares(ours, theirs), gaps))
    across = across.mean(1)
    num, others = len(ours), len(theirs)
    base = (among.sum() - others) / (others * (others - 1))
    value = (within.sum() - num) / (num * (num - 1)) + base - 2 * across.mean()
    draws = np.random.default_rng(0).multinomial(num, np.full(num, 1 / num), size=NUM_DRAWS).astype(np.float64)
    values = ((draws @ within) * draws).sum(1) / num**2 - 2 * draws @ across / num
    low, high = np.quantile(values - values.mean() + value, [0.025, 0.975])
    return Interval(float(value), float(low), float(high), num, num)


def _squares(first: Float64[Array, "n v"], second: Float64[Array, "m v"]) -> Float64[Array, "n m"]:
    gaps = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * first @ second.T
    return np.maximum(gaps, 0)
