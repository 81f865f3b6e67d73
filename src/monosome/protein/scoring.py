"""What is measured at every token of held-out proteins: nats, divergences, agreement and confidence, part by part."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from monosome.protein.divergences import forward_kl, reverse_kl, softened
from monosome.protein.fused import parts, projection
from monosome.protein.student import States

NUM_TOP = 5
"""Tokens that each model likes best, whose overlap is measured."""

TokenFigures = Mapping[str, Float[Tensor, "*t"]]
"""Figures of tokens by name, all of one length."""


@torch.no_grad()
def token_figures(student: States, teacher: States | None, tokens: Int64[Tensor, "b t"]) -> TokenFigures:
    """Figures of every token but each row's first, flattened, those of padding included.

    `nll` in nats, `confidence` (the highest probability) and `correct` (whether the true token has it); with a teacher
    the same of it, KL at T = 1 both ways, and the share of the teacher's best token, and of its five best, that are the
    student's.
    """
    targets, found = tokens[:, 1:].flatten(), list[dict[str, Any]]()
    ours, theirs = projection(student), projection(teacher) if teacher else None
    for part in parts(student):
        student_logs = softened(ours(part), 1.0)
        figures = _alone(student_logs, targets[part])
        if theirs is not None:
            teacher_logs = softened(theirs(part), 1.0)
            figures |= {f"teacher_{name}": value for name, value in _alone(teacher_logs, targets[part]).items()}
            figures |= _together(teacher_logs, student_logs)
        found.append(figures)
    return {name: torch.cat([figures[name] for figures in found]) for name in found[0]}


def _alone(logs: Float[Tensor, "p v"], targets: Int64[Tensor, "p"]) -> dict[str, Float[Tensor, "p"]]:
    best, token = logs.max(-1)
    return {
        "nll": functional.nll_loss(logs, targets, reduction="none"),
        "confidence": best.exp(),
        "correct": (token == targets).float(),
    }


def _together(teacher: Float[Tensor, "p v"], student: Float[Tensor, "p v"]) -> dict[str, Float[Tensor, "p"]]:
    theirs, ours = (logs.topk(min(NUM_TOP, logs.shape[-1])).indices for logs in (teacher, student))
    shared = (theirs[:, :, None] == ours[:, None, :]).any(-1)
    return {
        "kl": forward_kl(teacher, student),
        "reverse_kl": reverse_kl(teacher, student),
        "agreement": (theirs[:, 0] == ours[:, 0]).float(),
        "top5_agreement": shared.float().mean(-1),
    }


def of_row(figures: TokenFigures, index: int, num_rows: int) -> dict[str, Float[Tensor, "row"]]:
    """The figures of one of `num_rows` rows that were flattened together, on the CPU."""
    return {name: values.view(num_rows, -1)[index].cpu() for name, values in figures.items()}
