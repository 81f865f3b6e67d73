"""Points that are near each other. scipy is imported when it is first needed: that takes as long as 40 assessments."""

import numpy as np
from jaxtyping import Float, Int64


def pairs_within(points: Float[np.ndarray, "p 3"], distance: float) -> Int64[np.ndarray, "_ 2"]:
    """Pairs (i, j), i < j, of finite points no farther apart than `distance`; in the order of the tree."""
    from scipy.spatial import cKDTree

    return cKDTree(points).query_pairs(distance, output_type="ndarray").astype(np.int64, copy=False)


def pairs_between(
    first: Float[np.ndarray, "k 3"], second: Float[np.ndarray, "m 3"], distance: float
) -> Int64[np.ndarray, "_ 2"]:
    """Pairs (i, j) of a point of `first` and one of `second` no farther apart; points that are NaN are near none."""
    from scipy.spatial import cKDTree

    known = [np.flatnonzero(np.isfinite(points).all(axis=1)) for points in (first, second)]
    trees = [cKDTree(points[rows]) for points, rows in zip((first, second), known, strict=True)]
    near = trees[0].sparse_distance_matrix(trees[1], distance, output_type="ndarray")
    return np.stack([known[0][near["i"]], known[1][near["j"]]], axis=1)
