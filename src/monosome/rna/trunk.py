"""The trunk: a transformer over residues whose attention is biased by a representation of their pairs."""

from functools import partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from monosome.rna.dropout import Dropout
from monosome.rna.pieces import Rows, in_pieces, updated
from monosome.rna.recipe import BetaRhoModelConfig

Mask = Float[Tensor, "b n"]
CHANNEL_PARTS = 8
"""Parts of the hidden channels that triangles are summed over one after another where pairs are worked on in pieces: of
rna/small at 2,000 nt each holds 0.25 GiB beside pairs of 0.95 GiB."""


class PairBiasedAttention(nn.Module):
    """Gated self-attention over residues, biased by the pairs (Jumper et al. 2021, Suppl. Alg. 7, without an MSA)."""

    def __init__(self, channels: int, pair_channels: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(channels)
        self.to_qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.bias = nn.Sequential(nn.LayerNorm(pair_channels), nn.Linear(pair_channels, num_heads, bias=False))
        self.gate = nn.Linear(channels, channels)
        self.out = zeroed(nn.Linear(channels, channels))

    def forward(
        self, single: Float[Tensor, "b n c"], pair: Float[Tensor, "b n n d"], mask: Mask, num_rows: int = 0
    ) -> Float[Tensor, "b n c"]:
        """The update of the single representation; `num_rows` rows of pairs are worked on at a time, 0 takes all."""
        normed = self.norm(single)
        q, k, v = (split_heads(x, self.num_heads) for x in self.to_qkv(normed).chunk(3, dim=-1))
        biases = in_pieces(self.bias, num_rows, [pair])
        bias = biases.permute(0, 3, 1, 2) + key_bias(mask)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        merged = mixed.transpose(1, 2).flatten(2)
        return self.out(torch.sigmoid(self.gate(normed)) * merged)


class Transition(nn.Module):
    """Two-layer perceptron with four times the channels in between (Suppl. Alg. 9)."""

    def __init__(self, channels: int, factor: int = 4) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.up = nn.Linear(channels, factor * channels)
        self.down = zeroed(nn.Linear(factor * channels, channels))

    def forward(self, x: Float[Tensor, "*batch c"]) -> Float[Tensor, "*batch c"]:
        """The update of a representation."""
        return self.down(F.relu(self.up(self.norm(x))))


class OuterProduct(nn.Module):
    """Outer product of two projections of the single representation (Suppl. Alg. 10, one sequence instead of many)."""

    def __init__(self, channels: int, pair_channels: int, hidden: int = 16) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.left, self.right = nn.Linear(channels, hidden), nn.Linear(channels, hidden)
        self.out = zeroed(nn.Linear(hidden * hidden, pair_channels))

    def forward(self, single: Float[Tensor, "b n c"], mask: Mask) -> Float[Tensor, "b n n d"]:
        """The update of the pair representation."""
        return self.of_rows(*self.factors(single, mask))

    def factors(
        self, single: Float[Tensor, "b n c"], mask: Mask
    ) -> tuple[Float[Tensor, "b n d k"], Float[Tensor, "b n k"]]:
        """Both projections, the output weights folded into the left one.

        So the (b, n, n, hidden²) products are never held.
        """
        normed = self.norm(single)
        left, right = self.left(normed) * mask.unsqueeze(-1), self.right(normed) * mask.unsqueeze(-1)
        weights = self.out.weight.view(-1, left.shape[-1], right.shape[-1])
        return torch.einsum("bip,dpq->bidq", left, weights), right

    def of_rows(self, left: Float[Tensor, "b m d k"], right: Float[Tensor, "b n k"]) -> Float[Tensor, "b m n d"]:
        """The update of the rows of the left factors."""
        return torch.einsum("bidq,bjq->bijd", left, right) + self.out.bias


class TriangleMultiplication(nn.Module):
    """Each pair updated from the two other edges of all triangles over it (Suppl. Alg. 11 and 12, both at once)."""

    def __init__(self, pair_channels: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(pair_channels)
        self.edges = nn.Linear(pair_channels, 4 * hidden)
        self.edge_gates = nn.Linear(pair_channels, 4 * hidden)
        self.mixed_norm = nn.LayerNorm(2 * hidden)
        self.gate = nn.Linear(pair_channels, pair_channels)
        self.out = zeroed(nn.Linear(2 * hidden, pair_channels))

    def forward(self, pair: Float[Tensor, "b n n d"], mask: Mask) -> Float[Tensor, "b n n d"]:
        """The update of the pair representation."""
        normed = self.norm(pair)
        pair_mask = (mask.unsqueeze(1) * mask.unsqueeze(2)).unsqueeze(-1)
        edges = torch.sigmoid(self.edge_gates(normed)) * self.edges(normed) * pair_mask
        a, b, c, d = edges.chunk(4, dim=-1)
        outgoing = torch.einsum("bikh,bjkh->bijh", a, b)
        incoming = torch.einsum("bkih,bkjh->bijh", c, d)
        return self._update(normed, torch.cat([outgoing, incoming], dim=-1))

    def sums(self, pair: Float[Tensor, "b n n d"], mask: Mask, num_rows: int) -> list[Float[Tensor, "b n n _"]]:
        """Sums over the outgoing edges, then over the incoming ones, with `num_rows` rows worked on at a time.

        Where no graph is made, and so edges are not kept, they are made of a few hidden channels at a time.
        """
        outgoing, incoming = list[Tensor](), list[Tensor]()
        numbers = torch.arange(self.edges.out_features, device=pair.device).view(4, -1)
        for channels in numbers.tensor_split(1 if torch.is_grad_enabled() else CHANNEL_PARTS, dim=1):
            edges = in_pieces(partial(self._edges, channels.flatten(), mask), num_rows, [pair, mask])
            a, b, c, d = edges.permute(0, 3, 1, 2).chunk(4, dim=1)
            outgoing.append((a @ b.mT).permute(0, 2, 3, 1))
            incoming.append((c.mT @ d).permute(0, 2, 3, 1))
        return [*outgoing, *incoming]

    def of_rows(self, pair: Float[Tensor, "b m n d"], *sums: Float[Tensor, "b m n _"]) -> Float[Tensor, "b m n d"]:
        """The update of some rows, from these rows of what `sums` gives."""
        return self._update(self.norm(pair), torch.cat(sums, dim=-1))

    def _edges(
        self, channels: Int64[Tensor, "h"], mask: Mask, pair: Float[Tensor, "b m n d"], row_mask: Float[Tensor, "b m"]
    ) -> Float[Tensor, "b m n h"]:
        normed, layers = self.norm(pair), (self.edge_gates, self.edges)
        gates, values = (F.linear(normed, each.weight[channels], each.bias[channels]) for each in layers)
        return torch.sigmoid(gates) * values * (row_mask.unsqueeze(2) * mask.unsqueeze(1)).unsqueeze(-1)

    def _update(self, normed: Float[Tensor, "b m n d"], mixed: Float[Tensor, "b m n h"]) -> Float[Tensor, "b m n d"]:
        return torch.sigmoid(self.gate(normed)) * self.out(self.mixed_norm(mixed))


class TriangleAttention(nn.Module):
    """Each pair looks at the pairs that start, or end, where it does (Suppl. Alg. 13; 14 with `ending`).

    Row by row, so that of the n × n × n logits only `logits_at_once` rows are held.
    """

    logits_at_once = 32

    def __init__(self, pair_channels: int, num_heads: int, *, ending: bool) -> None:
        super().__init__()
        self.num_heads, self.ending = num_heads, ending
        self.norm = nn.LayerNorm(pair_channels)
        self.to_qkv = nn.Linear(pair_channels, 3 * pair_channels, bias=False)
        self.bias = nn.Linear(pair_channels, num_heads, bias=False)
        self.gate = nn.Linear(pair_channels, pair_channels)
        self.out = zeroed(nn.Linear(pair_channels, pair_channels))

    def forward(self, pair: Float[Tensor, "b n n d"], mask: Mask) -> Float[Tensor, "b n n d"]:
        """The update of the pair representation."""
        turned = self.turned(pair)
        normed = self.norm(turned)
        return self.turned(self._update(normed, self._bias(self.bias(normed), mask)))

    def turned(self, pair: Float[Tensor, "b n n d"]) -> Float[Tensor, "b n n d"]:
        """The pairs with the side that is looked from first, and back again."""
        return pair.transpose(1, 2) if self.ending else pair

    def pair_bias(self, turned: Float[Tensor, "b n n d"], mask: Mask, num_rows: int) -> Float[Tensor, "b h n n"]:
        """The bias of turned pairs, of which `num_rows` rows are worked on at a time."""
        return self._bias(in_pieces(lambda each: self.bias(self.norm(each)), num_rows, [turned]), mask)

    def of_rows(self, turned: Float[Tensor, "b m n d"], bias: Float[Tensor, "b h n n"]) -> Float[Tensor, "b m n d"]:
        """The update of some rows of turned pairs."""
        return self._update(self.norm(turned), bias)

    def _bias(self, logits: Float[Tensor, "b n n h"], mask: Mask) -> Float[Tensor, "b h n n"]:
        return logits.permute(0, 3, 1, 2) + key_bias(mask)

    def _update(self, normed: Float[Tensor, "b m n d"], bias: Float[Tensor, "b h n n"]) -> Float[Tensor, "b m n d"]:
        mixed = torch.cat([self._rows(rows, bias) for rows in normed.split(self.logits_at_once, dim=1)], dim=1)
        return self.out(torch.sigmoid(self.gate(normed)) * mixed)

    def _rows(self, rows: Float[Tensor, "b m n d"], bias: Float[Tensor, "b h n n"]) -> Float[Tensor, "b m n d"]:
        q, k, v = (x.unflatten(-1, (self.num_heads, -1)).transpose(2, 3) for x in self.to_qkv(rows).chunk(3, dim=-1))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.unsqueeze(1).to(q.dtype))
        return mixed.transpose(2, 3).flatten(3)


class TrunkBlock(nn.Module):
    """One block: residues look at each other through the pairs, then the pairs at the residues and at each other.

    `rows_at_once` rows of pairs are worked on at a time; 0 takes all.
    """

    rows_at_once = 0

    def __init__(self, config: BetaRhoModelConfig, number: int) -> None:
        super().__init__()
        c, d = config.single_channels, config.pair_channels
        self.attention = PairBiasedAttention(c, d, config.num_heads)
        self.transition = Transition(c)
        self.outer = OuterProduct(c, d)
        self.triangle = TriangleMultiplication(d, d // 2)
        self.pair_transition = Transition(d, factor=2)
        self.drop_single = Dropout(config.dropout, 4 * number)
        self.drop_triangle = Dropout(config.dropout, 4 * number + 1, shared=(0,))
        self.starting, self.ending = None, None
        if config.triangle_attention:
            self.starting = TriangleAttention(d, config.num_heads, ending=False)
            self.ending = TriangleAttention(d, config.num_heads, ending=True)
            self.drop_starting = Dropout(config.dropout, 4 * number + 2, shared=(0,))
            self.drop_ending = Dropout(config.dropout, 4 * number + 3, shared=(0,))  # of turned pairs

    def forward(
        self, single: Float[Tensor, "b n c"], pair: Float[Tensor, "b n n d"], mask: Mask, seeds: Int64[Tensor, "b"]
    ) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b n n d"]]:
        """Both representations, updated; `seeds` fix what is dropped.

        In pieces, and where no graph is made, `pair` itself is changed.
        """
        single = single + self.drop_single(self.attention(single, pair, mask, self.rows_at_once), seeds)
        single = single + self.transition(single)
        if self.rows_at_once:
            return single, self._in_pieces(single, pair, mask, seeds)
        pair = pair + self.outer(single, mask)
        pair = pair + self.drop_triangle(self.triangle(pair, mask), seeds)
        for attention, drop in self._attentions():
            pair = pair + attention.turned(drop(attention.turned(attention(pair, mask)), seeds))
        return single, pair + self.pair_transition(pair)

    def _in_pieces(
        self, single: Float[Tensor, "b n c"], pair: Float[Tensor, "b n n d"], mask: Mask, seeds: Int64[Tensor, "b"]
    ) -> Float[Tensor, "b n n d"]:
        def dropped(drop: nn.Module, update: Rows) -> Rows:
            return lambda *given: drop(update(*given), seeds)  # alike in all rows

        num_rows = self.rows_at_once
        left, right = self.outer.factors(single, mask)
        pair = updated(lambda _, *factors: self.outer.of_rows(*factors), num_rows, pair, [left], right)
        sums = self.triangle.sums(pair, mask, num_rows)
        pair = updated(dropped(self.drop_triangle, self.triangle.of_rows), num_rows, pair, sums)
        del sums
        for attention, drop in self._attentions():
            turned = attention.turned(pair)
            bias = attention.pair_bias(turned, mask, num_rows)
            pair = attention.turned(updated(dropped(drop, attention.of_rows), num_rows, turned, (), bias))
        return updated(self.pair_transition, num_rows, pair)

    def _attentions(self) -> list[tuple[TriangleAttention, Dropout]]:
        if self.starting is None or self.ending is None:
            return []
        return [(self.starting, self.drop_starting), (self.ending, self.drop_ending)]


def zeroed(linear: nn.Linear) -> nn.Linear:
    """The layer with weights and bias zero: a residual branch that ends in it starts as the identity."""
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def split_heads(x: Float[Tensor, "b n hc"], num_heads: int) -> Float[Tensor, "b h n c"]:
    """Channels parted over heads."""
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def key_bias(mask: Mask) -> Float[Tensor, "b 1 1 n"]:
    """0 where there is a residue, a large negative number where there is padding; finite, so that no row is NaN."""
    return ((mask - 1) * 1e4)[:, None, None, :]
