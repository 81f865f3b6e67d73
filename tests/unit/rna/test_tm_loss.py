import numpy as np
import pytest
import torch

from monosome.rna.geometry import hairpin
from monosome.rna.tm_loss import soft_tm_score
from monosome.rna.tm_score import tm_d0, tm_score

LENGTHS = (12, 24, 40, 80)


def chains(seed: int, noise: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random chains of several lengths, noisy copies, and which residues are known."""
    draw = np.random.default_rng(seed)
    native = np.zeros((len(LENGTHS), max(LENGTHS), 3))
    mask = np.zeros(native.shape[:2])
    for row, length in enumerate(LENGTHS):
        native[row, :length] = draw.normal(size=(length, 3)).cumsum(axis=0) * 4
        mask[row, :length] = 1
    predicted = native + draw.normal(size=native.shape) * noise
    turn, _ = np.linalg.qr(draw.normal(size=(3, 3)))
    predicted = predicted @ (turn * np.linalg.det(turn)).T + 30
    return tuple(torch.from_numpy(values).float() for values in (predicted, native, mask))


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0, 8.0])
def test_it_is_nearly_the_score_of_the_whole_search(noise: float):
    predicted, native, mask = chains(0, noise)
    found = soft_tm_score(predicted, native, mask)
    for row, length in enumerate(LENGTHS):
        exact = tm_score(predicted[row, :length].numpy(), native[row, :length].numpy(), length).score
        assert found[row].item() >= (0.97 if length == 80 else 0.8) * exact - 1e-4


def test_a_half_that_fits_is_found():
    native = torch.from_numpy(hairpin("GGCACGUAGCUAGAAAUAGCUACGUGCC", 12).atom("C1'")).float()
    model = native.clone()
    model[14:] = model[14:] @ torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]).T + 40
    assert soft_tm_score(model[None], native[None], torch.ones(1, 28)).item() > 0.49


def test_moving_the_prediction_changes_nothing():
    predicted, native, mask = chains(1, 2.0)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))[0]
    turn = turn * torch.linalg.det(turn)
    moved = predicted @ turn.T + 100
    assert torch.allclose(soft_tm_score(moved, native, mask), soft_tm_score(predicted, native, mask), atol=1e-3)


def test_padding_changes_nothing_and_gets_no_gradient():
    predicted, native, mask = chains(2, 2.0)
    predicted.requires_grad_()
    score = soft_tm_score(predicted, native, mask)
    score.sum().backward()
    assert predicted.grad is not None
    assert not predicted.grad[mask == 0].any()
    alone = soft_tm_score(predicted[1:2, :24].detach(), native[1:2, :24], mask[1:2, :24])
    assert alone.item() == pytest.approx(score[1].item(), abs=1e-5)


def test_the_gradient_is_that_of_the_score_itself():
    """The superposition is held fixed in the gradient, and moves with the points in finite differences."""
    predicted, native, mask = (part[3:] for part in chains(3, 1.5))  # 80 residues: a smooth score
    predicted.requires_grad_()
    soft_tm_score(predicted, native, mask).sum().backward()
    assert predicted.grad is not None
    direction = predicted.grad / predicted.grad.norm() + 0.01 * torch.ones_like(predicted) * mask.unsqueeze(-1)
    step = 0.05
    with torch.no_grad():
        ahead, behind = (soft_tm_score(predicted + sign * step * direction, native, mask).sum() for sign in (1, -1))
    slope = (predicted.grad * direction).sum()
    assert ((ahead - behind) / (2 * step)).item() == pytest.approx(slope.item(), rel=0.05)


def test_following_the_gradient_raises_the_score():
    predicted, native, mask = chains(4, 3.0)
    before = soft_tm_score(predicted, native, mask)
    for _ in range(200):
        predicted = predicted.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(soft_tm_score(predicted, native, mask).sum(), predicted)
        predicted = predicted + 2.0 * gradient
    assert (soft_tm_score(predicted, native, mask) > before + 0.05).all()


def test_fewer_than_three_residues_score_nothing():
    predicted, native, mask = chains(5, 1.0)
    assert soft_tm_score(predicted, native, mask * (torch.arange(80) < 2)).tolist() == [0.0] * 4


def test_d0_of_each_length_is_that_of_the_score():
    native = torch.zeros(3, 300, 3)
    native[..., 0] = torch.arange(300) * 5.0
    native[..., 1] = (torch.arange(300) % 7).float()
    model = native.clone()
    model[:, 0, 2] += 4.0
    for row, length in enumerate((11, 29, 300)):
        mask = (torch.arange(300) < length).float()
        expected = (length - 1 + 1 / (1 + (4 / tm_d0(length)) ** 2)) / length
        assert soft_tm_score(model[row : row + 1], native[:1], mask[None]).item() == pytest.approx(expected, abs=0.02)
