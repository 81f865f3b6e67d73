"""Invariant point attention and the structure module that moves the frames with it."""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from monosome.rna.frames import Frames
from monosome.rna.point_attention import Pair, PairFactors, Projections, attend
from monosome.rna.recipe import BetaRhoModelConfig
from monosome.rna.trunk import Transition, split_heads, zeroed

TRANSLATION_SCALE = 10.0
"""Å per unit of length inside the module (Jumper et al. 2021, Suppl. Alg. 20 and 1.8.2)."""


class InvariantPointAttention(nn.Module):
    """Attention that also sees where points of each residue lie in space; rigid motions of all frames change nothing.

    Jumper et al. 2021, Suppl. Alg. 22. `attend` may be set to point_attention.attend_plainly, the reference.
    """

    attend = staticmethod(attend)

    def __init__(self, config: BetaRhoModelConfig) -> None:
        super().__init__()
        channels, pair_channels = config.single_channels, config.pair_channels
        self.num_heads, head_channels = config.ipa_heads, config.ipa_channels
        num_query_points, num_value_points = config.num_query_points, config.num_value_points
        self.to_qkv = nn.Linear(channels, 3 * self.num_heads * head_channels, bias=False)
        self.to_query_points = nn.Linear(channels, self.num_heads * num_query_points * 3)
        self.to_key_points = nn.Linear(channels, self.num_heads * num_query_points * 3)
        self.to_value_points = nn.Linear(channels, self.num_heads * num_value_points * 3)
        self.bias = nn.Linear(pair_channels, self.num_heads, bias=False)
        self.gamma = nn.Parameter(torch.full((self.num_heads,), math.log(math.e - 1)))  # softplus of it is 1
        width = head_channels + 4 * num_value_points + pair_channels
        self.out = zeroed(nn.Linear(self.num_heads * width, channels))

    def forward(
        self, single: Float[Tensor, "b n c"], pair: Pair, frames: Frames, mask: Float[Tensor, "b n"]
    ) -> Float[Tensor, "b n c"]:
        """The update of the single representation; `frames` in units of TRANSLATION_SCALE."""
        frames = centred(frames, mask)
        channels = (split_heads(x, self.num_heads) for x in self.to_qkv(single).chunk(3, dim=-1))
        layers = (self.to_query_points, self.to_key_points, self.to_value_points)
        given = Projections(*channels, *(self._points(layer(single), frames) for layer in layers))
        scalars, points, pairs = self.attend(given, pair, self.bias.weight, F.softplus(self.gamma), mask)
        points = frames.inverse_apply(points.transpose(1, 2).flatten(2).unflatten(-1, (-1, 3)))
        features = [scalars.transpose(1, 2).flatten(2), points.flatten(2), norm(points), pairs.flatten(2)]
        return self.out(torch.cat(features, dim=-1))

    def _points(self, flat: Float[Tensor, "b n hp3"], frames: Frames) -> Float[Tensor, "b h n p3"]:
        """The points of each head in global coordinates, x y z of all its points on one axis."""
        return split_heads(frames.apply(flat.unflatten(-1, (-1, 3))).flatten(2), self.num_heads)


def centred(frames: Frames, mask: Float[Tensor, "b n"]) -> Frames:
    """The frames around the mean of their places, which changes no attention and passes no gradient for that reason.

    Squares of distances as products cancel where points are far out. Logits in fp32 against fp64: the means of values
    are off by 2e-6 in a compact chain of 1,000 nucleotides; by 2e-5 in a straight helix of 300, 7e-4 in one of 1,600.
    """
    weights = mask.unsqueeze(-1) / mask.sum(-1)[:, None, None]
    centre = (weights * frames.translations.detach()).sum(1, keepdim=True)
    return Frames(frames.rotations, frames.translations - centre)


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
        self, single: Float[Tensor, "b n c"], pair: Pair, frames: Frames, mask: Float[Tensor, "b n"]
    ) -> tuple[Float[Tensor, "b n c"], Frames]:
        """The single representation and the frames, moved."""
        single = self.norm(single + self.ipa(single, pair, frames, mask))
        single = single + self.transition(single)
        return single, frames.compose_update(self.update(self.update_norm(single)))


class Factorisation(nn.Module):
    """Factors of a pair representation, from what a residue's row and column hold on the mean, and from the residue."""

    def __init__(self, channels: int, pair_channels: int, rank: int) -> None:
        super().__init__()
        self.rank = rank
        self.to_left, self.to_right = (nn.Linear(channels + pair_channels, rank * pair_channels) for _ in range(2))

    def forward(
        self, single: Float[Tensor, "b n c"], pair: Float[Tensor, "b n n d"], mask: Float[Tensor, "b n"]
    ) -> PairFactors:
        """Two factors of `rank` terms."""
        weights = mask / mask.sum(-1, keepdim=True)
        rows, columns = torch.einsum("bijd,bj->bid", pair, weights), torch.einsum("bijd,bi->bjd", pair, weights)
        left, right = (
            layer(torch.cat([single, means], dim=-1)).unflatten(-1, (self.rank, -1))
            for layer, means in ((self.to_left, rows), (self.to_right, columns))
        )
        return PairFactors(left, right)


class StructureModule(nn.Module):
    """Blocks that move frames from their start to the prediction (Suppl. Alg. 20).

    With `pair_rank` the blocks see the pairs as factors of that rank, and their memory grows with n instead of n².
    """

    def __init__(self, config: BetaRhoModelConfig, pair_rank: int = 0) -> None:
        super().__init__()
        channels, pair_channels = config.single_channels, config.pair_channels
        num_blocks = 1 if config.share_ipa_weights else config.num_ipa_blocks
        self.blocks = nn.ModuleList(StructureBlock(config) for _ in range(num_blocks))
        self.num_iterations = config.num_ipa_blocks
        self.stop_rotation_gradient = config.stop_rotation_gradient
        self.single_norm, self.pair_norm = nn.LayerNorm(channels), nn.LayerNorm(pair_channels)
        self.embed = nn.Linear(channels, channels)
        self.factorise = Factorisation(channels, pair_channels, pair_rank) if pair_rank else None

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
            pair = self.factorise(single, pair, mask) if self.factorise else pair
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
