"""Dropout that depends on an example's own seed alone: not on the batch it is in, nor on the device."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

_GAMMA, _MIX = -7046029254386353131, (-4658895280553007687, -7723592293110705685)
"""Constants of SplitMix64 (Steele, Lea & Flood 2014), as signed integers."""


class Dropout(nn.Module):
    """Sets a share of the values to 0 in training, and scales the others up to keep the mean (Srivastava et al. 2014).

    `site` tells the dropouts of a network apart. Axes of the values that `shared` names (counted without the batch)
    have one draw, as AlphaFold 2 drops whole rows of the pair representation (Jumper et al. 2021, Suppl. 1.11.6).
    """

    def __init__(self, share: float, site: int, shared: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.share, self.site, self.shared = share, site, shared

    def forward(self, x: Float[Tensor, "b *rest"], seeds: Int64[Tensor, "b"]) -> Float[Tensor, "b *rest"]:
        """The values, some of them dropped while training."""
        if not self.training or not self.share:
            return x
        shape = [1 if axis in self.shared else size for axis, size in enumerate(x.shape[1:])]
        kept = uniform(seeds, self.site, torch.Size(shape)) >= self.share
        return x * kept / (1 - self.share)


def uniform(seeds: Int64[Tensor, "b"], site: int, shape: torch.Size) -> Float[Tensor, "b *rest"]:
    """Numbers of [0, 1) for each seed and site, the same on every device: SplitMix64 of a counter."""
    places = torch.arange(shape.numel(), device=seeds.device)
    state = _mixed(_mixed(seeds.unsqueeze(1) + torch.full_like(places[:1], site) * _GAMMA) + (places + 1) * _GAMMA)
    return (_shifted(state, 40).float() / 2**24).view(len(seeds), *shape)


def _mixed(state: Int64[Tensor, "b _"]) -> Int64[Tensor, "b _"]:
    state = (state ^ _shifted(state, 30)) * _MIX[0]
    state = (state ^ _shifted(state, 27)) * _MIX[1]
    return state ^ _shifted(state, 31)


def _shifted(state: Int64[Tensor, "b _"], bits: int) -> Int64[Tensor, "b _"]:
    """The bits moved right, zeros coming in: torch's own shift copies the sign."""
    return (state >> bits) & ((1 << (64 - bits)) - 1)
