"""The loss of distillation, summed over tokens, without ever holding all logits at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from monosome.protein.student import States

CPU_ELEMENTS = 2**23
DEVICE_ELEMENTS = 2**26
"""Logits per piece. On a CPU pieces of 34 MB (166 positions of ProtGPT2's vocabulary) take 20 % less time than those of
134 MB, whose pages are new at every step, and 30 % less than those of 4 MB, which add up the head's gradient too often;
a card gets 268 MB, few launches. A loss holds about five such tensors at once, whatever the batch; all logits of
16 × 512 tokens would be 1.65 GB each."""


def predicted(segments: Int64[Tensor, "b t"]) -> Bool[Tensor, "b t-1"]:
    """Whether each token but the first is predicted: it and the one before are of the same protein."""
    return (segments[:, 1:] == segments[:, :-1]) & (segments[:, 1:] > 0)


def hard_and_soft(
    student_logits: Float[Tensor, "t v"],
    teacher_logits: Float[Tensor, "t v"] | None,
    targets: Int64[Tensor, "t"],
    temperature: float,
) -> tuple[Float[Tensor, "t"], Float[Tensor, "t"] | None]:
    """Cross-entropy, and KL(softmax(z_T / T) ‖ softmax(z_S / T)), at each position, in nats.

    Hinton et al., arXiv 1503.02531, without the factor T², which is a weight.
    """
    hard = functional.cross_entropy(student_logits, targets, reduction="none")
    if teacher_logits is None:
        return hard, None
    student = functional.log_softmax(student_logits / temperature, dim=-1)
    teacher = functional.log_softmax(teacher_logits / temperature, dim=-1)
    return hard, functional.kl_div(student, teacher, reduction="none", log_target=True).sum(-1)


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
    targets, mask = tokens[:, 1:].flatten(), predicted(segments).flatten()

    def piece(part: slice) -> dict[str, Tensor]:
        theirs = teacher.logits(part) if teacher else None
        hard, soft = hard_and_soft(student.logits(part), theirs, targets[part], temperature)
        terms = {"hard": hard} if soft is None else {"hard": hard, "soft": soft}
        return {name: (term * mask[part]).sum() for name, term in terms.items()}

    pieces = [checkpoint(piece, part, use_reentrant=False) for part in _parts(student)]
    return {name: torch.stack([terms[name] for terms in pieces]).sum() for name in pieces[0]}, mask.sum().float()


def _parts(states: States) -> Iterator[slice]:
    limit = CPU_ELEMENTS if states.hidden.device.type == "cpu" else DEVICE_ELEMENTS
    step = max(1, limit // states.vocab_size)
    return (slice(start, start + step) for start in range(0, len(states.hidden), step))


@dataclass(frozen=True)
class TokenScores:
    """What was measured at tokens, in nats; the teacher's figures, KL at T = 1 among them, are None without one."""

    nll: Float[Tensor, "*t"]
    teacher_nll: Float[Tensor, "*t"] | None = None
    kl: Float[Tensor, "*t"] | None = None
    agrees: Bool[Tensor, "*t"] | None = None

    def row(self, index: int, num_rows: int) -> "TokenScores":
        """The scores of one of `num_rows` rows that were flattened together, on the CPU."""

        def of(values: Tensor | None) -> Tensor | None:
            return None if values is None else values.view(num_rows, -1)[index].cpu()

        nll = self.nll.view(num_rows, -1)[index].cpu()
        return TokenScores(nll, of(self.teacher_nll), of(self.kl), of(self.agrees))


@torch.no_grad()
def score_tokens(student: States, teacher: States | None, tokens: Int64[Tensor, "b t"]) -> TokenScores:
    """Scores of every token but each row's first, flattened, those of padding included."""
    targets, columns = tokens[:, 1:].flatten(), list[tuple[Tensor, ...]]()
    for part in _parts(student):
        ours, theirs = student.logits(part), teacher.logits(part) if teacher else None
        nll, kl = hard_and_soft(ours, theirs, targets[part], temperature=1.0)
        if theirs is None or kl is None:
            columns.append((nll,))
        else:
            teacher_nll = functional.cross_entropy(theirs, targets[part], reduction="none")
            columns.append((nll, teacher_nll, kl, ours.argmax(-1) == theirs.argmax(-1)))
    return TokenScores(*map(torch.cat, zip(*columns, strict=True)))
