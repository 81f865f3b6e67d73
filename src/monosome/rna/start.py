"""Frames before the first block of the structure module."""

import functools
import json
from collections.abc import Sequence
from importlib import resources
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from monosome.rna.frames import Frames
from monosome.rna.geometry import helix_frames
from monosome.rna.layout import paired_frames
from monosome.rna.nucleotides import BASES

Start = Literal["identity", "helix", "nucleotide", "paired", "learned"]
STRAND_GAP = 30.0
"""Distance between the axes of neighbouring strands (Å): a double helix is 20 Å wide, so they do not touch."""


def chained(steps: Frames) -> Frames:
    """The frames that each step leads to from the one before: T_i = S_0 ∘ S_1 ∘ … ∘ S_i, along the last batch axis.

    By doubling: log2 n products of all frames instead of n of one.
    """
    rotations, places = steps.rotations, steps.translations
    reach = 1
    while reach < places.shape[-2]:
        before = Frames(rotations[..., :-reach, :, :], places[..., :-reach, :])
        joined = before.compose(Frames(rotations[..., reach:, :, :], places[..., reach:, :]))
        rotations = torch.cat([rotations[..., :reach, :, :], joined.rotations], dim=-3)
        places = torch.cat([places[..., :reach, :], joined.translations], dim=-2)
        reach *= 2
    return Frames(rotations, places)


def steps_of(frames: Frames) -> Frames:
    """The step from each frame to the next, the first frame itself before them: what `chained` undoes."""
    first = Frames(frames.rotations[..., :1, :, :], frames.translations[..., :1, :])
    before = Frames(frames.rotations[..., :-1, :, :], frames.translations[..., :-1, :])
    after = Frames(frames.rotations[..., 1:, :, :], frames.translations[..., 1:, :])
    steps = before.invert().compose(after)
    return Frames(
        torch.cat([first.rotations, steps.rotations], dim=-3),
        torch.cat([first.translations, steps.translations], dim=-2),
    )


def start_frames(
    start: Start,
    segments: Int64[Tensor, "n"],
    bases: Int64[Tensor, "n"],
    pairs: Sequence[tuple[int, int]] = (),
    seed: int = 0,
) -> Frames:
    """Frames of one molecule, centred but for "identity", which has all at the origin.

    "helix": each strand a straight A-form helix beside the last; "learned" too, which the network bends. "nucleotide":
    each strand as its bases follow each other most often (tools/measure_steps.py). "paired": laid out from `pairs` and
    `seed`, which the others do not look at; raises as `layout.paired_frames`.
    """
    if start == "identity":
        return Frames.identity((len(segments),))
    if start == "paired":
        return paired_frames(segments, pairs, seed)
    helix = helix_frames(len(segments)) if start != "nucleotide" else _usual_strand(bases)
    aside = torch.stack([segments * STRAND_GAP, 0 * segments, 0 * segments], dim=-1)
    places = helix.translations + aside
    return Frames(helix.rotations, places - places.mean(0))


def _usual_strand(bases: Int64[Tensor, "n"]) -> Frames:
    """A strand in which each nucleotide follows the one before in the way that these two bases do most often."""
    rows = _usual_steps()[bases[:-1], bases[1:]]
    steps = Frames(rows[:, :9].unflatten(-1, (3, 3)), rows[:, 9:])
    first = Frames.identity((1,))
    return chained(
        Frames(torch.cat([first.rotations, steps.rotations]), torch.cat([first.translations, steps.translations]))
    )


@functools.cache
def _usual_steps() -> Float[Tensor, "4 4 12"]:
    """Rotation by rows, and place in Å, of the frame of a base as the base before it sees it."""
    table = json.loads((resources.files("monosome.rna") / "steps.json").read_text())
    return torch.tensor([[table[first + second] for second in BASES] for first in BASES])
