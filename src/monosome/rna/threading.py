"""A sequence laid on a known structure: what is aligned stands as the template does, the rest is docked and closed."""

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from monosome.rna.frames import Frames
from monosome.rna.layout import paired_frames
from monosome.rna.nucleotides import CAN_PAIR
from monosome.rna.pairing import Pairs
from monosome.rna.templates import Hit


def threaded_pairs(hit: Hit, bases: Int64[Tensor, "n"], pairs: Sequence[tuple[int, int]]) -> Pairs:
    """Pairs of a hit's template that these bases can make, and of `pairs` those outside it; residues from 0."""
    query_of = {template: query for query, template in hit.residues.tolist()}
    aligned = set(hit.residues[:, 0].tolist())
    inside = [(query_of[i], query_of[j]) for i, j in hit.template.pairs if {i, j} <= query_of.keys()]
    kept = [(i, j) for i, j in inside if CAN_PAIR[bases[i], bases[j]]]
    return sorted([*kept, *((i, j) for i, j in pairs if not {i, j} & aligned)])


def threaded(hit: Hit, segments: Int64[Tensor, "n"], pairs: Sequence[tuple[int, int]], seed: int = 0) -> Frames:
    """Frames of a sequence on a hit's template, centred; helices of `pairs` that the template lacks are docked to it.

    See `layout.paired_frames`. To free the residues beside deletions, for strands to close there, closed no more links
    and cost .02 of TM-score.
    """
    num = len(segments)
    core = Frames(torch.full((num, 3, 3), torch.nan), torch.full((num, 3), torch.nan))
    query, template = torch.from_numpy(hit.residues).unbind(-1)
    core.rotations[query] = hit.template.frames.rotations[template]
    core.translations[query] = hit.template.frames.translations[template]
    return paired_frames(segments, pairs, seed, core)
