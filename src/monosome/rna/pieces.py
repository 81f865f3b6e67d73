"""Pairs worked on a few rows at a time: what is made on the way is held for these rows alone."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Rows = Callable[..., Shaped[Tensor, "b m n _"]]
"""Makes some rows from these rows of tensors, and from whole tensors. What is large is handed to it, not kept by it:
blocks that are recomputed let go of what their pieces are handed."""


def in_pieces(
    make: Rows, num_rows: int, cut: Sequence[Shaped[Tensor, "b n *_"]], *whole: Shaped[Tensor, "..."]
) -> Shaped[Tensor, "b n n _"]:
    """`make(*cut, *whole)`, made of `num_rows` rows of the tensors `cut` at a time; at once where that is 0.

    For a gradient each piece keeps its inputs only and is made again in the backward pass, where nothing may be drawn
    but by seed (activation checkpointing, Chen et al., arXiv 1604.06174).
    """
    if not num_rows:
        return make(*cut, *whole)
    pieces = zip(*(each.split(num_rows, dim=1) for each in cut), strict=True)
    if torch.is_grad_enabled():
        again = (checkpoint(make, *piece, *whole, use_reentrant=False, preserve_rng_state=False) for piece in pieces)
        return torch.cat(list(again), dim=1)
    first = make(*next(pieces), *whole)
    made = first.new_empty(first.shape[0], cut[0].shape[1], *first.shape[2:])
    places = made.split(num_rows, dim=1)
    places[0].copy_(first)
    for place, piece in zip(places[1:], pieces, strict=True):
        place.copy_(make(*piece, *whole))
    return made


def updated(
    update: Rows,
    num_rows: int,
    pair: Shaped[Tensor, "b n n d"],
    cut: Sequence[Shaped[Tensor, "b n *_"]] = (),
    *whole: Shaped[Tensor, "..."],
) -> Shaped[Tensor, "b n n d"]:
    """The pairs with `update(pair, *cut, *whole)` added, `num_rows` rows at a time: in place where no graph is made."""
    if not num_rows or torch.is_grad_enabled():
        return pair + in_pieces(update, num_rows, (pair, *cut), *whole)
    pair = pair.detach()  # what was made with a graph, of an earlier run, has no views without one
    for rows, *pieces in zip(*(each.split(num_rows, dim=1) for each in (pair, *cut)), strict=True):
        rows += update(rows, *pieces, *whole)
    return pair
