"""The loss of distillation, summed over tokens, without ever holding all logits at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from monosome.protein.student import States

CHUNK_ELEMENTS = 2**25
"""Logits per piece: 134 MB in fp32, so 667 positions of ProtGPT2's vocabulary. A loss holds about five such tensors
at once, whatever the batch; all logits of 16 × 512 tokens would be 1.65 GB each."""


@dataclass(frozen=True)
class TokenScores:
    """What was measured at each predicted token, in nats; the teacher's are None without one."""

    nll: Float[Tensor, "b t"]
    teacher_nll: Float[Tensor, "b t"] | None
    kl: Float[Tensor, "b t"] | None
    agrees: Bool[Tensor, "b t"] | None


def predicted(segments: Int64[Tensor, "b t"]) -> Bool[Tensor, "b t-1"]:
    """Whether each token but the first is predicted: it and the one before are of the same protein."""
    return (segments[:, 1:] == segments[:, :-1]) & (segments[:, 1:] > 0)


def hard_and_soft(
    student_logits: Float[Tensor, "*t v"],
    teacher_logits: Float[Tensor, "*t v"] | None,
    targets: Int64[Tensor, "*t"],
    temperature: float,
) -> tuple[Float[Tensor, "*t"], Float[Tensor, "*t"] | None]:
    """Cross-entropy, and KL(softmax(z_T / T) ‖ softmax(z_S / T)), at each position, in nats.

    Hinton et al., arXiv 1503.02531, without the factor T², which is a weight.
    """
    hard = F.cross_entropy(student_logits, targets, reduction="none")
    if teacher_logits is None:
        return hard, None
    student = F.log_softmax(student_logits / temperature, dim=-1)
    teacher = F.log_softmax(teacher_logits / temperature, dim=-1)
    return hard, F.kl_div(student, teacher, reduction="none", log_target=True).sum(-1)


def distillation_sums(
    student: States,
    teacher: States | None,
    tokens: Int64[Tensor, "b t"],
    segments: Int64[Tensor, "b t"],
    temperature: float,
) -> tuple[dict[str, Float[Tensor, ""]], Float[Tensor, ""]]:
    """Sums of "hard" and, with a teacher, "soft" over predicted tokens, and their number.

    Logits are made of hidden states piece by piece, and made again in the backward pass.
    """
    mask = predicted(segments)
    sums: dict[str, Tensor] = {}
    for piece in _pieces(student, teacher, tokens, mask):
        terms = checkpoint(_piece_sums, piece, student, teacher, temperature, use_reentrant=False)
        for name, value in terms.items():
            sums[name] = sums[name] + value if name in sums else value
    return sums, mask.sum().float()


@dataclass(frozen=True)
class _Piece:
    student: Float[Tensor, "m c"]
    teacher: Float[Tensor, "m k"] | None
    targets: Int64[Tensor, "m"]
    mask: Bool[Tensor, "m"]


def _pieces(
    student: States, teacher: States | None, tokens: Int64[Tensor, "b t"], mask: Bool[Tensor, "b t-1"]
) -> Iterator[_Piece]:
    hidden = student.hidden[:, :-1].flatten(0, 1)
    theirs = teacher.hidden[:, :-1].flatten(0, 1) if teacher else None
    targets, flat = tokens[:, 1:].flatten(), mask.flatten()
    vocab_size = student.head.weight.shape[0]
    step = max(1, CHUNK_ELEMENTS // int(vocab_size))
    for start in range(0, len(flat), step):
        part = slice(start, start + step)
        yield _Piece(hidden[part], theirs[part] if theirs is not None else None, targets[part], flat[part])


def _piece_sums(piece: _Piece, student: States, teacher: States | None, temperature: float) -> dict[str, Tensor]:
    theirs = _logits(teacher, piece.teacher) if teacher and piece.teacher is not None else None
    hard, soft = hard_and_soft(_logits(student, piece.student), theirs, piece.targets, temperature)
    return {name: (value * piece.mask).sum() for name, value in (("hard", hard), ("soft", soft)) if value is not None}


def _logits(states: States, hidden: Float[Tensor, "m c"]) -> Float[Tensor, "m v"]:
    logits: Tensor = states.head(hidden)
    return logits.float()


@torch.no_grad()
def score_tokens(student: States, teacher: States | None, tokens: Int64[Tensor, "b t"]) -> TokenScores:
    """Nats, KL at T = 1 and top-1 agreement at every token but the first, those of padding included."""
    everything = torch.ones_like(tokens[:, 1:], dtype=torch.bool)
    columns: list[list[Tensor]] = [[], [], [], []]
    for piece in _pieces(student, teacher, tokens, everything):
        ours = _logits(student, piece.student)
        theirs = _logits(teacher, piece.teacher) if teacher and piece.teacher is not None else None
        nll, kl = hard_and_soft(ours, theirs, piece.targets, 1.0)
        columns[0].append(nll)
        if theirs is not None and kl is not None:
            columns[1].append(F.cross_entropy(theirs, piece.targets, reduction="none"))
            columns[2].append(kl)
            columns[3].append(ours.argmax(-1) == theirs.argmax(-1))
    nll, *rest = (torch.cat(column).view_as(everything) if column else None for column in columns)
    return TokenScores(nll, *rest)
