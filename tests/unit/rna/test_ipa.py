"""Invariant point attention against Algorithm 22 written out line by line, and what rigid motions do to it."""

import math
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from monosome.rna.frames import Frames
from monosome.rna.ipa import InvariantPointAttention, StructureModule
from monosome.rna.point_attention import attend, attend_plainly
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


def _moved_block(pair_rank: int = 0) -> StructureModule:
    """A structure module whose last layers are not zero: it moves frames by an Å and some degrees."""
    torch.manual_seed(1)
    module = StructureModule(CONFIG, pair_rank)
    for block in module.blocks:
        torch.nn.init.normal_(block.ipa.out.weight, std=0.1)
        torch.nn.init.normal_(block.update.weight, std=0.05)
    return module


@pytest.mark.parametrize("path", [attend, attend_plainly])
def test_agrees_with_algorithm_22_line_by_line(path: Any) -> None:
    attention, frames = _attention(), random_frames(1, N, seed=3)
    attention.attend = path
    single, pair = torch.randn(1, N, C), torch.randn(1, N, N, D)
    found = attention(single, pair, frames, torch.ones(1, N))
    expected = _algorithm_22(attention, single[0], pair[0], frames)
    assert torch.allclose(found[0], expected, atol=2e-4, rtol=1e-4)


def test_fast_and_plain_path_agree_in_all_gradients() -> None:
    attention, frames, mask = _attention(), random_frames(2, 20, seed=8), torch.ones(2, 20)
    mask[1, 15:] = 0
    inputs = [torch.randn(2, 20, C), torch.randn(2, 20, 20, D), frames.rotations, frames.translations + 50]
    leaves = [*(x.requires_grad_() for x in inputs), *attention.parameters()]
    found = []
    for path in (attend, attend_plainly):
        attention.attend = path
        out = attention(inputs[0], inputs[1], Frames(*inputs[2:]), mask)
        found.append([out, *torch.autograd.grad((out.sin() * mask.unsqueeze(-1)).sum(), leaves)])
    assert all((fast - plain).norm() <= 1e-4 * plain.norm() for fast, plain in zip(*found, strict=True))


@pytest.mark.parametrize("pair_rank", [0, 2])
def test_a_rigid_motion_of_the_start_moves_the_prediction_and_nothing_else(pair_rank: int) -> None:
    module, single, pair = _moved_block(pair_rank), torch.randn(2, 30, C), torch.randn(2, 30, 30, D)
    start, motion, mask = _exact_frames(2, 30), _exact_frames(1, 1), torch.ones(2, 30)
    mask[1, 20:] = 0
    turn, shift = motion.rotations.double(), 100.0
    there = Frames((turn @ start.rotations.double()).float(), _moved(start.translations, turn, shift))
    (before, here), (after, moved) = (module(single, pair, each, mask) for each in (start, there))
    error = (moved[-1].translations - _moved(here[-1].translations, turn, shift)).norm()
    assert (here[-1].translations - start.translations).norm(dim=-1).mean() > 0.5
    assert (after - before).norm() / before.norm() < 1e-5
    assert error / here[-1].translations.norm() < 1e-5
    assert (moved[-1].rotations - (turn @ here[-1].rotations.double())).norm() / moved[-1].rotations.norm() < 1e-5


def _exact_frames(*shape: int) -> Frames:
    """Frames within some 10 Å whose axes are of unit length to all digits of fp32."""
    rotations, _ = torch.linalg.qr(torch.randn(*shape, 3, 3, dtype=torch.float64))
    return Frames((rotations * torch.linalg.det(rotations)[..., None, None]).float(), 10 * torch.randn(*shape, 3))


def _moved(points: torch.Tensor, turn: torch.Tensor, shift: float) -> torch.Tensor:
    return (points.double() @ turn[0, 0].mT + shift).float()


def test_coordinates_keep_fp32_under_autocast() -> None:
    module, start, mask = _moved_block(), _exact_frames(1, N), torch.ones(1, N)
    single, pair = torch.randn(1, N, C), torch.randn(1, N, N, D)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, under_autocast = module(single, pair, start, mask)
    assert torch.equal(under_autocast[-1].translations, module(single, pair, start, mask)[1][-1].translations)


def test_initial_weights_of_points_are_one_and_the_last_layer_is_zero() -> None:
    fresh = InvariantPointAttention(CONFIG)
    assert torch.allclose(F.softplus(fresh.gamma), torch.ones(H))
    assert fresh.out.weight.abs().max() == 0


@pytest.mark.parametrize("pair_rank", [0, 2])
def test_padding_changes_nothing(pair_rank: int) -> None:
    module, start = _moved_block(pair_rank), _exact_frames(1, N)
    single, pair = torch.randn(1, N, C), torch.randn(1, N, N, D)
    mask = torch.tensor([[1.0, 1, 1, 1, 0, 0]])
    whole, places = module(single, pair, start, mask)
    part, part_places = module(single[:, :4], pair[:, :4, :4], start[:, :4], mask[:, :4])
    assert torch.allclose(whole[:, :4], part, atol=1e-5)
    assert torch.allclose(places[-1].translations[:, :4], part_places[-1].translations, atol=1e-4)
