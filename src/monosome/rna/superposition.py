"""Superposition of two sets of points by a proper rotation (Kabsch 1976, Acta Cryst. A32, 922), many at a time."""

import numpy as np
from jaxtyping import Float

MIN_POINTS = 3
"""Fewer points than this superpose in more than one way."""
NUM_NEWTON = 50
"""Steps to the largest root at most; five to ten are taken."""
ROOT_TOLERANCE = 1e-9
"""Last step to a root, relative to it; the error left is about its square."""
NEAR_LINE = 1e-7
"""Relative size of the denominator below which the points lie on a line, nearly, and SVD is the safer way."""

_NEXT, _AFTER = [3, 6, 0], [6, 0, 3]
"""Rows after each of a matrix, where they begin in it."""
_MINORS = [
    np.array([row + column for row in rows for column in columns])
    for rows, columns in ((_NEXT, [1, 2, 0]), (_AFTER, [2, 0, 1]), (_NEXT, [2, 0, 1]), (_AFTER, [1, 2, 0]))
]
"""Entries of a matrix, row by row, whose products are its cofactors: first · second − third · fourth."""


def superpose(
    mobile: Float[np.ndarray, "*#batch n 3"],
    target: Float[np.ndarray, "*#batch n 3"],
    weights: Float[np.ndarray, "*#batch n"] | None = None,
) -> tuple[Float[np.ndarray, "*batch 3 3"], Float[np.ndarray, "*batch 3"]]:
    """Rotation R and translation t that bring R·mobile + t closest to target in (weighted) least squares."""
    share = np.ones(mobile.shape[:-1]) if weights is None else weights.astype(np.float64)
    share = (share / share.sum(axis=-1, keepdims=True))[..., None]
    mobile, target = mobile.astype(np.float64), target.astype(np.float64)
    mobile_centre, target_centre = (mobile * share).sum(axis=-2), (target * share).sum(axis=-2)
    weighted = (mobile - mobile_centre[..., None, :]) * share
    rotation = best_rotation(np.swapaxes(weighted, -1, -2) @ (target - target_centre[..., None, :]))
    return rotation, target_centre - (rotation @ mobile_centre[..., None])[..., 0]


def best_rotation(covariance: Float[np.ndarray, "*batch 3 3"]) -> Float[np.ndarray, "*batch 3 3"]:
    """The rotation R that maximises trace(R·covariance), covariance = Σ mobile targetᵀ; never a reflection.

    Markley's FOAM (1993, J. Astronaut. Sci. 41, 261): the largest root λ of a quartic, then R without eigenvectors.
    Points on a line leave a turn about it open; any one is returned.
    """
    b = np.ascontiguousarray(np.swapaxes(covariance.reshape(-1, 3, 3), -1, -2), dtype=np.float64)
    flat = b.reshape(-1, 9)
    cofactors = flat[:, _MINORS[0]] * flat[:, _MINORS[1]] - flat[:, _MINORS[2]] * flat[:, _MINORS[3]]
    determinant = np.einsum("si,si->s", flat[:, :3], cofactors[:, :3])
    square, cofactor_square = (np.einsum("si,si->s", one, one) for one in (flat, cofactors))
    cofactors = cofactors.reshape(-1, 3, 3)
    largest = _largest_root(square, determinant, cofactor_square)
    scale = (largest**2 - square) / 2
    denominator = scale * largest - determinant
    usable = denominator > NEAR_LINE * largest**3
    numerator = (scale + square)[:, None, None] * b + largest[:, None, None] * cofactors
    numerator -= b @ np.swapaxes(b, -1, -2) @ b
    rotation = numerator / np.where(usable, denominator, 1)[:, None, None]
    if not usable.all():
        rotation[~usable] = _by_svd(b[~usable])
    return rotation.reshape(covariance.shape)


def _largest_root(
    square: Float[np.ndarray, "s"], determinant: Float[np.ndarray, "s"], cofactor_square: Float[np.ndarray, "s"]
) -> Float[np.ndarray, "s"]:
    """λ of (λ² − |B|²)² − 8λ det B − 4|adj B|² = 0, the sum of singular values, by Newton's method from above."""
    root = np.sqrt(square + 2 * np.sqrt(3 * cofactor_square))
    for _ in range(NUM_NEWTON):
        excess = root**2 - square
        slope = 4 * root * excess - 8 * determinant
        value = excess**2 - 8 * determinant * root - 4 * cofactor_square
        step = np.divide(value, slope, out=np.zeros_like(root), where=slope > 0)
        root = root - step
        if (step <= ROOT_TOLERANCE * root).all():
            break
    return root


def _by_svd(b: Float[np.ndarray, "s 3 3"]) -> Float[np.ndarray, "s 3 3"]:
    left, _, right = np.linalg.svd(b)
    left[..., 2] *= np.sign(np.linalg.det(left) * np.linalg.det(right))[:, None]
    return left @ right


def move(
    points: Float[np.ndarray, "*batch n 3"],
    rotation: Float[np.ndarray, "*batch 3 3"],
    translation: Float[np.ndarray, "*batch 3"],
) -> Float[np.ndarray, "*batch n 3"]:
    """R·points + t."""
    return points @ np.swapaxes(rotation, -1, -2) + translation[..., None, :]
