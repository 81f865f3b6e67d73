"""How often training draws each chain, and from when on."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float64

SHARP, BLURRED = 3.0, 5.0
"""Å of resolution up to which a chain counts whole, and from which on a half: a judgement that nothing has tested yet.
Of 116 chains of known resolution three in four are within 3.1 Å, one in twenty is beyond 3.9, the worst has 8.5."""
BLURRED_WEIGHT = 0.5
REACH = 2
"""A chain is learned from once a crop holds half of it: of what its residues pair with, a stretch of a half then holds
62 %, and one of a quarter 36 % (90 chains of 60 to 500 nucleotides)."""


def chain_weights(
    by: Sequence[Literal["cluster", "resolution"]], groups: Sequence[str], resolutions: Sequence[float | None]
) -> list[float] | None:
    """How often each chain is drawn, the product of what `by` names; None where that is nothing."""
    weights = {"cluster": lambda: cluster_weights(groups), "resolution": lambda: resolution_weights(resolutions)}
    chosen = [weights[name]() for name in by]
    return [float(weight) for weight in np.prod(chosen, axis=0)] if chosen else None


def cluster_weights(groups: Sequence[str]) -> Float64[np.ndarray, "m"]:
    """1 over the size of each chain's cluster: clusters count alike, as in AlphaFold 3 (Abramson et al. 2024)."""
    sizes = Counter(groups)
    return np.array([1 / sizes[group] for group in groups])


def resolution_weights(resolutions: Sequence[float | None]) -> Float64[np.ndarray, "m"]:
    """1 up to SHARP, BLURRED_WEIGHT from BLURRED on, linear between; chains of unknown resolution weigh the mean.

    Those are of NMR, of Kaggle's labels, and of secondary structures; where no resolution is known all weigh 1.
    """
    known = np.array([np.nan if resolution is None else resolution for resolution in resolutions])
    weights = np.interp(known, (SHARP, BLURRED), (1.0, BLURRED_WEIGHT))
    unknown = np.isnan(known)
    weights[unknown] = weights[~unknown].mean() if (~unknown).any() else 1.0
    return weights


def admitted(lengths: Sequence[int], limit: int, last: int) -> Float64[np.ndarray, "m"]:
    """1 for the chains that a stage of the curriculum learns from, 0 for others; the stage of limit `last` has all."""
    return np.array([float(limit >= last or length <= REACH * limit) for length in lengths])
