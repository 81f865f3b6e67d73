"""Invariant point attention against Algorithm 22 written out line by line."""

import math

import torch
from torch.nn import functional as F

from monosome.rna.frames import Frames
from monosome.rna.ipa import InvariantPointAttention
from monosome.rna.recipe import BetaRhoModelConfig
from tests.unit.rna.test_frames import random_frames

N, C, D, H, HC, QP, VP = 6, 16, 8, 3, 5, 4, 7
CONFIG = BetaRhoModelConfig(
    single_channels=C, pair_channels=D, ipa_heads=H, ipa_channels=HC, num_query_points=QP, num_value_points=VP
)


def _attention() -> InvariantPointAttention:
    torch.manual_seed(0)
    attention = InvariantPointAttention(CONFIG)
    torch.nn.init.normal_(attention.out.weight)
    torch.nn.init.normal_(attention.gamma)
    return attention


def _algorithm_22(a: InvariantPointAttention, single: torch.Tensor, pair: torch.Tensor, frames: Frames) -> torch.Tensor:
    """One chain, one residue, one head at a time, with the points moved by T as the algorithm says."""
    q, k, v = (x.view(N, H, HC) for x in a.to_qkv(single).chunk(3, dim=-1))
    q_points, k_points, v_points = (
        layer(single).view(N, H, -1, 3) for layer in (a.to_query_points, a.to_key_points, a.to_value_points)
    )

    def to_global(i: int, x: torch.Tensor) -> torch.Tensor:
        return frames.rotations[0, i] @ x + frames.translations[0, i]

    def to_local(i: int, x: torch.Tensor) -> torch.Tensor:
        return frames.rotations[0, i].T @ (x - frames.translations[0, i])

    w_l, w_c = math.sqrt(1 / 3), math.sqrt(2 / (9 * QP))
    rows = []
    for i in range(N):
        scalars, points, pairs = [], [], []
        for h in range(H):
            logits = []
            for j in range(N):
                squares = sum(
                    (to_global(i, q_points[i, h, p]) - to_global(j, k_points[j, h, p])).square().sum()
                    for p in range(QP)
                )
                bias = a.bias(pair[i, j])[h]
                penalty = F.softplus(a.gamma[h]) * w_c / 2 * squares
                logits.append(w_l * (q[i, h] @ k[j, h] / math.sqrt(HC) + bias - penalty))
            weights = torch.stack(logits).softmax(0)
            scalars.append(sum(weights[j] * v[j, h] for j in range(N)))
            for p in range(VP):
                mean = sum(weights[j] * to_global(j, v_points[j, h, p]) for j in range(N))
                points.append(to_local(i, mean))
            pairs.append(sum(weights[j] * pair[i, j] for j in range(N)))
        norms = torch.stack([torch.sqrt(point.square().sum() + 1e-8) for point in points])
        rows.append(a.out(torch.cat([*scalars, *points, norms, *pairs])))
    return torch.stack(rows)


def test_agrees_with_algorithm_22_line_by_line() -> None:
    attention, frames = _attention(), random_frames(1, N, seed=3)
    single, pair = torch.randn(1, N, C), torch.randn(1, N, N, D)
    found = attention(single, pair, frames, torch.ones(1, N))
    expected = _algorithm_22(attention, single[0], pair[0], frames)
    assert torch.allclose(found[0], expected, atol=2e-4, rtol=1e-4)


def test_a_rigid_motion_of_all_frames_changes_nothing_even_far_from_the_origin() -> None:
    attention, frames = _attention(), random_frames(2, N, seed=4)
    single, pair, mask = torch.randn(2, N, C), torch.randn(2, N, N, D), torch.ones(2, N)
    motion = random_frames(1, 1, seed=5)
    far = Frames(motion.rotations.expand(2, N, 3, 3), motion.translations.expand(2, N, 3) + 50)
    before, after = attention(single, pair, frames, mask), attention(single, pair, far.compose(frames), mask)
    assert (after - before).norm() / before.norm() < 1e-4


def test_initial_weights_of_points_are_one_and_the_last_layer_is_zero() -> None:
    fresh = InvariantPointAttention(CONFIG)
    assert torch.allclose(F.softplus(fresh.gamma), torch.ones(H))
    assert fresh.out.weight.abs().max() == 0


def test_padding_is_not_attended_to() -> None:
    attention, frames = _attention(), random_frames(1, N, seed=6)
    single, pair = torch.randn(1, N, C), torch.randn(1, N, N, D)
    mask = torch.tensor([[1.0, 1, 1, 1, 0, 0]])
    whole = attention(single, pair, frames, mask)[:, :4]
    part = attention(single[:, :4], pair[:, :4, :4], frames[:, :4], mask[:, :4])
    assert torch.allclose(whole, part, atol=1e-5)
