"""TM-score for training: many chains at once, with a gradient."""

import torch
from jaxtyping import Float
from torch import Tensor

from monosome.rna.tm_score import SHORT_D0

NUM_TURNS = 15
"""Superpositions in turn; the first third reaches wider than d0, and narrows."""
FIRST_REACH = 8.0
"""Widest reach in Å, that of TM-score's own search."""
NUM_PARTS = (1, 2, 4, 8)
"""A chain is superposed as a whole first, and by each half, quarter and eighth."""


def soft_tm_score(
    predicted: Float[Tensor, "b n 3"], native: Float[Tensor, "b n 3"], mask: Float[Tensor, "b n"]
) -> Float[Tensor, "b"]:
    """TM-score of each chain over its known residues (1 in `mask`), by the RNA d0 of their number, 0 to 1.

    The superposition is the best of a few that climb by weighted least squares, weights 1/(1 + (d/d0)²)², which cannot
    lower the score (Zhang & Skolnick 2004 for the score; Hunter & Lange 2004, Am. Stat. 58, 30 for the ascent). On 100
    noisy chains it was 0.98 to 1.02 of `tm_score` at 80 residues; below 30, where d0 is far below the reach that
    TM-score's own search keeps, it is more often above. At its maximum the superposition adds nothing to the gradient
    (envelope theorem), so it is held fixed. 0 for a chain of fewer than three known residues.
    """
    with torch.autocast(predicted.device.type, enabled=False):
        x, y, known = predicted.float(), native.float(), mask.float()
        scale = _d0(known.sum(dim=-1))
        with torch.no_grad():
            weights = _first_weights(known)
            x_each, y_each = (points.detach().unsqueeze(1) for points in (x, y))
            for turn in range(NUM_TURNS):
                rotation, shift = _superpose(x_each, y_each, weights)
                reach = scale.clamp(min=FIRST_REACH * (1 - 3 * turn / NUM_TURNS))
                scores = _scores(x_each @ rotation.mT + shift, y_each, reach[:, None])
                weights = scores.square() * known.unsqueeze(1)
            rotation, shift = _superpose(x_each, y_each, weights)
            totals = (_scores(x_each @ rotation.mT + shift, y_each, scale[:, None]) * known.unsqueeze(1)).sum(dim=-1)
            best = totals.argmax(dim=1)
            chain = torch.arange(len(x), device=x.device)
            rotation, shift = rotation[chain, best], shift[chain, best]
        total = (_scores(x @ rotation.mT + shift, y, scale) * known).sum(dim=-1)
        count = known.sum(dim=-1)
        return torch.where(count >= 3, total / count.clamp(min=1), total * 0)


def _d0(lengths: Float[Tensor, "b"]) -> Float[Tensor, "b"]:
    """`tm_d0` of each length."""
    scale = 0.6 * (lengths - 0.5).clamp(min=0).sqrt() - 2.5
    for limit, distance in reversed(SHORT_D0):
        scale = torch.where(lengths < limit, torch.full_like(scale, distance), scale)
    return scale


def _first_weights(known: Float[Tensor, "b n"]) -> Float[Tensor, "b s n"]:
    """All known residues, and each part of them, of at least three."""
    share = (known.cumsum(dim=-1) - 0.5) / known.sum(dim=-1, keepdim=True).clamp(min=1)
    parts = [known * ((share * num).floor() == number) for num in NUM_PARTS for number in range(num)]
    stacked = torch.stack(parts, dim=1)
    return torch.where(stacked.sum(dim=-1, keepdim=True) >= 3, stacked, known.unsqueeze(1))


def _superpose(
    mobile: Float[Tensor, "b 1 n 3"], target: Float[Tensor, "b 1 n 3"], weights: Float[Tensor, "b s n"]
) -> tuple[Float[Tensor, "b s 3 3"], Float[Tensor, "b s 1 3"]]:
    """Rotation and translation that bring mobile closest to target in weighted least squares (Kabsch 1976)."""
    share = (weights / weights.sum(dim=-1, keepdim=True).clamp(min=1e-12)).unsqueeze(-1)
    mobile_centre, target_centre = ((points * share).sum(dim=-2, keepdim=True) for points in (mobile, target))
    covariance = ((mobile - mobile_centre) * share).mT @ (target - target_centre)
    left, _, right = torch.linalg.svd(covariance.double())  # no bf16 kernel; a few small matrices
    sign = torch.ones_like(covariance[..., 0], dtype=torch.float64)
    sign[..., 2] = (torch.linalg.det(left) * torch.linalg.det(right)).sign()
    rotation = ((right.mT * sign.unsqueeze(-2)) @ left.mT).to(mobile)
    return rotation, target_centre - mobile_centre @ rotation.mT


def _scores(
    moved: Float[Tensor, "*batch n 3"], native: Float[Tensor, "*#batch n 3"], scale: Float[Tensor, "*#batch"]
) -> Float[Tensor, "*batch n"]:
    """1/(1 + (d/d0)²) of each residue."""
    squared = (moved - native).square().sum(dim=-1)
    return 1 / (1 + squared / scale.unsqueeze(-1).square())
