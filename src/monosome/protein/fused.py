"""Sums of losses of logits, and their gradients, piece by piece: the logits of all positions are never held at once."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from monosome.hardware.planned import kind_of
from monosome.protein.student import States

CPU_ELEMENTS = 2**23
DEVICE_ELEMENTS = 2**26
"""Logits per part. On a CPU 34 MB (166 positions of ProtGPT2's vocabulary) is the most that the C library hands out
again and again: an elementwise pass takes 15 µs a position below that and 110 µs above, where each buffer's pages are
new. A card gets 268 MB, few launches."""
CPU_PRODUCTS = 4
"""Parts whose logits a CPU makes by one product, and whose gradients: a product for 166 positions takes 10 % longer per
position than one for 512."""

Projection = Callable[[slice], Float[Tensor, "p v"]]
"""Logits in fp32 of some of the positions."""
Piece = Callable[[Float[Tensor, "p v"], Float[Tensor, "p v"] | None, slice], Float[Tensor, "k"]]
"""Sums of each term over some of the positions, from their logits and, where there is a teacher, its logits."""


def parts(states: States) -> list[slice]:
    """The positions, cut so that the logits of a part are few enough for elementwise work."""
    limit = CPU_ELEMENTS if kind_of(states.hidden.device) == "cpu" else DEVICE_ELEMENTS
    step, num = max(1, limit // states.vocab_size), len(states.hidden)
    return [slice(start, min(start + step, num)) for start in range(0, num, step)]


def projection(states: States) -> Projection:
    """What makes logits of the states: multiplied in autocast's precision where that is on, else in the head's."""
    weight = states.head.weight.to(_precision(states.head.weight))
    bias = None if states.head.bias is None else states.head.bias.to(weight.dtype)
    return lambda part: functional.linear(states.hidden[part].to(weight.dtype), weight, bias).float()


def fused_sums(
    states: States, teacher: Projection | None, piece: Piece, weights: Sequence[float] | None = None
) -> Float[Tensor, "k"]:
    """Sums of each term over all positions, differentiable in the hidden states and in the head's weight.

    `weights` announces what the terms will be weighted by: the gradient of that weighted sum is made with the value,
    while the logits are there, and backward only hands it out. Backward under other weights, or unannounced ones, is as
    exact and makes the logits again. The head has no bias, as GPT-2's has none.
    """
    assert states.head.bias is None
    every, several = parts(states), CPU_PRODUCTS if kind_of(states.hidden.device) == "cpu" else 1
    groups = [every[start : start + several] for start in range(0, len(every), several)]
    run = _Pass(groups, piece, teacher, _precision(states.head.weight))
    announced = weights if torch.is_grad_enabled() else None
    sums: Tensor = _FusedSums.apply(states.hidden, states.head.weight, run, announced)
    return sums


@dataclass(frozen=True)
class _Pass:
    """What is done part by part, and in which precision hidden states and head are multiplied."""

    groups: Sequence[Sequence[slice]]
    piece: Piece
    teacher: Projection | None
    precision: torch.dtype

    def sums(self, hidden: Float[Tensor, "m c"], weight: Float[Tensor, "v c"]) -> Float[Tensor, "k"]:
        """The terms alone."""
        head = weight.to(self.precision)
        terms = []
        for part in (part for group in self.groups for part in group):
            taught = self.teacher(part) if self.teacher else None
            terms.append(self.piece(self._logits(hidden[part], head), taught, part))
        return torch.stack(terms).sum(0)

    def sums_and_gradients(
        self,
        hidden: Float[Tensor, "m c"],
        weight: Float[Tensor, "v c"],
        weights: Float[Tensor, "k"],
        *,
        head_learns: bool,
    ) -> tuple[Float[Tensor, "k"], Float[Tensor, "m c"], Float[Tensor, "v c"] | None]:
        """The terms, and the gradients of their weighted sum in the hidden states and in the head's weight."""
        head, sums = weight.to(self.precision), torch.zeros_like(weights)
        of_hidden, of_weight = torch.empty_like(hidden), torch.zeros_like(weight) if head_learns else None
        for group in self.groups:
            rows = slice(group[0].start, group[-1].stop)
            states = hidden[rows].to(self.precision)
            terms, slope = self._slope(self._logits(states, head), group, weights)
            slope = slope.to(self.precision)
            sums += terms
            of_hidden[rows] = slope @ head
            if of_weight is not None and head is weight:
                of_weight.addmm_(slope.t(), states)
            elif of_weight is not None:
                of_weight += slope.t() @ states
            del slope  # before more is taken
        return sums, of_hidden, of_weight

    def _slope(self, logits: Tensor, group: Sequence[slice], weights: Tensor) -> tuple[Tensor, Tensor]:
        """Terms of a group of parts, and the gradient of their weighted sum, which takes the logits' place."""
        first, sums = group[0].start, torch.zeros_like(weights)
        taught = self.teacher(slice(first, group[-1].stop)) if self.teacher else None
        for part in group:
            here = slice(part.start - first, part.stop - first)
            leaf = logits[here].detach().requires_grad_()
            with torch.enable_grad():
                terms = self.piece(leaf, None if taught is None else taught[here], part)
            logits[here] = torch.autograd.grad(terms, leaf, weights)[0]
            sums += terms.detach()
        return sums, logits

    def _logits(self, rows: Tensor, head: Tensor) -> Tensor:
        return functional.linear(rows.to(self.precision), head).float()


class _FusedSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Float[Tensor, "m c"],
        weight: Float[Tensor, "v c"],
        run: _Pass,
        announced: Sequence[float] | None,
    ) -> Float[Tensor, "k"]:
        ctx.run, ctx.announced, gradients = run, announced, list[Tensor | None]()
        if announced is None:
            sums = run.sums(hidden, weight)
        else:
            weights = torch.tensor(announced, device=hidden.device)
            sums, *gradients = run.sums_and_gradients(hidden, weight, weights, head_learns=ctx.needs_input_grad[1])
        ctx.save_for_backward(hidden, weight, *gradients)
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, given: Float[Tensor, "k"]) -> tuple[Shaped[Tensor, "_ c"] | None, ...]:
        hidden, weight, *gradients = ctx.saved_tensors
        factor = _factor(given, ctx.announced)
        if factor is None:
            _, *gradients = ctx.run.sums_and_gradients(hidden, weight, given, head_learns=ctx.needs_input_grad[1])
        elif factor != 1:
            gradients = [None if gradient is None else gradient * factor for gradient in gradients]
        return *gradients, None, None


def _precision(weight: Tensor) -> torch.dtype:
    kind = weight.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype


def _factor(given: Tensor, announced: Sequence[float] | None) -> float | None:
    """What the announced weights were multiplied by; None where they were not announced, or not all by one number."""
    if announced is None or not any(announced):
        return None
    if isinstance(given, FakeTensor):
        return 1.0  # a traced step holds no numbers
    numbers = given.tolist()
    largest = max(range(len(numbers)), key=lambda index: abs(announced[index]))
    factor = numbers[largest] / announced[largest]
    same = all(math.isclose(a, factor * b, rel_tol=1e-6) for a, b in zip(numbers, announced, strict=True))
    return factor if same else None
