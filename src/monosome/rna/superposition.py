"""Superposition of two sets of points by a proper rotation (Kabsch 1976, Acta Cryst. A32, 922)."""

import torch
from jaxtyping import Float
from torch import Tensor


def superpose(
    mobile: Float[Tensor, "*batch n 3"],
    target: Float[Tensor, "*batch n 3"],
    weights: Float[Tensor, "*batch n"] | None = None,
) -> tuple[Float[Tensor, "*batch 3 3"], Float[Tensor, "*batch 3"]]:
    """Rotation R and translation t that bring R·mobile + t closest to target in (weighted) least squares."""
    share = torch.ones_like(mobile[..., 0]) if weights is None else weights
    share = (share / share.sum(dim=-1, keepdim=True)).unsqueeze(-1)
    mobile_centre, target_centre = (mobile * share).sum(dim=-2), (target * share).sum(dim=-2)
    covariance = ((mobile - mobile_centre.unsqueeze(-2)) * share).mT @ (target - target_centre.unsqueeze(-2))
    rotation = best_rotation(covariance)
    return rotation, target_centre - (rotation @ mobile_centre.unsqueeze(-1)).squeeze(-1)


def best_rotation(covariance: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The rotation R that maximises trace(R·covariance), covariance = Σ mobile targetᵀ; never a reflection.

    Points on a line leave a turn about it open; any one is returned.
    """
    left, _, right = torch.linalg.svd(covariance)  # no bf16 kernel: call it outside autocast
    sign = torch.ones_like(covariance[..., 0])
    sign[..., 2] = torch.linalg.det(left) * torch.linalg.det(right)
    return (right.mT * sign.round().unsqueeze(-2)) @ left.mT


def move(
    points: Float[Tensor, "*batch n 3"], rotation: Float[Tensor, "*batch 3 3"], translation: Float[Tensor, "*batch 3"]
) -> Float[Tensor, "*batch n 3"]:
    """R·points + t."""
    return points @ rotation.mT + translation.unsqueeze(-2)
