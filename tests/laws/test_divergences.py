"""Laws of the divergences between distributions, whatever the logits, and SciPy's word on their values."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr
from torch import Tensor

from monosome.protein.divergences import (
    adaptive_kl,
    entropy,
    forward_kl,
    jensen_shannon,
    reverse_kl,
    skewed_kl,
    skewed_reverse_kl,
    smoothed,
    softened,
    total_variation,
)

DIVERGENCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "forward_kl": forward_kl,
    "reverse_kl": reverse_kl,
    "jensen_shannon": partial(jensen_shannon, beta=0.5),
    "jensen_shannon(0.1)": partial(jensen_shannon, beta=0.1),
    "skewed_kl": partial(skewed_kl, skew=0.1),
    "skewed_reverse_kl": partial(skewed_reverse_kl, skew=0.1),
    "adaptive_kl": partial(adaptive_kl, head=0.5),
    "total_variation": total_variation,
}
each = pytest.mark.parametrize("name", DIVERGENCES)
logits = st.tuples(st.integers(0, 999), st.floats(0.01, 30), st.integers(2, 40))


def drawn(case: tuple[int, float, int], temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """Logarithms of two random distributions at five tokens, in fp64."""
    seed, scale, size = case
    generator = torch.Generator().manual_seed(seed)
    both = scale * torch.randn(2, 5, size, generator=generator, dtype=torch.float64)
    teacher, student = softened(both, temperature)
    return teacher, student


def probabilities(*both: Tensor) -> tuple[np.ndarray, ...]:
    return tuple(each.exp().numpy() for each in both)


@each
@settings(deadline=None, max_examples=30)
@given(logits, st.floats(0.25, 10))
def test_never_negative_and_nothing_between_equals(name: str, case: tuple[int, float, int], temperature: float):
    teacher, student = drawn(case, temperature)
    assert (DIVERGENCES[name](teacher, student) >= -1e-12).all()
    assert DIVERGENCES[name](teacher, teacher.clone()).abs().max() < 1e-12


@settings(deadline=None, max_examples=50)
@given(logits, st.floats(0.05, 0.95))
def test_scipy_agrees(case: tuple[int, float, int], share: float):
    teacher, student = drawn(case)
    p, q = probabilities(teacher, student)
    between = share * p + (1 - share) * q
    beside = share * q + (1 - share) * p
    expected = {
        forward_kl: rel_entr(p, q),
        reverse_kl: rel_entr(q, p),
        partial(jensen_shannon, beta=share): share * rel_entr(p, between) + (1 - share) * rel_entr(q, between),
        partial(skewed_kl, skew=share): rel_entr(p, between),
        partial(skewed_reverse_kl, skew=share): rel_entr(q, beside),
        total_variation: np.abs(p - q) / 2,
    }
    for divergence, terms in expected.items():
        found = divergence(teacher, student).numpy()
        np.testing.assert_allclose(found, terms.sum(-1), rtol=1e-8, atol=1e-11, err_msg=str(divergence))


@settings(deadline=None, max_examples=50)
@given(logits, st.floats(0.05, 0.95))
def test_bounds(case: tuple[int, float, int], share: float):
    teacher, student = drawn(case)
    half = jensen_shannon(teacher, student, 0.5)
    torch.testing.assert_close(half, jensen_shannon(student, teacher, 0.5), rtol=1e-9, atol=1e-12)
    assert (half <= math.log(2) + 1e-12).all()
    binary = -share * math.log(share) - (1 - share) * math.log1p(-share)
    assert (jensen_shannon(teacher, student, share) <= binary + 1e-12).all()
    assert (skewed_kl(teacher, student, share) <= -math.log(share) + 1e-12).all()
    distance = total_variation(teacher, student)
    assert (distance <= 1 + 1e-12).all()
    for kl in (forward_kl, reverse_kl):
        assert (distance <= (kl(teacher, student) / 2).clamp_min(0).sqrt() + 1e-7).all(), "Pinsker's inequality"
    either = torch.stack([forward_kl(teacher, student), reverse_kl(teacher, student)])
    adaptive = adaptive_kl(teacher, student, share)
    assert (adaptive >= either.amin(0) - 1e-9).all()
    assert (adaptive <= either.amax(0) + 1e-9).all()


@pytest.mark.parametrize("seed", range(5))
def test_limits_are_the_two_kls(seed: int):
    teacher, student = drawn((seed, 2.0, 30))
    small = 1e-6
    near = partial(torch.testing.assert_close, rtol=1e-3, atol=1e-6)
    near(jensen_shannon(teacher, student, small) / small, forward_kl(teacher, student))
    near(jensen_shannon(teacher, student, 1 - small) / small, reverse_kl(teacher, student))
    near(skewed_kl(teacher, student, small), forward_kl(teacher, student))
    near(skewed_reverse_kl(teacher, student, small), reverse_kl(teacher, student))


@pytest.mark.parametrize("name", sorted(set(DIVERGENCES) - {"adaptive_kl"}))
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_gradients_agree_with_finite_differences(name: str, temperature: float):
    generator = torch.Generator().manual_seed(7)
    teacher = softened(torch.randn(3, 9, generator=generator, dtype=torch.float64), temperature)
    student = torch.randn(3, 9, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: DIVERGENCES[name](teacher, softened(z, temperature)), student)


def test_adaptive_kl_weighs_the_forward_kl_by_the_gap_at_the_head():
    """By hand: the head is the first token, whose gap is 0.3 of the 0.6 of all."""
    teacher, student = torch.tensor([[0.6, 0.3, 0.1], [0.3, 0.4, 0.3]], dtype=torch.float64).log()
    share = 0.3 / 0.6
    expected = share * forward_kl(teacher, student) + (1 - share) * reverse_kl(teacher, student)
    torch.testing.assert_close(adaptive_kl(teacher, student, 0.5), expected, rtol=1e-6, atol=0)


def test_gradient_of_adaptive_kl_is_that_of_its_weighted_parts():
    teacher, fixed = drawn((3, 1.0, 12))
    student = fixed.clone().requires_grad_()
    forward, reverse = forward_kl(teacher, student), reverse_kl(teacher, student)
    mixed = adaptive_kl(teacher, student, 0.5)
    share = ((mixed - reverse) / (forward - reverse)).detach()
    (found,) = torch.autograd.grad(mixed.sum(), student, retain_graph=True)
    (wanted,) = torch.autograd.grad((share * forward + (1 - share) * reverse).sum(), student)
    torch.testing.assert_close(found, wanted)


@each
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gap", [1e4, 1e30])
def test_probabilities_of_zero_are_safe(name: str, dtype: torch.dtype, gap: float):
    """Both sure of one token, of the same and of another."""
    sure = torch.full((2, 5), -gap, dtype=dtype)
    sure[:, 0] = 0.0
    student = sure.clone()
    student[1] = student[1].roll(1)
    student.requires_grad_()
    values = DIVERGENCES[name](softened(sure, 1.0), softened(student, 1.0))
    values.sum().backward()
    assert values[0].abs() < 1e-6
    assert values[1] > 0.3
    assert torch.isfinite(values).all()
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()


@settings(deadline=None, max_examples=30)
@given(logits, st.floats(0, 1))
def test_smoothing_keeps_a_distribution_and_its_order(case: tuple[int, float, int], strength: float):
    teacher, _ = drawn(case)
    (p,), (smooth,) = probabilities(teacher), probabilities(smoothed(teacher, strength))
    size = p.shape[-1]
    epsilon = strength * (1 - p.max(-1, keepdims=True))
    np.testing.assert_allclose(smooth, (1 - epsilon) * p + epsilon / size, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(smooth.sum(-1), 1, rtol=1e-9)
    assert (entropy(smoothed(teacher, strength)) >= entropy(teacher) - 1e-9).all()


def test_smoothing_leaves_certainty_alone():
    sure = softened(torch.tensor([[0.0, -1e30, -1e30]]), 1.0)
    torch.testing.assert_close(smoothed(sure, 0.1).exp(), torch.tensor([[1.0, 0.0, 0.0]]))


def test_entropy_runs_from_certainty_to_the_uniform():
    assert entropy(softened(torch.tensor([0.0, -1e30]), 1.0)) == 0
    torch.testing.assert_close(entropy(softened(torch.zeros(8), 1.0)), torch.tensor(math.log(8)))
