"""Invariant point attention and the structure module that moves the frames with it."""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from monosome.rna.frames import Frames
from monosome.rna.recipe import BetaRhoModelConfig
from monosome.rna.trunk import Transition, key_bias, split_heads, zeroed

TRANSLATION_SCALE = 10.0
"""Å per unit of length inside the module (Jumper et al. 2021, Suppl. Alg. 20 and 1.8.2)."""


class InvariantPointAttention(nn.Module):
    """Attention that also sees where points of each residue lie in space; rigid motions of all frames change nothing.

    Jumper et al. 2021, Suppl. Alg. 22. Logits: w_L · (q·k/√c + b_ij − γ · w_C/2 · Σ_p |T_i q_p − T_j k_p|²).
    """

    def __init__(self, config: BetaRhoModelConfig) -> None:
        super().__init__()
        channels, pair_channels = config.single_channels, config.pair_channels
        self.num_heads, head_channels = config.ipa_heads, config.ipa_channels
        self.num_query_points, self.num_value_points = config.num_query_points, config.num_value_points
        self.to_qkv = nn.Linear(channels, 3 * self.num_heads * head_channels, bias=False)
        self.to_query_points = nn.Linear(channels, self.num_heads * self.num_query_points * 3)
        self.to_key_points = nn.Linear(channels, self.num_heads * self.num_query_points * 3)
        self.to_value_points = nn.Linear(channels, self.num_heads * self.num_value_points * 3)
        self.bias = nn.Linear(pair_channels, self.num_heads, bias=False)
        self.gamma = nn.Parameter(torch.full((self.num_heads,), math.log(math.e - 1)))  # softplus of it is 1
        width = head_channels + 4 * self.num_value_points + pair_channels
        self.out = zeroed(nn.Linear(self.num_heads * width, channels))

    def forward(
        self,
        single: Float[Tensor, "b n c"],
        pair: Float[Tensor, "b n n d"],
        frames: Frames,
        mask: Float[Tensor, "b n"],
    ) -> Float[Tensor, "b n c"]:
        """The update of the single representation; `frames` in units of TRANSLATION_SCALE."""
        q, k, v = (split_heads(x, self.num_heads) for x in self.to_qkv(single).chunk(3, dim=-1))
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        scores = scores + self.bias(pair).permute(0, 3, 1, 2)
        scores = math.sqrt(1 / 3) * (scores - self._distance_penalty(single, frames)) + key_bias(mask)
        attention = scores.softmax(dim=-1)
        scalars = (attention @ v).transpose(1, 2)
        points = self._attended_points(single, frames, attention)
        pairs = torch.einsum("bhij,bijd->bihd", attention, pair)
        features = [scalars.flatten(2), points.flatten(2), norm(points), pairs.flatten(2)]
        return self.out(torch.cat(features, dim=-1))

    def _distance_penalty(self, single: Float[Tensor, "b n c"], frames: Frames) -> Float[Tensor, "b h n n"]:
        """γ · w_C/2 · Σ_p |T_i q_p − T_j k_p|²."""
        queries = self._global_points(self.to_query_points(single), frames)
        keys = self._global_points(self.to_key_points(single), frames)
        w_c = math.sqrt(2 / (9 * self.num_query_points))
        return F.softplus(self.gamma)[:, None, None] * w_c / 2 * _square_distances(queries, keys)

    def _global_points(self, flat: Float[Tensor, "b n hp3"], frames: Frames) -> Float[Tensor, "b h n p3"]:
        """The points of each head in global coordinates, x y z of all its points on one axis."""
        points = frames.apply(flat.unflatten(-1, (-1, 3)))
        return points.unflatten(2, (self.num_heads, -1)).flatten(3).transpose(1, 2)

    def _attended_points(
        self, single: Float[Tensor, "b n c"], frames: Frames, attention: Float[Tensor, "b h n n"]
    ) -> Float[Tensor, "b n hp 3"]:
        """Weighted mean of the value points, seen from each residue's own frame."""
        mixed = attention @ self._global_points(self.to_value_points(single), frames)
        return frames.inverse_apply(mixed.transpose(1, 2).flatten(2).unflatten(-1, (-1, 3)))


def _square_distances(queries: Float[Tensor, "b h n p3"], keys: Float[Tensor, "b h n p3"]) -> Float[Tensor, "b h n n"]:
    """Σ_p |q_p − k_p|² of every pair as |q|² + |k|² − 2 q·k: a matrix product instead of n × n × p differences.

    Points are taken from their mean first: far from the origin the three terms would cancel badly.
    """
    centre = keys.mean(dim=2, keepdim=True)
    queries, keys = queries - centre, keys - centre
    squares = queries.square().sum(-1).unsqueeze(-1) + keys.square().sum(-1).unsqueeze(-2)
    return squares - 2 * queries @ keys.mT


def norm(points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch"]:
    """Lengths of vectors, with a finite gradient at zero."""
    return (points.square().sum(-1) + 1e-8).sqrt()


class StructureBlock(nn.Module):
    """IPA, a transition, and an update of the frames (Suppl. Alg. 20, lines 6–10, and Alg. 23)."""

    def __init__(self, config: BetaRhoModelConfig) -> None:
        super().__init__()
        channels = config.single_channels
        self.ipa = InvariantPointAttention(config)
        self.norm = nn.LayerNorm(channels)
        self.transition = Transition(channels, factor=2)
        self.update_norm = nn.LayerNorm(channels)
        self.update = zeroed(nn.Linear(channels, 6))

    def forward(
        self,
        single: Float[Tensor, "b n c"],
        pair: Float[Tensor, "b n n d"],
        frames: Frames,
        mask: Float[Tensor, "b n"],
    ) -> tuple[Float[Tensor, "b n c"], Frames]:
        """The single representation and the frames, moved."""
        single = self.norm(single + self.ipa(single, pair, frames, mask))
        single = single + self.transition(single)
        return single, frames.compose_update(self.update(self.update_norm(single)))


class StructureModule(nn.Module):
    """Blocks that move frames from their start to the prediction (Suppl. Alg. 20)."""

    def __init__(self, config: BetaRhoModelConfig) -> None:
        super().__init__()
        channels, pair_channels = config.single_channels, config.pair_channels
        num_blocks = 1 if config.share_ipa_weights else config.num_ipa_blocks
        self.blocks = nn.ModuleList(StructureBlock(config) for _ in range(num_blocks))
        self.num_iterations = config.num_ipa_blocks
        self.stop_rotation_gradient = config.stop_rotation_gradient
        self.single_norm, self.pair_norm = nn.LayerNorm(channels), nn.LayerNorm(pair_channels)
        self.embed = nn.Linear(channels, channels)

    def forward(
        self,
        single: Float[Tensor, "b n c"],
        pair: Float[Tensor, "b n n d"],
        start: Frames,
        mask: Float[Tensor, "b n"],
    ) -> tuple[Float[Tensor, "b n c"], list[Frames]]:
        """The last single representation, and the frames after each iteration, in Å.

        Always in fp32: bf16 holds a coordinate of 100 Å to half an Å.
        """
        with torch.autocast(mask.device.type, enabled=False):
            single, pair = self.embed(self.single_norm(single.float())), self.pair_norm(pair.float())
            frames = scaled(start, 1 / TRANSLATION_SCALE)
            trajectory = []
            for block in self._iterations():
                single, frames = block(single, pair, frames, mask)
                trajectory.append(scaled(frames, TRANSLATION_SCALE))
                frames = frames.stop_rotation_gradient() if self.stop_rotation_gradient else frames
        return single, trajectory

    def _iterations(self) -> Iterator[nn.Module]:
        return (self.blocks[number % len(self.blocks)] for number in range(self.num_iterations))


def scaled(frames: Frames, factor: float) -> Frames:
    """The frames with their translations in another unit."""
    return Frames(frames.rotations, frames.translations * factor)
