"""Frames before the first block of the structure module."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from monosome.rna.frames import Frames
from monosome.rna.geometry import helix_frames
from monosome.rna.layout import paired_frames

Start = Literal["identity", "helix", "paired"]
STRAND_GAP = 30.0
"""Distance between the axes of neighbouring strands (Å): a double helix is 20 Å wide, so they do not touch."""


def start_frames(
    start: Start, segments: Int64[Tensor, "n"], pairs: Sequence[tuple[int, int]] = (), seed: int = 0
) -> Frames:
    """Frames of one molecule, centred but for "identity", which has all at the origin.

    "helix": each strand a straight A-form helix beside the last. "paired": laid out from `pairs` and `seed`, which the
    others do not look at; raises as `layout.paired_frames`.
    """
    if start == "identity":
        return Frames.identity((len(segments),))
    if start == "paired":
        with torch.enable_grad():  # it relaxes by descent, also where a prediction records no gradients
            return paired_frames(segments, pairs, seed)
    helix = helix_frames(len(segments))
    aside = torch.stack([segments * STRAND_GAP, 0 * segments, 0 * segments], dim=-1)
    places = helix.translations + aside
    return Frames(helix.rotations, places - places.mean(0))
