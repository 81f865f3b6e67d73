"""How far a student's distribution of the next token is from its teacher's, token by token, in nats.

All take logarithms of probabilities, as `softened` makes them of logits: finite where a probability underflows to 0, so
that 0 · log 0 is 0.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Divergence = Callable[[Float[Tensor, "*t v"], Float[Tensor, "*t v"]], Float[Tensor, "*t"]]
"""Of teacher and student, in this order."""


def softened(logits: Float[Tensor, "*t v"], temperature: float) -> Float[Tensor, "*t v"]:
    """Logarithms of softmax(z / T)."""
    return functional.log_softmax(logits if temperature == 1 else logits / temperature, dim=-1)


def forward_kl(teacher: Float[Tensor, "*t v"], student: Float[Tensor, "*t v"]) -> Float[Tensor, "*t"]:
    """KL(p ‖ q) of teacher p and student q, what Hinton et al. minimise (arXiv 1503.02531)."""
    return -(teacher.exp() * (student - teacher)).sum(-1)  # in this order the gradient needs no change of sign


def reverse_kl(teacher: Float[Tensor, "*t v"], student: Float[Tensor, "*t v"]) -> Float[Tensor, "*t"]:
    """KL(q ‖ p), which the student lowers by leaving out what the teacher deems unlikely (arXiv 2306.08543)."""
    return forward_kl(student, teacher)


def jensen_shannon(teacher: Float[Tensor, "*t v"], student: Float[Tensor, "*t v"], beta: float) -> Float[Tensor, "*t"]:
    """β KL(p ‖ m) + (1 − β) KL(q ‖ m) with m = βp + (1 − β)q, generalised as by Agarwal et al. (arXiv 2306.13649).

    At most the entropy of (β, 1 − β), ln 2 for β = ½; over β it becomes KL(p ‖ q) as β → 0.
    """
    middle = _mixture(teacher, student, beta)
    return beta * forward_kl(teacher, middle) + (1 - beta) * forward_kl(student, middle)


def skewed_kl(teacher: Float[Tensor, "*t v"], student: Float[Tensor, "*t v"], skew: float) -> Float[Tensor, "*t"]:
    """KL(p ‖ αp + (1 − α)q) with α = `skew`, at most −ln α (DistiLLM, Ko et al., arXiv 2402.03898)."""
    return forward_kl(teacher, _mixture(teacher, student, skew))


def skewed_reverse_kl(
    teacher: Float[Tensor, "*t v"], student: Float[Tensor, "*t v"], skew: float
) -> Float[Tensor, "*t"]:
    """KL(q ‖ αq + (1 − α)p) with α = `skew`, at most −ln α (DistiLLM, Ko et al., arXiv 2402.03898)."""
    return skewed_kl(student, teacher, skew)


def adaptive_kl(teacher: Float[Tensor, "*t v"], student: Float[Tensor, "*t v"], head: float) -> Float[Tensor, "*t"]:
    """Forward and reverse KL, weighted by where the two distributions differ (Wu et al., arXiv 2404.02657).

    The head is the fewest tokens that hold the share `head` of the teacher's probability. Σ|p − q| over the head, as
    a share of that over all tokens, is the weight of the forward KL, the tail's that of the reverse; no gradient flows
    through the weights.
    """
    with torch.no_grad():
        p, order = teacher.exp().sort(dim=-1, descending=True)
        gaps = (p - student.exp().gather(-1, order)).abs_()
        in_head = p.cumsum(-1).sub_(p) < head
        at_head, everywhere = (gaps * in_head).sum(-1), gaps.sum(-1)
        share = torch.where(everywhere > 0, at_head / everywhere, 0.5)
    return share * forward_kl(teacher, student) + (1 - share) * reverse_kl(teacher, student)


def total_variation(teacher: Float[Tensor, "*t v"], student: Float[Tensor, "*t v"]) -> Float[Tensor, "*t"]:
    """½ Σ|p − q|, from 0 to 1; by Pinsker's inequality at most √(KL / 2) in either direction."""
    return (teacher.exp() - student.exp()).abs().sum(-1) / 2


def entropy(log_probabilities: Float[Tensor, "*t v"]) -> Float[Tensor, "*t"]:
    """−Σ p log p, from 0 to the logarithm of the vocabulary."""
    return -(log_probabilities.exp() * log_probabilities).sum(-1)


def smoothed(log_probabilities: Float[Tensor, "*t v"], strength: float) -> Float[Tensor, "*t v"]:
    """Logarithms of (1 − ε)p + ε / v with ε = `strength` · (1 − max p): what is uncertain is made more so.

    Calibration-aware smoothing of Wijaya 2026 (bioRxiv 10.64898/2026.02.17.706304).
    """
    epsilon = strength * (1 - log_probabilities.amax(-1, keepdim=True).exp())
    uniform = epsilon.log() - math.log(log_probabilities.shape[-1])
    return torch.logaddexp(log_probabilities + torch.log1p(-epsilon), uniform)


def _mixture(first: Tensor, second: Tensor, share: float) -> Tensor:
    """Logarithms of share · first + (1 − share) · second, the share neither 0 nor 1."""
    return torch.logaddexp(first + math.log(share), second + math.log1p(-share))
