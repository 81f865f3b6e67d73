import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from monosome.protein import objectives
from monosome.protein.objectives import distillation_sums, hard_and_soft, predicted, score_tokens
from monosome.protein.student import States

VOCABULARY = 31


def logits(seed: int, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(6, VOCABULARY, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def states(seed: int, width: int = 8, rows: int = 2, tokens: int = 20) -> States:
    generator = torch.Generator().manual_seed(seed)
    head = nn.Linear(width, VOCABULARY, bias=False)
    with torch.no_grad():
        head.weight.copy_(torch.randn(VOCABULARY, width, generator=generator))
    hidden = torch.randn(rows * (tokens - 1), width, generator=generator, requires_grad=True)
    return States(hidden, head)


def batch() -> tuple[Tensor, Tensor]:
    tokens = torch.randint(0, VOCABULARY, (2, 20), generator=torch.Generator().manual_seed(3))
    segments = torch.tensor([[1] * 7 + [2] * 13, [1] * 15 + [0] * 5])
    return tokens, segments


@settings(deadline=None, max_examples=50)
@given(st.floats(0.25, 20), st.integers(0, 50))
def test_soft_is_the_divergence_of_softened_distributions(temperature: float, seed: int):
    student, teacher, targets = logits(seed), logits(seed + 1), torch.arange(6)
    hard, soft = hard_and_soft(student, teacher, targets, temperature)
    p, q = (torch.softmax(z / temperature, -1) for z in (teacher, student))
    assert soft is not None
    torch.testing.assert_close(soft, (p * (p / q).log()).sum(-1), rtol=1e-9, atol=1e-11)
    reference = functional.kl_div(q.log(), p, reduction="none").sum(-1)
    torch.testing.assert_close(soft, reference, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(hard, -torch.log_softmax(student, -1)[torch.arange(6), targets])
    assert (soft >= -1e-12).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 10.0])
def test_a_perfect_student_has_nothing_left_to_learn(temperature: float):
    student = logits(0).requires_grad_()
    _, soft = hard_and_soft(student, logits(0), torch.arange(6), temperature)
    assert soft is not None
    assert soft.abs().max() == 0
    soft.sum().backward()
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-15


def test_soft_gradient_nears_half_the_squared_distance_when_hot():
    """T² · KL → |z_S − z_T|² / 2v for centred logits as T grows (Hinton et al., section 2.1)."""
    student, teacher = (z - z.mean(-1, keepdim=True) for z in (logits(0, 1.0), logits(1, 1.0)))
    temperature = 1e3
    _, soft = hard_and_soft(student, teacher, torch.arange(6), temperature)
    assert soft is not None
    torch.testing.assert_close(
        temperature**2 * soft, (student - teacher).square().sum(-1) / (2 * VOCABULARY), rtol=1e-2, atol=1e-6
    )


def test_certain_distributions_stay_finite():
    student, teacher = torch.full((1, 4), -1e4), torch.full((1, 4), -1e4)
    student[0, 0], teacher[0, 1] = 1e4, 1e4
    student.requires_grad_()
    hard, soft = hard_and_soft(student, teacher, torch.tensor([1]), 1.0)
    assert soft is not None
    (hard + soft).sum().backward()
    assert torch.isfinite(soft).all()
    assert torch.isfinite(student.grad).all()


def test_positions_are_shifted_by_one_within_each_protein():
    _, segments = batch()
    mask = predicted(segments)
    assert mask.shape == (2, 19)
    assert mask.sum() == (7 - 1) + (13 - 1) + (15 - 1)
    assert not mask[0, 6], "the first token of the second protein follows the last of the first"


@pytest.mark.parametrize("pieces", [1, 3, 40])
def test_pieces_of_any_size_give_one_loss_and_gradient(pieces: int, monkeypatch: pytest.MonkeyPatch):
    tokens, segments = batch()
    student, teacher = states(0), states(1, width=5)
    monkeypatch.setattr(objectives, "CPU_ELEMENTS", VOCABULARY * -(-38 // pieces))
    sums, count = distillation_sums(student, teacher, tokens, segments, 2.0)
    (sums["hard"] + 3 * sums["soft"]).backward()

    mask = predicted(segments).flatten()
    plain = states(0)
    hard, soft = hard_and_soft(
        plain.logits(slice(None)), teacher.logits(slice(None)).detach(), tokens[:, 1:].flatten(), 2.0
    )
    assert soft is not None
    (hard[mask].sum() + 3 * soft[mask].sum()).backward()
    assert count == mask.sum()
    torch.testing.assert_close(sums["hard"], hard[mask].sum())
    torch.testing.assert_close(sums["soft"], soft[mask].sum())
    torch.testing.assert_close(student.hidden.grad, plain.hidden.grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(student.head.weight.grad, plain.head.weight.grad, rtol=1e-4, atol=1e-5)


def test_without_a_teacher_only_the_hard_term_is_there():
    tokens, segments = batch()
    sums, _ = distillation_sums(states(0), None, tokens, segments, 2.0)
    assert set(sums) == {"hard"}


def test_scores_agree_with_the_loss():
    tokens, segments = batch()
    student, teacher = states(0), states(1, width=5)
    scores = score_tokens(student, teacher, tokens)
    sums, _ = distillation_sums(student, teacher, tokens, segments, 1.0)
    mask = predicted(segments).flatten()
    assert scores.kl is not None
    torch.testing.assert_close(scores.nll[mask].sum(), sums["hard"].detach())
    torch.testing.assert_close(scores.kl[mask].sum(), sums["soft"].detach())
    same = score_tokens(student, student, tokens)
    assert same.agrees is not None
    assert same.agrees.all()
    torch.testing.assert_close(same.row(1, 2).nll, scores.nll.view(2, -1)[1])
