"""Rigid frames: one rotation and one translation per nucleotide, always in fp32."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

EPS = 1e-8
"""Added under square roots: a zero-length vector then gives a zero axis and finite gradients, not NaN."""


@dataclass(frozen=True)
class Frames:
    """Rotations, whose columns are the axes, and translations in Å: x_global = R · x_local + t."""

    rotations: Float[Tensor, "*batch 3 3"]
    translations: Float[Tensor, "*batch 3"]

    @classmethod
    def identity(cls, shape: tuple[int, ...], device: torch.device | None = None) -> "Frames":
        """Frames at the origin with the global axes."""
        rotations = torch.eye(3, device=device).expand(*shape, 3, 3)
        return cls(rotations, torch.zeros(*shape, 3, device=device))

    @classmethod
    def from_points(
        cls, origin: Float[Tensor, "*batch 3"], on_x: Float[Tensor, "*batch 3"], in_xy: Float[Tensor, "*batch 3"]
    ) -> "Frames":
        """Frames with their x axis through `on_x` and `in_xy` in the xy plane (Jumper et al. 2021, Suppl. Alg. 21)."""
        x = _unit(on_x - origin)
        across = in_xy - origin
        y = _unit(across - (x * across).sum(-1, keepdim=True) * x)
        return cls(torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1), origin)

    def apply(self, points: Float[Tensor, "*#batch p 3"]) -> Float[Tensor, "... p 3"]:
        """The local points of each frame in global coordinates."""
        return _product(points, self.rotations.mT) + self.translations.unsqueeze(-2)

    def inverse_apply(self, points: Float[Tensor, "*#batch p 3"]) -> Float[Tensor, "... p 3"]:
        """Global points as each frame sees them."""
        return _product(points - self.translations.unsqueeze(-2), self.rotations)

    def compose(self, inner: "Frames") -> "Frames":
        """The frames that apply `inner` first, then these."""
        places = self.apply(inner.translations.unsqueeze(-2)).squeeze(-2)
        return Frames(_product(self.rotations, inner.rotations), places)

    def invert(self) -> "Frames":
        """The frames that undo these."""
        places = self.inverse_apply(torch.zeros_like(self.translations).unsqueeze(-2)).squeeze(-2)
        return Frames(self.rotations.mT, places)

    def compose_update(self, update: Float[Tensor, "*batch 6"]) -> "Frames":
        """These frames moved within themselves by a quaternion (1, b, c, d) and a translation in Å.

        Jumper et al. 2021, Suppl. Alg. 23; zeros change nothing.
        """
        return self.compose(Frames(_quaternion_rotation(update[..., :3].float()), update[..., 3:].float()))

    def stop_rotation_gradient(self) -> "Frames":
        """The same frames, whose rotations pass no gradient back."""
        return Frames(self.rotations.detach(), self.translations)

    def to(self, device: torch.device) -> "Frames":
        """The same frames on `device`."""
        return Frames(self.rotations.to(device), self.translations.to(device))

    def __getitem__(self, index: Any) -> "Frames":
        return Frames(self.rotations[index], self.translations[index])


def _product(left: Float[Tensor, "*#batch p 3"], right: Float[Tensor, "*#batch 3 3"]) -> Float[Tensor, "... p 3"]:
    """Matrix product in fp32, under autocast too: bf16 holds a coordinate of 100 Å to 0.5 Å."""
    with torch.autocast(left.device.type, enabled=False):
        return left.float() @ right.float()


def _unit(vectors: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    return vectors * torch.rsqrt((vectors * vectors).sum(-1, keepdim=True) + EPS)


def _quaternion_rotation(bcd: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation of the unit quaternion along (1, b, c, d)."""
    a = torch.rsqrt(1 + (bcd * bcd).sum(-1))
    b, c, d = (bcd * a.unsqueeze(-1)).unbind(-1)
    rows = [
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a - b * b + c * c - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a - b * b - c * c + d * d],
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
