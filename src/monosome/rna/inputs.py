"""The network's inputs by name, each of which can be shuffled or left out to see what it is worth."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from monosome.rna.features import NUM_OFFSETS, Features


@dataclass(frozen=True)
class Input:
    """Where an input lies in the features, in which channels (first, and one after the last), and what says nothing."""

    where: Literal["single", "pair", "offsets"]
    channels: tuple[int, int] = (0, 0)
    unknown: int = 0


INPUTS: Mapping[str, Input] = {
    "bases": Input("single", (0, 4)),
    "unpaired probability": Input("single", (4, 5)),
    "strand ends": Input("single", (5, 7)),
    "pair probabilities": Input("pair", (0, 1)),
    "complementary bases": Input("pair", (1, 2)),
    "distance along the strand": Input("offsets", unknown=NUM_OFFSETS - 1),
}


def disturbed(features: Features, name: str, seed: int | None) -> Features:
    """The features with one input shuffled over residues (rows and columns of pairs alike); unknown without a seed."""
    wanted = INPUTS[name]
    values = getattr(features, wanted.where).copy()
    part = values if wanted.where == "offsets" else values[..., slice(*wanted.channels)]
    if seed is None:
        part[...] = wanted.unknown
    else:
        order = np.random.default_rng(seed).permutation(len(part))
        part[...] = part[order] if wanted.where == "single" else part[order][:, order]
    return replace(features, **{wanted.where: values})
