"""Losses: one hand-checkable case each, and the laws they must obey."""

import math

import pytest
import torch

from monosome.rna.frames import Frames
from monosome.rna.losses import (
    distogram_loss,
    expected_plddt,
    fape,
    lddt,
    masked_mean,
    pae_loss,
    pair_loss,
    plddt_loss,
    predicted_tm_score,
    smooth_lddt_loss,
    trace_fape,
    unclamped,
)
from monosome.rna.pair_labels import CANONICAL, CLASSES, NONE, NOT_CANONICAL, UNKNOWN
from monosome.rna.tm_score import tm_d0
from tests.unit.rna.test_frames import random_frames

NO_CLAMP = torch.tensor([math.inf])


def _masks(n: int, m: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.ones(1, n), torch.ones(1, m)


def test_fape_of_the_truth_is_its_floor() -> None:
    frames, points = random_frames(1, 5), torch.randn(1, 8, 3)
    assert float(fape(frames, points, frames, points, _masks(5, 8), NO_CLAMP)) == pytest.approx(1e-3, rel=1e-3)


def test_fape_by_hand() -> None:
    """One frame at the origin, one point 3 Å from where it should be: 0.3 in units of 10 Å; 40 Å is clamped to 1."""
    frames = Frames.identity((1, 1))
    for distance, clamp, expected in ((3.0, 10.0, 0.3), (40.0, 10.0, 1.0), (40.0, math.inf, 4.0)):
        points = torch.tensor([[[distance, 0.0, 0.0]]])
        found = fape(frames, points, frames, torch.zeros(1, 1, 3), _masks(1, 1), torch.tensor([clamp]))
        assert float(found) == pytest.approx(expected, abs=1e-4)


def test_fape_tells_mirror_images_apart_and_distances_do_not() -> None:
    points = torch.randn(1, 6, 3, generator=torch.Generator().manual_seed(0))
    mirrored = points * torch.tensor([1.0, 1.0, -1.0])
    frames = Frames.from_points(points[:, :4], points[:, 1:5], points[:, 2:6])
    turned = Frames.from_points(mirrored[:, :4], mirrored[:, 1:5], mirrored[:, 2:6])
    assert float(fape(turned, mirrored, frames, points, _masks(4, 6), NO_CLAMP)) > 0.02
    assert torch.allclose(lddt(mirrored, points, torch.ones(1, 6)), torch.ones(1, 6))


def test_fape_of_the_trace_sees_bends_and_mirror_images_but_no_motion() -> None:
    true = torch.randn(1, 9, 3, generator=torch.Generator().manual_seed(0)).cumsum(1) * 4
    mask = torch.ones(1, 9)
    turned = true @ torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2)))[0].mT
    turned = turned if torch.linalg.det(torch.linalg.lstsq(true[0], turned[0]).solution) > 0 else -turned
    floor = pytest.approx(1e-3, rel=0.05)
    assert float(trace_fape(turned + 30, true, mask, NO_CLAMP)) == floor
    assert float(trace_fape(-true, true, mask, NO_CLAMP)) > 0.02
    bent = torch.cat([true[:, :5], true[:, 5:] + 3], dim=1)
    assert float(trace_fape(bent, true, mask, NO_CLAMP)) > 0.05
    far = bent.clone()
    far[:, 7] += 500
    unknown = mask.clone()
    unknown[:, 7] = 0
    assert torch.equal(trace_fape(far, true, unknown, NO_CLAMP), trace_fape(bent, true, unknown, NO_CLAMP))


def test_distogram_is_the_cross_entropy_of_the_right_bin() -> None:
    """Two residues 10 Å apart: edges every 0.3125 Å from 2.3125 put 10 Å into bin 25."""
    true = torch.tensor([[[[0.0, 0, 0]], [[10.0, 0, 0]]]])
    logits = torch.zeros(1, 2, 2, 1, 64)
    assert float(distogram_loss(logits, true, torch.ones(1, 2, 1))) == pytest.approx(math.log(64))
    logits[..., 25] = 20.0
    assert float(distogram_loss(logits, true, torch.ones(1, 2, 1))) < 1e-6


def test_pair_loss_by_hand() -> None:
    """Four residues: a canonical pair, one that is not canonical, one without a pair, the others unknown."""
    labels = torch.full((1, 4, 4), UNKNOWN)
    for (i, j), label in {(0, 1): CANONICAL, (0, 2): NOT_CANONICAL, (1, 2): NONE}.items():
        labels[0, i, j] = labels[0, j, i] = label
    uniform = torch.zeros(1, 4, 4, len(CLASSES))
    expected = (math.log(20) - math.log(19 / 20) + math.log(20)) / 3  # three residues have a known pair
    assert float(pair_loss(uniform, labels)) == pytest.approx(expected, rel=1e-5)
    right = torch.full((1, 4, 4, len(CLASSES)), -30.0)
    right[..., NONE] = 0.0
    right[0, 0, 1, CANONICAL] = right[0, 1, 0, CANONICAL] = 30.0
    assert float(pair_loss(right, labels)) < 1e-6
    assert float(pair_loss(uniform, torch.full_like(labels, UNKNOWN))) == 0


def test_aligned_errors_by_hand() -> None:
    """Moved by 3.2 Å along x, frame 0 sees residue 1 in bin 6, and itself in bin 0; the truth expects TM-score 1."""
    true = Frames(torch.eye(3).expand(1, 2, 3, 3), torch.tensor([[[0.0, 0, 0], [6.0, 0, 0]]]))
    moved = Frames(true.rotations, torch.tensor([[[0.0, 0, 0], [9.2, 0, 0]]]))
    logits = torch.zeros(1, 2, 2, 64)
    logits[0, [0, 1], [0, 1], 0] = logits[0, [0, 1], [1, 0], 6] = 60.0
    masks = (torch.ones(1, 2), torch.ones(1, 2))
    assert float(pae_loss(logits, moved, true, masks)) < 1e-6
    assert float(pae_loss(torch.zeros_like(logits), moved, true, masks)) == pytest.approx(math.log(64))
    sure = torch.zeros(50, 50, 64)
    sure[..., 0] = 60.0
    assert float(predicted_tm_score(sure)) == pytest.approx(1 / (1 + (0.25 / tm_d0(50)) ** 2))
    assert float(predicted_tm_score(-sure)) < 0.2


def test_lddt_by_hand() -> None:
    """Three atoms in a line, 5 Å apart, the last moved by 3 Å: its distances are kept within 4 Å only, 1 of 4."""
    true = torch.tensor([[[0.0, 0, 0], [5.0, 0, 0], [10.0, 0, 0]]])
    moved = true.clone()
    moved[0, 2, 0] += 3
    assert torch.allclose(lddt(true, true, torch.ones(1, 3)), torch.ones(1, 3))
    assert torch.allclose(lddt(moved, true, torch.ones(1, 3)), torch.tensor([[0.625, 0.625, 0.25]]))
    far = torch.tensor([[[0.0, 0, 0], [100.0, 0, 0]]])
    assert lddt(far, far, torch.ones(1, 2)).sum() == 0, "no neighbour within 15 Å"


def test_plddt_passes_no_gradient_to_coordinates_and_expects_the_middle_of_its_bins() -> None:
    logits = torch.zeros(1, 4, 50, requires_grad=True)
    points = torch.randn(1, 4, 3, requires_grad=True)
    plddt_loss(logits, points, torch.randn(1, 4, 3), torch.ones(1, 4)).sum().backward()
    assert logits.grad is not None
    assert points.grad is None
    certain = torch.full((1, 1, 50), -1e4)
    certain[..., 49] = 0
    assert float(expected_plddt(certain)) == pytest.approx(99.0)
    assert float(expected_plddt(torch.zeros(1, 1, 50))) == pytest.approx(50.0)


def test_a_chain_with_nothing_known_adds_zero() -> None:
    assert masked_mean(torch.ones(2, 3), torch.tensor([[0.0, 0, 0], [1, 1, 0]])).tolist() == [0, 1]


def test_the_unclamped_share_is_met() -> None:
    draws = torch.randint(2**32, (10_000,), generator=torch.Generator().manual_seed(0))
    assert unclamped(draws, 0.3).isinf().float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert unclamped(draws, 0.0).isinf().sum() == 0
    assert unclamped(draws, 1.0).isinf().all()


def test_smooth_lddt_by_hand() -> None:
    """Two residues of one point, 10 Å apart, predicted 11 Å apart: the change is 1 Å; beyond 30 Å nothing counts."""
    true = torch.tensor([[[[0.0, 0, 0]], [[10.0, 0, 0]], [[90.0, 0, 0]]]])
    predicted = torch.tensor([[[[0.0, 0, 0]], [[11.0, 0, 0]], [[0.0, 0, 0]]]])
    kept = torch.tensor([0.5, 1.0, 2.0, 4.0]).sub(1.0).sigmoid().mean()
    assert smooth_lddt_loss(predicted, true, torch.ones(1, 3, 1)).item() == pytest.approx(1 - kept.item())
    assert smooth_lddt_loss(predicted, true, torch.tensor([[[1.0], [0.0], [1.0]]])).item() == 0


def test_smooth_lddt_sees_no_motion_and_no_distance_within_a_residue() -> None:
    points = torch.randn(1, 6, 4, 3, generator=torch.Generator().manual_seed(0)) * 6
    turned = points.clone()
    turned[..., 0] = -turned[..., 0]
    mask = torch.ones(1, 6, 4)
    assert smooth_lddt_loss(turned + 50, points, mask).item() == pytest.approx(
        smooth_lddt_loss(points, points, mask).item(), abs=1e-5
    )
    alone = torch.zeros(1, 6, 4)
    alone[:, 2] = 1
    assert smooth_lddt_loss(points, points, alone).item() == 0
