"""Whether a model is right as often as it is sure: reliability in bins of equal mass, and the gap over all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64

from monosome.evaluate.intervals import Interval, resampled

Array = np.ndarray

NUM_BINS = 15
"""As many as Guo et al. 2017 (arXiv 1706.04599); theirs are of equal width, which puts nearly every token of a model
whose probabilities are small into the first."""


@dataclass(frozen=True)
class Bin:
    """Tokens of about one confidence: its mean, the share that was right, and how many they are."""

    confidence: float
    accuracy: float
    num_tokens: int


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error as a share, from 0 to 1, with its interval, and the bins that it is made of."""

    ece: Interval
    bins: Sequence[Bin]


def calibration(
    confidence: Float[Array, "t"], correct: Float[Array, "t"], clusters: Int64[Array, "t"], num_examples: int
) -> Calibration:
    """Gap of confidence and accuracy in bins of equal mass (Nguyen & O'Connor 2015, arXiv 1508.05154), their mean.

    `clusters` numbers the cluster of each token from 0. Tokens of equal confidence share a bin, so a model that is
    always as sure has but one. The interval resamples clusters in the bins of all tokens; as a sum of absolute gaps
    the error is never below the noise, about √(bins / tokens).
    """
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, NUM_BINS + 1)[1:-1], method="higher"))
    bins = np.searchsorted(edges, confidence, side="right")
    used, bins = np.unique(bins, return_inverse=True)
    counts = np.bincount(bins).astype(np.float64)
    sums = np.concatenate(
        [_by_cluster(confidence - correct, clusters, bins), np.bincount(clusters)[:, None].astype(np.float64)], axis=1
    )
    found = [
        Bin(float(mean), float(share), int(count))
        for mean, share, count in zip(
            np.bincount(bins, confidence) / counts, np.bincount(bins, correct) / counts, counts, strict=True
        )
    ]
    assert len(found) == len(used)
    return Calibration(resampled(sums, _ece, num_examples, centred=True), found)


def _by_cluster(
    gaps: Float[Array, "t"], clusters: Int64[Array, "t"], bins: Int64[Array, "t"]
) -> Float64[Array, "clusters k"]:
    num_bins = int(bins.max()) + 1
    flat = np.bincount(clusters * num_bins + bins, gaps, minlength=(int(clusters.max()) + 1) * num_bins)
    return flat.reshape(-1, num_bins)


def _ece(sums: Float64[Array, "draws terms"]) -> Float64[Array, "draws"]:
    return np.abs(sums[:, :-1]).sum(1) / sums[:, -1]
