"""The trunk: a transformer over residues whose attention is biased by a representation of their pairs."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from monosome.rna.dropout import Dropout
from monosome.rna.recipe import BetaRhoModelConfig

Mask = Float[Tensor, "b n"]


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
        self, single: Float[Tensor, "b n c"], pair: Float[Tensor, "b n n d"], mask: Mask
    ) -> Float[Tensor, "b n c"]:
        """The update of the single representation."""
        normed = self.norm(single)
        q, k, v = (split_heads(x, self.num_heads) for x in self.to_qkv(normed).chunk(3, dim=-1))
        bias = self.bias(pair).permute(0, 3, 1, 2) + key_bias(mask)
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
        """The update of the pair representation.

        The output weights are folded into the left factor first: the (b, n, n, hidden²) products are never held.
        """
        normed = self.norm(single)
        left, right = self.left(normed) * mask.unsqueeze(-1), self.right(normed) * mask.unsqueeze(-1)
        weights = self.out.weight.view(-1, left.shape[-1], right.shape[-1])
        folded = torch.einsum("bip,dpq->bidq", left, weights)
        return torch.einsum("bidq,bjq->bijd", folded, right) + self.out.bias


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
        mixed = self.mixed_norm(torch.cat([outgoing, incoming], dim=-1))
        return torch.sigmoid(self.gate(normed)) * self.out(mixed)


class TriangleAttention(nn.Module):
    """Each pair looks at the pairs that start, or end, where it does (Suppl. Alg. 13; 14 with `ending`).

    Row by row, so that of the n × n × n logits only `rows_at_once` rows are held.
    """

    rows_at_once = 32

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
        normed = self.norm(pair.transpose(1, 2) if self.ending else pair)
        bias = self.bias(normed).permute(0, 3, 1, 2) + key_bias(mask)
        parts = [self._rows(rows, bias) for rows in normed.split(self.rows_at_once, dim=1)]
        mixed = torch.cat(parts, dim=1)
        update = self.out(torch.sigmoid(self.gate(normed)) * mixed)
        return update.transpose(1, 2) if self.ending else update

    def _rows(self, rows: Float[Tensor, "b m n d"], bias: Float[Tensor, "b h n n"]) -> Float[Tensor, "b m n d"]:
        q, k, v = (x.unflatten(-1, (self.num_heads, -1)).transpose(2, 3) for x in self.to_qkv(rows).chunk(3, dim=-1))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.unsqueeze(1).to(q.dtype))
        return mixed.transpose(2, 3).flatten(3)


class TrunkBlock(nn.Module):
    """One block: residues look at each other through the pairs, then the pairs at the residues and at each other."""

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
            self.drop_ending = Dropout(config.dropout, 4 * number + 3, shared=(1,))

    def forward(
        self, single: Float[Tensor, "b n c"], pair: Float[Tensor, "b n n d"], mask: Mask, seeds: Int64[Tensor, "b"]
    ) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b n n d"]]:
        """Both representations, updated; `seeds` fix what is dropped."""
        single = single + self.drop_single(self.attention(single, pair, mask), seeds)
        single = single + self.transition(single)
        pair = pair + self.outer(single, mask)
        pair = pair + self.drop_triangle(self.triangle(pair, mask), seeds)
        if self.starting and self.ending:
            pair = pair + self.drop_starting(self.starting(pair, mask), seeds)
            pair = pair + self.drop_ending(self.ending(pair, mask), seeds)
        pair = pair + self.pair_transition(pair)
        return single, pair


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
