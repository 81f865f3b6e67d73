"""Frames before the first block of the structure module."""

from typing import Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from monosome.rna.frames import Frames
from monosome.rna.geometry import helix_frames

Start = Literal["identity", "helix"]
STRAND_GAP = 30.0
"""Distance between the axes of neighbouring strands (Å): a double helix is 20 Å wide, so they do not touch."""


def start_frames(start: Start, segments: Int64[Tensor, "n"]) -> Frames:
    """Frames of one chain: all at the origin, or each strand a straight A-form helix beside the last, centred."""
    if start == "identity":
        return Frames.identity((len(segments),))
    helix = helix_frames(len(segments))
    aside = torch.stack([segments * STRAND_GAP, 0 * segments, 0 * segments], dim=-1)
    places = helix.translations + aside
    return Frames(helix.rotations, places - places.mean(0))
