import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from monosome.protein import fused
from monosome.protein.divergences import entropy, softened
from monosome.protein.objectives import (
    distillation_sums,
    divergence,
    hard_and_soft,
    predicted,
    target,
    uncertainty_weights,
)
from monosome.protein.recipe import DistillationLossConfig
from monosome.protein.scoring import of_row, token_figures
from monosome.protein.student import States, run_packed

VOCABULARY = 31
DIVERGENCES = DistillationLossConfig.model_fields["divergence"].annotation.__args__
REGULARISERS = ("off", "published", "corrected")


def recipe(**settings: object) -> DistillationLossConfig:
    return DistillationLossConfig.model_validate({"teacher": "TEACHER", **settings})


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


def soft_of(student: Tensor, teacher: Tensor, loss: DistillationLossConfig) -> Tensor:
    soft = hard_and_soft(student, teacher, torch.arange(6), loss)[1]
    assert soft is not None
    return soft


@settings(deadline=None, max_examples=50)
@given(st.floats(0.25, 20), st.integers(0, 50))
def test_soft_is_the_divergence_of_softened_distributions(temperature: float, seed: int):
    student, teacher, targets = logits(seed), logits(seed + 1), torch.arange(6)
    hard, soft = hard_and_soft(student, teacher, targets, recipe(temperature=temperature))
    p, q = (torch.softmax(z / temperature, -1) for z in (teacher, student))
    assert soft is not None
    torch.testing.assert_close(soft, (p * (p / q).log()).sum(-1), rtol=1e-9, atol=1e-11)
    reference = functional.kl_div(q.log(), p, reduction="none").sum(-1)
    torch.testing.assert_close(soft, reference, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(hard, -torch.log_softmax(student, -1)[torch.arange(6), targets])
    assert (soft >= -1e-12).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 10.0])
@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_perfect_student_has_nothing_left_to_learn(name: str, temperature: float):
    student = logits(0).requires_grad_()
    soft = soft_of(student, logits(0), recipe(divergence=name, temperature=temperature))
    assert soft.abs().max() < 1e-14
    soft.sum().backward()
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-14


@pytest.mark.parametrize("name", DIVERGENCES)
def test_the_weight_makes_up_for_the_temperature(name: str):
    """At high temperatures the weighted divergence is as good as independent of T (Hinton et al., section 2.1)."""
    student, teacher = (z - z.mean(-1, keepdim=True) for z in (logits(0, 1.0), logits(1, 1.0)))

    def weighted(temperature: float) -> Tensor:
        loss = recipe(divergence=name, temperature=temperature, alpha=0.0)
        return loss.weights()["soft"] * soft_of(student, teacher, loss)

    torch.testing.assert_close(weighted(1e3), weighted(4e3), rtol=1e-2, atol=1e-6)
    if name == "forward_kl":
        half_square = (student - teacher).square().sum(-1) / (2 * VOCABULARY)
        torch.testing.assert_close(weighted(1e3), half_square, rtol=1e-2, atol=1e-6)


def test_each_parameter_belongs_to_its_divergence():
    student, teacher = logits(0), logits(1)
    for name, setting in {
        "jensen_shannon": "beta",
        "skewed_kl": "skew",
        "skewed_reverse_kl": "skew",
        "adaptive_kl": "head",
    }.items():
        values = [soft_of(student, teacher, recipe(divergence=name, **{setting: value})) for value in (0.2, 0.8)]
        assert not torch.allclose(*values), name
    assert len({float(soft_of(student, teacher, recipe(divergence=name)).sum()) for name in DIVERGENCES}) == 7


def test_smoothing_is_of_the_softened_teacher_as_published_and_of_the_teacher_itself_as_corrected():
    teacher = logits(1)
    published, corrected = (
        target(teacher, recipe(calibration_smoothing=how, temperature=4)) for how in REGULARISERS[1:]
    )
    softer, sharp = (torch.softmax(teacher / temperature, -1) for temperature in (4, 1))

    def smooth(p: Tensor) -> Tensor:
        epsilon = 0.1 * (1 - p.amax(-1, keepdim=True))
        return (1 - epsilon) * p + epsilon / VOCABULARY

    torch.testing.assert_close(published.exp(), smooth(softer))
    root = smooth(sharp) ** 0.25
    torch.testing.assert_close(corrected.exp(), root / root.sum(-1, keepdim=True))
    once = [target(teacher, recipe(calibration_smoothing=how, temperature=1)) for how in REGULARISERS[1:]]
    torch.testing.assert_close(*once)


def test_uncertainty_weighs_each_protein_from_a_half_to_one():
    _, segments = batch()
    mask = predicted(segments).flatten()
    entropies = torch.rand(38, generator=torch.Generator().manual_seed(0))
    published = uncertainty_weights(entropies, segments, renormalised=False)
    corrected = uncertainty_weights(entropies, segments, renormalised=True)
    assert published[~mask].eq(0).all()
    assert corrected[~mask].eq(0).all()
    for row, start, end in ((0, 0, 6), (0, 7, 19), (1, 0, 14)):
        u, w, c = (values[19 * row + start : 19 * row + end] for values in (entropies, published, corrected))
        torch.testing.assert_close(w, 0.5 + 0.5 * (u - u.min()) / (u.max() - u.min()))
        torch.testing.assert_close(c, w / w.mean())
    even = torch.ones(38)
    assert uncertainty_weights(even, segments, renormalised=False)[mask].eq(0.5).all()
    assert uncertainty_weights(even, segments, renormalised=True)[mask].eq(1).all()


def test_certain_distributions_stay_finite():
    student, teacher = torch.full((1, 4), -1e4), torch.full((1, 4), -1e4)
    student[0, 0], teacher[0, 1] = 1e4, 1e4
    student.requires_grad_()
    hard, soft = hard_and_soft(student, teacher, torch.tensor([1]), recipe(temperature=1.0))
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


def dense(student: States, teacher: States, loss: DistillationLossConfig) -> tuple[Tensor, Tensor]:
    """Both sums from all logits at once, by PyTorch's own differentiation."""
    tokens, segments = batch()
    mask = predicted(segments).flatten()
    ours, theirs = student.head(student.hidden), teacher.head(teacher.hidden).detach()
    hard = functional.cross_entropy(ours, tokens[:, 1:].flatten(), reduction="none")
    soft = divergence(loss)(target(theirs, loss), softened(ours, loss.temperature))
    weights = mask.float()
    if loss.uncertainty_weighting != "off":
        corrected = loss.uncertainty_weighting == "corrected"
        weights = uncertainty_weights(entropy(softened(theirs, 1.0)), segments, renormalised=corrected)
    return hard[mask].sum(), (weights * soft).sum()


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("uncertainty", REGULARISERS)
@pytest.mark.parametrize("smoothing", REGULARISERS)
@pytest.mark.parametrize("pieces", [1, 7])
def test_pieces_of_any_size_give_the_dense_loss_and_gradient(
    name: str, uncertainty: str, smoothing: str, pieces: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fused, "CPU_ELEMENTS", VOCABULARY * -(-38 // pieces))
    loss = recipe(divergence=name, uncertainty_weighting=uncertainty, calibration_smoothing=smoothing, alpha=0.3)
    weights = loss.weights()
    student, plain, teacher = states(0), states(0), states(1, width=5)
    sums, count = distillation_sums(student, teacher, *batch(), loss)
    (weights["hard"] * sums["hard"] + weights["soft"] * sums["soft"]).backward()
    hard, soft = dense(plain, teacher, loss)
    (weights["hard"] * hard + weights["soft"] * soft).backward()
    assert count == predicted(batch()[1]).sum()
    close = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(sums["hard"], hard, **close)
    torch.testing.assert_close(sums["soft"], soft, **close)
    torch.testing.assert_close(student.hidden.grad, plain.hidden.grad, **close)
    torch.testing.assert_close(student.head.weight.grad, plain.head.weight.grad, **close)
    assert teacher.hidden.grad is None


@pytest.mark.parametrize("settings", [{"balance": "uncertainty"}, {"ramps": {"soft": (0, 9)}}, {}])
def test_weights_that_change_give_the_same_gradient(settings: dict[str, object]):
    gradients = []
    for run in (lambda *given: distillation_sums(*given[:2], *batch(), given[2])[0].values(), dense):
        student = states(0)
        hard, soft = run(student, states(1, width=5), recipe(**settings))
        (0.9 * hard + 0.1 * soft).backward()
        gradients.append(student.hidden.grad)
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)


def test_states_of_a_cache_give_what_a_running_teacher_gives(student: nn.Module):
    """Hidden states that were kept and read back, and the teacher's head alone."""
    tokens, segments = batch()
    positions = torch.arange(20).expand(2, 20)
    with torch.no_grad():
        running = run_packed(student, tokens, segments, positions)
    kept = torch.frombuffer(bytearray(running.hidden.numpy().tobytes()), dtype=torch.float32)
    cached = States(kept.view_as(running.hidden), running.head)
    head = nn.Linear(8, running.vocab_size, bias=False)
    found = []
    for teacher in (running, cached):
        learner = States(states(0).hidden, head)
        sums, _ = distillation_sums(learner, teacher, tokens, segments, recipe())
        (sums["hard"] + sums["soft"]).backward()
        found.append((sums["soft"].detach(), learner.hidden.grad))
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_without_a_teacher_only_the_hard_term_is_there():
    tokens, segments = batch()
    sums, _ = distillation_sums(states(0), None, tokens, segments, DistillationLossConfig())
    assert set(sums) == {"hard"}


def test_scores_agree_with_the_loss():
    tokens, segments = batch()
    student, teacher = states(0), states(1, width=5)
    figures = token_figures(student, teacher, tokens)
    sums, _ = distillation_sums(student, teacher, tokens, segments, recipe(temperature=1.0))
    mask = predicted(segments).flatten()
    torch.testing.assert_close(figures["nll"][mask].sum(), sums["hard"].detach())
    torch.testing.assert_close(figures["kl"][mask].sum(), sums["soft"].detach())
    same = token_figures(student, student, tokens)
    assert (same["agreement"] == 1).all()
    torch.testing.assert_close(of_row(same, 1, 2)["nll"], figures["nll"].view(2, -1)[1])
