"""Invariant point attention (Jumper et al. 2021, Suppl. Alg. 22, lines 7 to 10): one path to read, one to run.

Both give, of every head, the weighted means of values, of points and of the pair representation, with the weights
softmax_j w_L · (q_i·k_j/√c + b_ij − γ · w_C/2 · Σ_p |T_i q_ip − T_j k_jp|²).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from monosome.rna.trunk import key_bias

W_L = math.sqrt(1 / 3)
"""Evens out the variance of three sums: of channels, bias and distances."""
LOGITS_AT_ONCE = 2**18
"""Logits that are held at a time, 1 MiB, so that caches keep them: 2^16 to 2^19 take the same time within 10 %."""


@dataclass(frozen=True)
class PairFactors:
    """A pair representation as a sum of products, z_ij = Σ_k left_ik ∘ right_jk: memory grows with n instead of n²."""

    left: Float[Tensor, "b n k d"]
    right: Float[Tensor, "b n k d"]

    def product(self) -> Float[Tensor, "b n n d"]:
        """The pair representation."""
        return torch.einsum("bikd,bjkd->bijd", self.left, self.right)


Pair = Float[Tensor, "b n n d"] | PairFactors


@dataclass(frozen=True)
class Projections:
    """What each head asks for, is found by, and hands on. Points are global; x y z of a head's points on one axis."""

    queries: Float[Tensor, "b h n c"]
    keys: Float[Tensor, "b h n c"]
    values: Float[Tensor, "b h n c"]
    query_points: Float[Tensor, "b h n p3"]
    key_points: Float[Tensor, "b h n p3"]
    value_points: Float[Tensor, "b h n _"]

    @property
    def point_weight(self) -> float:
        """w_C of the algorithm."""
        return math.sqrt(2 / (9 * (self.query_points.shape[-1] // 3)))


Attended = tuple[Float[Tensor, "b h n c"], Float[Tensor, "b h n _"], Float[Tensor, "b n h d"]]
"""Weighted means of values, of value points and of pairs."""


def attend_plainly(
    given: Projections,
    pair: Pair,
    bias: Float[Tensor, "h d"],
    gamma: Float[Tensor, "h"],
    mask: Float[Tensor, "b n"],
) -> Attended:
    """The means, line by line as the algorithm has them: the reference, which holds n × n × h × p differences."""
    pair = pair.product() if isinstance(pair, PairFactors) else pair
    differences = given.query_points.unsqueeze(3) - given.key_points.unsqueeze(2)
    distances = gamma[:, None, None] * given.point_weight / 2 * differences.square().sum(-1)
    scalars = given.queries @ given.keys.mT / math.sqrt(given.queries.shape[-1])
    logits = W_L * (scalars + F.linear(pair, bias).permute(0, 3, 1, 2) - distances)
    shares = (logits + key_bias(mask)).softmax(-1)
    return shares @ given.values, shares @ given.value_points, torch.einsum("bhij,bijd->bihd", shares, pair)


def attend(
    given: Projections,
    pair: Pair,
    bias: Float[Tensor, "h d"],
    gamma: Float[Tensor, "h"],
    mask: Float[Tensor, "b n"],
) -> Attended:
    """The same means, by products alone: no differences are formed, and no n × n × h logits kept for the gradient.

    With a factorised pair all is one scaled dot product, as in FlashIPA (arXiv 2505.11580), and memory grows with n.
    """
    queries, keys = _folded(given, gamma, mask)
    values = torch.cat([given.values, given.value_points], dim=-1)
    if isinstance(pair, PairFactors):
        mixed, pairs = _attend_with_factors(queries, keys, values, pair, W_L * bias)
    else:
        mixed, pairs = PairAttention.apply(queries, keys, values, pair, W_L * bias)
    scalars, points = mixed.split([given.values.shape[-1], given.value_points.shape[-1]], dim=-1)
    return scalars, points, pairs


def _folded(
    given: Projections, gamma: Float[Tensor, "h"], mask: Float[Tensor, "b n"]
) -> tuple[Float[Tensor, "b h n c"], Float[Tensor, "b h n c"]]:
    """Queries and keys whose products are the logits without the pair bias, up to what all keys have in common.

    −|q − k|²/2 = q·k − |k|²/2 − |q|²/2: of the squares the softmax sees only |k|², which meets a 1 in the queries.
    """
    weights = (W_L * given.point_weight * gamma)[:, None, None]
    scale = W_L / math.sqrt(given.queries.shape[-1])
    ones = torch.ones_like(given.queries[..., :1])
    squares = given.key_points.square().sum(-1, keepdim=True)
    queries = torch.cat([scale * given.queries, weights * given.query_points, ones], dim=-1)
    keys = torch.cat([given.keys, given.key_points, key_bias(mask).mT - weights / 2 * squares], dim=-1)
    return queries, keys


def _attend_with_factors(
    queries: Float[Tensor, "b h n c"],
    keys: Float[Tensor, "b h n c"],
    values: Float[Tensor, "b h n f"],
    pair: PairFactors,
    bias: Float[Tensor, "h d"],
) -> tuple[Float[Tensor, "b h n f"], Float[Tensor, "b n h d"]]:
    """Both means by one call of the fused attention.

    Σ_d w_hd z_ijd and Σ_j a_ij z_ij are products with the factors over all k and d: they become further channels.
    """
    rank, heads, width = pair.left.shape[2], queries.shape[1], values.shape[-1]
    left = (pair.left.unsqueeze(1) * bias[:, None, None]).flatten(3)
    right = pair.right.flatten(2).unsqueeze(1).expand(-1, heads, -1, -1)
    queries, keys, values = (torch.cat(parts, dim=-1) for parts in ((queries, left), (keys, right), (values, right)))
    missing = values.shape[-1] - queries.shape[-1]  # the fused kernels want one width; unequal, they form n × n logits
    queries, keys = (F.pad(x, (0, max(missing, 0))) for x in (queries, keys))
    mixed = F.scaled_dot_product_attention(queries, keys, F.pad(values, (0, max(-missing, 0))), scale=1.0)
    rights = mixed[..., width : values.shape[-1]].unflatten(-1, (rank, -1))
    return mixed[..., :width], torch.einsum("bikd,bhikd->bihd", pair.left, rights)


class PairAttention(torch.autograd.Function):
    """Softmax attention biased by pairs, Σ_j a_ij v_j and Σ_j a_ij z_ij, that keeps its inputs alone.

    Rows of queries are taken a block at a time, forward and backward, and the backward computes their softmax anew:
    beside inputs, outputs and gradients at most a few times LOGITS_AT_ONCE numbers are held.
    """

    @staticmethod
    def forward(
        ctx: Any,
        queries: Float[Tensor, "b h n c"],
        keys: Float[Tensor, "b h n c"],
        values: Float[Tensor, "b h n f"],
        pair: Float[Tensor, "b n n d"],
        bias: Float[Tensor, "h d"],
    ) -> tuple[Float[Tensor, "b h n f"], Float[Tensor, "b n h d"]]:
        """Means of values and of pairs."""
        ctx.save_for_backward(queries, keys, values, pair, bias)
        batch, heads, length, _ = queries.shape
        mixed, pairs = torch.empty_like(values), pair.new_empty(batch, length, heads, pair.shape[-1])
        for place, rows in _blocks(queries):
            z = pair[place, rows]
            shares = _shares(queries[place, :, rows], keys[place], z, bias)
            mixed[place, :, rows] = shares.transpose(0, 1) @ values[place]
            torch.bmm(shares, z, out=pairs[place, rows])
        return mixed, pairs

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, d_mixed: Float[Tensor, "b h n f"], d_pairs: Float[Tensor, "b n h d"]
    ) -> tuple[
        Float[Tensor, "b h n c"],
        Float[Tensor, "b h n c"],
        Float[Tensor, "b h n f"],
        Float[Tensor, "b n n d"],
        Float[Tensor, "h d"],
    ]:
        """Gradients of the inputs."""
        queries, keys, values, pair, bias = ctx.saved_tensors
        d_queries, d_pair = torch.empty_like(queries), torch.empty_like(pair)
        d_keys, d_values, d_bias = torch.zeros_like(keys), torch.zeros_like(values), torch.zeros_like(bias)
        for place, rows in _blocks(queries):
            q, z, d_out, d_z = queries[place, :, rows], pair[place, rows], d_mixed[place, :, rows], d_pairs[place, rows]
            shares = _shares(q, keys[place], z, bias)
            slopes = d_z @ z.mT
            slopes.transpose(0, 1).baddbmm_(d_out, values[place].mT)
            d_logits = shares * (slopes - (shares * slopes).sum(-1, keepdim=True))
            d_queries[place, :, rows] = d_logits.transpose(0, 1) @ keys[place]
            d_keys[place].baddbmm_(d_logits.permute(1, 2, 0), q)
            d_values[place].baddbmm_(shares.permute(1, 2, 0), d_out)
            torch.bmm(shares.mT, d_z, out=d_pair[place, rows]).baddbmm_(d_logits.mT, bias.expand(len(z), -1, -1))
            d_bias += (d_logits @ z).sum(0)
        return d_queries, d_keys, d_values, d_pair, d_bias


def _shares(
    queries: Float[Tensor, "h m c"],
    keys: Float[Tensor, "h n c"],
    pair: Float[Tensor, "m n d"],
    bias: Float[Tensor, "h d"],
) -> Float[Tensor, "m h n"]:
    """What share of each row's attention goes to each key."""
    logits = bias.expand(len(pair), -1, -1) @ pair.mT
    logits.transpose(0, 1).baddbmm_(queries, keys.mT)
    return logits.softmax(-1)


def _blocks(queries: Float[Tensor, "b h n c"]) -> Iterator[tuple[int, slice]]:
    """Example and rows of each block."""
    batch, heads, length, _ = queries.shape
    num_rows = max(1, LOGITS_AT_ONCE // (heads * length))
    for place in range(batch):
        yield from ((place, slice(first, first + num_rows)) for first in range(0, length, num_rows))
