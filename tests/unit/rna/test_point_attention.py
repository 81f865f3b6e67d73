"""The fast path of invariant point attention against the plain one, its gradients, and what it keeps in memory."""

from collections.abc import Callable

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils.checkpoint import checkpoint

from monosome.rna import point_attention
from monosome.rna.point_attention import Attended, PairFactors, Projections, attend, attend_plainly

B, N, H, C, P, V, D, K = 2, 11, 3, 5, 4, 6, 8, 2
PADDED = torch.tensor([[1.0] * N, [1.0] * (N - 3) + [0.0] * 3])
Inputs = list[torch.Tensor]


def _inputs(length: int = N, *, factors: bool = False, dtype: torch.dtype = torch.float32) -> Inputs:
    """Channels and points of queries, keys and values; the pair or its factors; bias weights; γ."""
    draw = torch.Generator().manual_seed(0)
    heads = [(B, H, length, width) for width in (C, C, C, 3 * P, 3 * P, 3 * V)]
    pair = [(B, length, K, D)] * 2 if factors else [(B, length, length, D)]
    every = [torch.randn(shape, generator=draw, dtype=dtype) for shape in (*heads, *pair, (H, D), (H,))]
    return [x.exp().requires_grad_() if x.dim() == 1 else x.requires_grad_() for x in every]


def _attend(path: Callable[..., Attended], *inputs: torch.Tensor, mask: torch.Tensor | None = None) -> Attended:
    *pair, bias, gamma = inputs[6:]
    mask = PADDED if mask is None else mask
    given = PairFactors(*pair) if len(pair) == 2 else pair[0]
    return path(Projections(*inputs[:6]), given, bias, gamma, mask.to(gamma.dtype))


def _gradients(path: Callable[..., Attended], inputs: Inputs) -> tuple[Attended, tuple[torch.Tensor, ...]]:
    attended = _attend(path, *inputs)
    draw = torch.Generator().manual_seed(1)
    slopes = [torch.randn(x.shape, generator=draw) for x in attended]
    return attended, torch.autograd.grad(attended, inputs, slopes)


def _is_close(found: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-5) -> bool:
    return bool((found - expected).norm() <= tolerance * expected.norm())


@pytest.mark.parametrize("factors", [False, True])
def test_both_paths_agree_forward_and_in_all_gradients(factors: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_attention, "LOGITS_AT_ONCE", 4 * H * N)  # blocks of 4, 4 and 3 rows
    inputs = _inputs(factors=factors)
    plain, plain_gradients = _gradients(attend_plainly, inputs)
    fast, fast_gradients = _gradients(attend, inputs)
    assert all(_is_close(*each) for each in zip(fast, plain, strict=True))
    assert all(_is_close(*each) for each in zip(fast_gradients, plain_gradients, strict=True))


@pytest.mark.parametrize("factors", [False, True])
def test_gradients_are_those_of_finite_differences(factors: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_attention, "LOGITS_AT_ONCE", 2 * H * 3)  # blocks of 2 rows and 1
    inputs = _inputs(3, factors=factors, dtype=torch.float64)
    mask = torch.tensor([[1.0, 1, 1], [1, 1, 0]])
    assert torch.autograd.gradcheck(lambda *given: _attend(attend, *given, mask=mask), inputs)


def test_without_pair_values_and_distances_it_is_torchs_attention() -> None:
    inputs = _inputs()
    bias, gamma = torch.zeros(H, D), torch.zeros(H)
    scalars, _, _ = _attend(attend, *inputs[:-2], bias, gamma, mask=torch.ones(B, N))
    scale = point_attention.W_L / C**0.5
    assert _is_close(scalars, torch.nn.functional.scaled_dot_product_attention(*inputs[:3], scale=scale))


def test_far_points_get_no_attention() -> None:
    inputs = [x.detach() for x in _inputs()]
    values, key_points = inputs[2], inputs[4]
    values.zero_()[:, :, 0] = 1  # so that the mean is the share of the first residue
    near = _attend(attend, *inputs)[0]
    key_points[:, :, 0] += 100
    assert (near > 1e-3).any()
    assert (_attend(attend, *inputs)[0] < 1e-6).all()


@pytest.mark.parametrize("factors", [False, True])
def test_nothing_of_length_squared_is_kept_for_the_gradient_but_the_pair(factors: bool) -> None:
    inputs, kept = _inputs(64, factors=factors), []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        _attend(attend, *inputs, mask=torch.ones(B, 64))
    square = {tuple(x.shape) for x in kept if sum(size == 64 for size in x.shape) > 1}
    assert square == (set() if factors else {(B, 64, 64, D)})


@pytest.mark.parametrize("factors", [False, True])
def test_runs_on_shapes_alone(factors: bool) -> None:
    real = _attend(attend, *_inputs(factors=factors))
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        inputs = [mode.from_tensor(x) for x in _inputs(factors=factors)]
        fake = _attend(attend, *inputs, mask=mode.from_tensor(PADDED))
        gradients = torch.autograd.grad([x.sum() for x in fake], inputs)
    assert [x.shape for x in fake] == [x.shape for x in real]
    assert all(isinstance(x, FakeTensor) for x in (*fake, *gradients))
    assert [x.shape for x in gradients] == [x.shape for x in inputs]


def test_no_grad_and_checkpointing_change_no_number() -> None:
    inputs = _inputs()
    attended, gradients = _gradients(attend, inputs)
    with torch.no_grad():
        without = _attend(attend, *inputs)
    again, recomputed = _gradients(lambda *given: checkpoint(attend, *given, use_reentrant=False), inputs)
    assert all(map(torch.equal, attended, without))
    assert not any(x.requires_grad for x in without)
    assert all(map(torch.equal, attended, again))
    assert all(map(torch.equal, gradients, recomputed))
