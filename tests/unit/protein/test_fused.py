from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from monosome.hardware.planned import planned_for
from monosome.protein import fused
from monosome.protein.fused import fused_sums, parts, projection
from monosome.protein.student import States

VOCABULARY, NUM, WIDTH = 31, 38, 8


def states() -> States:
    generator = torch.Generator().manual_seed(0)
    head = nn.Linear(WIDTH, VOCABULARY, bias=False)
    with torch.no_grad():
        head.weight.copy_(torch.randn(VOCABULARY, WIDTH, generator=generator))
    return States(torch.randn(NUM, WIDTH, generator=generator, requires_grad=True), head)


class Terms:
    """Two terms of the logits that share nothing; `num_calls` counts the parts that they were asked for."""

    def __init__(self) -> None:
        self.num_calls = 0

    def __call__(self, logits: Tensor, taught: Tensor | None, part: slice) -> Tensor:
        self.num_calls += 1
        return torch.stack([logits.logsumexp(-1).sum(), logits.tanh().square().sum()])


def gradients(run: Callable[[States, Terms], Tensor], weights: tuple[float, float]) -> tuple[Tensor, ...]:
    mine = states()
    sums = run(mine, Terms())
    (sums * torch.tensor(weights)).sum().backward()
    assert mine.hidden.grad is not None
    assert mine.head.weight.grad is not None
    return sums.detach(), mine.hidden.grad, mine.head.weight.grad


def plain(mine: States, terms: Terms) -> Tensor:
    return terms(mine.head(mine.hidden), None, slice(None))


@pytest.mark.parametrize("pieces", [1, 3, 40])
@pytest.mark.parametrize("announced", [None, (2.0, 0.5), (4.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
@pytest.mark.parametrize("weights", [(2.0, 0.5), (0.0, 3.0)])
def test_value_and_gradient_whatever_was_announced(
    pieces: int,
    announced: tuple[float, float] | None,
    weights: tuple[float, float],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(fused, "CPU_ELEMENTS", VOCABULARY * -(-NUM // pieces))
    found = gradients(lambda mine, terms: fused_sums(mine, None, terms, announced), weights)
    for mine, reference in zip(found, gradients(plain, weights), strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("announced", "passes"), [((2.0, 0.5), 1), ((4.0, 1.0), 1), ((2.0, 1.0), 2), (None, 2)])
def test_logits_are_made_once_where_the_weights_are_announced(announced: tuple[float, float] | None, passes: int):
    mine, terms = states(), Terms()
    sums = fused_sums(mine, None, terms, announced)
    (sums * torch.tensor([2.0, 0.5])).sum().backward()
    assert terms.num_calls == passes


def test_each_term_has_its_own_gradient_before_the_step():
    """What loss.balance=gradient_norm does: a gradient of each term, then that of their sum."""
    mine, terms = states(), Terms()
    first, second = fused_sums(mine, None, terms, (1.0, 1.0)).unbind()
    weight = mine.head.weight
    apart = [torch.autograd.grad(term, weight, retain_graph=True)[0] for term in (first, second)]
    (first + second).backward()
    torch.testing.assert_close(weight.grad, apart[0] + apart[1], rtol=1e-5, atol=1e-5)


def test_what_is_frozen_gets_no_gradient():
    mine = states()
    mine.head.weight.requires_grad_(False)
    fused_sums(mine, None, Terms(), (1.0, 1.0)).sum().backward()
    assert mine.hidden.grad is not None
    assert mine.head.weight.grad is None
    with torch.no_grad():
        assert not fused_sums(states(), None, Terms(), (1.0, 1.0)).requires_grad


def test_autocast_multiplies_in_bf16_and_sums_in_fp32():
    def run(mine: States, terms: Terms) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return fused_sums(mine, None, terms, (2.0, 0.5))

    def reference(mine: States, terms: Terms) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return terms(mine.head(mine.hidden).float(), None, slice(None))

    found, expected = gradients(run, (2.0, 0.5)), gradients(reference, (2.0, 0.5))
    assert all(each.dtype == torch.float32 for each in found)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=2e-2, atol=2e-2)


def test_cached_states_are_multiplied_in_the_heads_precision():
    mine = states()
    cached = States(mine.hidden.detach().bfloat16(), mine.head)
    logits = projection(cached)(slice(3, 9))
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, mine.logits(slice(3, 9)), rtol=0.02, atol=0.1)


def test_a_step_is_traced_without_numbers():
    with FakeTensorMode(allow_non_fake_inputs=True):
        mine = states()
        (fused_sums(mine, None, Terms(), (2.0, 0.5)) * torch.ones(2)).sum().backward()
        assert mine.hidden.grad is not None
        assert mine.hidden.grad.shape == (NUM, WIDTH)


def test_parts_are_as_large_as_the_planned_device_likes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fused, "CPU_ELEMENTS", 4 * VOCABULARY)
    monkeypatch.setattr(fused, "DEVICE_ELEMENTS", 10 * VOCABULARY)
    assert [part.start for part in parts(states())] == list(range(0, NUM, 4))
    with planned_for("cuda"):
        assert [part.start for part in parts(states())] == list(range(0, NUM, 10))
    assert len(list(parts(states()))) == 10
