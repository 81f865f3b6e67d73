"""TM-score of RNA, residues paired beforehand (Zhang & Skolnick 2004; RNA d0: Gong et al. 2019).

The score is a maximum over superpositions. It is sought as TM-score and US-align do: superpose fragments of several
lengths, then again and again the residues that come close; all starts go through each round together.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from monosome.rna.superposition import best_rotation

SHORT_D0 = ((12, 0.3), (16, 0.4), (20, 0.5), (24, 0.6), (30, 0.7))
"""d0 in Å for lengths below the first figure, as US-align has it for RNA."""
MIN_FRAGMENT = 4
NUM_FRAGMENT_LENGTHS = 6
NUM_ROUNDS = 20
MAX_DISTANCES = 4_000_000
"""Distances held at once; 100 MB with their coordinates."""


@dataclass(frozen=True)
class TMScore:
    """The score in (0, 1], and the superposition of model onto native that reaches it."""

    score: float
    rotation: Float[Tensor, "3 3"]
    translation: Float[Tensor, "3"]


def tm_d0(length: int) -> float:
    """Distance scale d0 in Å for a native of that many residues."""
    for limit, distance in SHORT_D0:
        if length < limit:
            return distance
    return 0.6 * float((length - 0.5) ** 0.5) - 2.5


def tm_score(model: Float[Tensor, "n 3"], native: Float[Tensor, "n 3"], native_length: int) -> TMScore:
    """TM-score of paired atoms of a model, normalised by the length of the native.

    `n` counts the residues that both have; those missing from the model score 0.
    """
    search = _Search(model, native, native_length)
    starts = fragments(len(model)).to(model.device)
    found = [search.extend(part) for part in starts.split(max(1, MAX_DISTANCES // len(model)))]
    score, rotation, translation = max(found, key=lambda best: float(best[0]))
    translation = translation + search.native_centre - rotation @ search.model_centre
    return TMScore(float(score), rotation.to(model), translation.to(model))


def fragments(length: int) -> Bool[Tensor, "s n"]:
    """The residues of the first superpositions: every run of n, n/2, n/4 … residues, down to four."""
    shortest = min(length, MIN_FRAGMENT)
    sizes = [max(length // 2**power, shortest) for power in range(NUM_FRAGMENT_LENGTHS - 1)] + [shortest]
    ends = [torch.arange(size, length + 1).unsqueeze(-1) for size in dict.fromkeys(sizes)]
    position = torch.arange(length)
    return torch.cat([(position < end) & (position >= end - end[0]) for end in ends])


Superpositions = tuple[Float[Tensor, "*s"], Float[Tensor, "*s 3 3"], Float[Tensor, "*s 3"]]
"""Scores, rotations, translations."""


class _Search:
    """Many superpositions of one pair at a time, in float64 about the centres of both."""

    def __init__(self, model: Float[Tensor, "n 3"], native: Float[Tensor, "n 3"], native_length: int) -> None:
        self.length = native_length
        self.d0 = tm_d0(native_length)
        self.model_centre, self.native_centre = model.double().mean(dim=0), native.double().mean(dim=0)
        x, y = model.double() - self.model_centre, native.double() - self.native_centre
        # Sums of x·yᵀ, x, y and 1 are all that a superposition needs; with |x|² + |y|² they give the distances too.
        # Both are then one matrix product over all starts.
        products = (x.unsqueeze(-1) * y.unsqueeze(-2)).flatten(-2)
        self.moments = torch.cat([products, x, y, torch.ones_like(x[:, :1])], dim=-1)
        self.squares = (x.square() + y.square()).sum(dim=-1)

    def extend(self, chosen: Bool[Tensor, "s n"]) -> Superpositions:
        """The best superposition met from any start: residues within reach are superposed until they stay the same."""
        reach = min(max(self.d0, 4.5), 8.0)
        best, squared = self.superpose(chosen)
        for cut in [reach - 1] + [reach + 1] * NUM_ROUNDS:
            near = _within(squared, cut)
            moving = (near != chosen).any(dim=-1)
            if not moving.any():
                break
            chosen = near[moving]
            found, squared = self.superpose(chosen)
            best = max(best, found, key=lambda one: float(one[0]))
        return best

    def superpose(self, chosen: Bool[Tensor, "s n"]) -> tuple[Superpositions, Float[Tensor, "s n"]]:
        """The best-scoring of the superpositions of the chosen residues, and all squared distances in each."""
        products, model, native, count = (chosen.double() @ self.moments).split([9, 3, 3, 1], dim=-1)
        model, native = model / count, native / count
        covariance = (products / count).unflatten(-1, (3, 3)) - model.unsqueeze(-1) * native.unsqueeze(-2)
        rotation = best_rotation(covariance)
        shift = native - (rotation @ model.unsqueeze(-1)).squeeze(-1)
        # |Rx + t − y|² = |x|² + |y|² − 2 yᵀRx + 2 tᵀRx − 2 tᵀy + |t|²
        turned_back = (shift.unsqueeze(-2) @ rotation).squeeze(-2)
        square = shift.square().sum(dim=-1, keepdim=True)
        factors = torch.cat([-2 * rotation.mT.flatten(-2), 2 * turned_back, -2 * shift, square], dim=-1)
        squared = torch.addmm(self.squares, factors, self.moments.T).clamp(min=0)
        scores = (1 / (1 + squared / self.d0**2)).sum(dim=-1) / self.length
        best = scores.argmax()
        return (scores[best], rotation[best], shift[best]), squared


def _within(squared: Float[Tensor, "s n"], cut: float) -> Bool[Tensor, "s n"]:
    """Residues closer than `cut`; where they are fewer than three, the cut widens by half ångströms until they are.

    Two residues would leave the rotation open.
    """
    near = squared <= cut**2
    few = near.sum(dim=-1) < min(3, squared.shape[-1])
    if few.any():
        third = squared[few].kthvalue(min(3, squared.shape[-1]), dim=-1, keepdim=True).values.sqrt()
        widened = cut + ((third - cut) * 2).ceil() / 2
        near[few] = squared[few] <= widened.square()
    return near
