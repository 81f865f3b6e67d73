"""Frames: rotations stay rotations, and what is undefined stays finite."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monosome.rna.frames import Frames


def random_frames(*shape: int, seed: int = 0) -> Frames:
    points = torch.randn(3, *shape, 3, generator=torch.Generator().manual_seed(seed))
    return Frames.from_points(5 * points[0], points[1], points[2])


def test_from_points_puts_the_points_where_they_belong() -> None:
    origin, on_x, in_xy = torch.randn(3, 10, 3, generator=torch.Generator().manual_seed(1))
    frames = Frames.from_points(origin, on_x, in_xy)
    local = frames.inverse_apply(torch.stack([origin, on_x, in_xy], dim=-2))
    assert local[:, 0].abs().max() < 1e-5
    assert local[:, 1, 1:].abs().max() < 1e-5
    assert (local[:, 1, 0] > 0).all()
    assert local[:, 2, 2].abs().max() < 1e-5
    assert (local[:, 2, 1] > 0).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_rotations_are_proper_and_inverse_undoes_apply(seed: int) -> None:
    frames = random_frames(4, seed=seed)
    eye = frames.rotations @ frames.rotations.mT
    assert (eye - torch.eye(3)).abs().max() < 1e-4
    assert (torch.linalg.det(frames.rotations) > 0.99).all()
    points = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(seed + 1))
    assert (frames.inverse_apply(frames.apply(points)) - points).abs().max() < 1e-3


def test_composition_is_applying_one_after_the_other() -> None:
    outer, inner = random_frames(5, seed=1), random_frames(5, seed=2)
    points = torch.randn(5, 2, 3)
    assert torch.allclose(outer.compose(inner).apply(points), outer.apply(inner.apply(points)), atol=1e-4)


def test_updates_rotate_and_zeros_change_nothing() -> None:
    frames = random_frames(3)
    same = frames.compose_update(torch.zeros(3, 6))
    assert torch.allclose(same.rotations, frames.rotations, atol=1e-6)
    assert torch.allclose(same.translations, frames.translations, atol=1e-6)
    # b = 1, c = d = 0 is a quarter turn about x: y becomes z.
    turned = Frames.identity((1,)).compose_update(torch.tensor([[1.0, 0, 0, 2, 0, 0]]))
    assert torch.allclose(turned.apply(torch.tensor([[[0.0, 1, 0]]])), torch.tensor([[[2.0, 0, 1]]]), atol=1e-6)


def test_points_on_top_of_each_other_give_finite_frames_and_gradients() -> None:
    origin = torch.zeros(2, 3, requires_grad=True)
    frames = Frames.from_points(origin, torch.zeros(2, 3), torch.zeros(2, 3))
    frames.rotations.sum().backward()
    assert frames.rotations.isfinite().all()
    assert origin.grad is not None
    assert origin.grad.isfinite().all()


def test_coordinates_keep_fp32_under_autocast() -> None:
    frames, points = random_frames(4), 100 * torch.randn(4, 3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        moved = frames.apply(points)
    assert torch.equal(moved, frames.apply(points))
