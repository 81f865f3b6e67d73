"""The torsions that a network says each nucleotide has, what they should be, and how far off they are."""

from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional as F

from monosome.rna.backbone import TORSIONS
from monosome.rna.chain import Chain
from monosome.rna.geometry import duplex
from monosome.rna.losses import masked_mean
from monosome.rna.torsions import torsions

NORM_WEIGHT = 0.02
"""Weight of the lengths of the vectors (Jumper et al. 2021, Suppl. Alg. 27)."""
NUM_RESIDUAL = 2
"""Residual blocks of the head (Suppl. Alg. 20)."""


def _sines_and_cosines(degrees: Float[np.ndarray, "*k"]) -> Float32[np.ndarray, "*k 2"]:
    angles = np.radians(degrees)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).astype(np.float32)


def _a_form() -> Float32[np.ndarray, "t 2"]:
    found = torsions(duplex("GGG"))
    return _sines_and_cosines(np.array([getattr(found, name)[1] for name in TORSIONS]))


A_FORM = _a_form()
"""Sines and cosines of the torsions of the ideal helix."""


class TorsionHead(nn.Module):
    """Sine and cosine of each of backbone.TORSIONS, not yet of length 1 (Jumper et al. 2021, Suppl. Alg. 20, 11–14).

    An untrained head says A-form, whatever it is given.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.enter = nn.LayerNorm(channels), nn.Linear(channels, channels)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels))
            for _ in range(NUM_RESIDUAL)
        )
        self.out = nn.Linear(channels, 2 * len(TORSIONS))
        nn.init.zeros_(self.out.weight)
        self.out.bias.data.copy_(torch.tensor(A_FORM.flatten()))

    def forward(self, single: Float[Tensor, "*batch n c"]) -> Float[Tensor, "*batch n t 2"]:
        """The vectors; `directions` makes torsions of them."""
        x = self.enter(self.norm(single))
        for block in self.blocks:
            x = x + block(x)
        return cast(Tensor, self.out(F.relu(x))).unflatten(-1, (len(TORSIONS), 2))


def directions(vectors: Float[Tensor, "*batch t 2"]) -> Float[Tensor, "*batch t 2"]:
    """The vectors brought to length 1: what backbone.place_atoms takes."""
    return F.normalize(vectors.float(), dim=-1)


def torsion_loss(
    vectors: Float[Tensor, "b n t 2"], true: Float[Tensor, "b n t 2"], mask: Float[Tensor, "b n t"]
) -> Float[Tensor, "b"]:
    """Mean squared distance of the torsions of each chain on the unit circle, 0 to 4, and how far lengths are from 1.

    Jumper et al. 2021, Suppl. Alg. 27; 2 for torsions at random, 0.02 for each unit of length. 0 for a chain of which
    no torsion is known.
    """
    raw = vectors.float()
    far = (directions(raw) - true).square().sum(dim=-1)
    stretched = ((raw.square().sum(dim=-1) + 1e-8).sqrt() - 1).abs()
    return masked_mean(far, mask) + NORM_WEIGHT * masked_mean(stretched, mask)


def true_torsions(chain: Chain) -> tuple[Float32[np.ndarray, "n t 2"], Float32[np.ndarray, "n t"]]:
    """Sines and cosines of the torsions of a chain, and 1 where they are known; A-form where they are not."""
    found = torsions(chain)
    degrees = np.stack([getattr(found, name) for name in TORSIONS], axis=1)
    known = np.isfinite(degrees)
    return np.where(known[..., None], _sines_and_cosines(degrees), A_FORM), known.astype(np.float32)
