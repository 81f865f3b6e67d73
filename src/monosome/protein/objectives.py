"""The loss of distillation, summed over tokens, without ever holding all logits at once."""

import math
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from monosome.protein import divergences
from monosome.protein.divergences import Divergence, entropy, smoothed, softened
from monosome.protein.fused import Projection, fused_sums, parts, projection
from monosome.protein.recipe import DistillationLossConfig
from monosome.protein.student import States

SMOOTHING = 0.1
"""λ of the calibration-aware smoothing, as published (bioRxiv 10.64898/2026.02.17.706304)."""
MIN_TAIL = 1e-6
"""Least probability of a tail: what rounding may leave of it is below 0."""


@dataclass(frozen=True)
class Draws:
    """Tokens drawn from the teacher's distribution at T = 1, with replacement, and their log-probabilities."""

    ids: Int64[Tensor, "m k"]
    logs: Float[Tensor, "m k"]


@dataclass(frozen=True)
class Likeliest:
    """The teacher's likeliest tokens and their log-probabilities; what they leave is the tail's."""

    ids: Int64[Tensor, "m k"]
    logs: Float[Tensor, "m k"]

    def spread(self, vocab_size: int) -> Projection:
        """Log-probabilities of all tokens, the tail's spread evenly over those that are not known."""
        num_others = max(1, vocab_size - self.ids.shape[1])

        def dense(part: slice) -> Float[Tensor, "p v"]:
            ids, logs = self.ids[part], self.logs[part]
            rest = (1 - logs.exp().sum(-1, keepdim=True)).clamp_min(MIN_TAIL) / num_others
            return rest.log().expand(-1, vocab_size).scatter(-1, ids, logs)

        return dense


Teacher = States | Draws | Likeliest
"""What is known of the teacher at every token that has a next one."""


def predicted(segments: Int64[Tensor, "b t"]) -> Bool[Tensor, "b t-1"]:
    """Whether each token but the first is predicted: it and the one before are of the same protein."""
    return (segments[:, 1:] == segments[:, :-1]) & (segments[:, 1:] > 0)


def divergence(loss: DistillationLossConfig) -> Divergence:
    """The recipe's divergence of teacher and student."""
    match loss.divergence:
        case "forward_kl":
            return divergences.forward_kl
        case "reverse_kl":
            return divergences.reverse_kl
        case "jensen_shannon":
            return partial(divergences.jensen_shannon, beta=loss.beta)
        case "skewed_kl":
            return partial(divergences.skewed_kl, skew=loss.skew)
        case "skewed_reverse_kl":
            return partial(divergences.skewed_reverse_kl, skew=loss.skew)
        case "adaptive_kl":
            return partial(divergences.adaptive_kl, head=loss.head)
        case "total_variation":
            return divergences.total_variation


def target(logits: Float[Tensor, "t v"], loss: DistillationLossConfig) -> Float[Tensor, "t v"]:
    """Logarithms of the probabilities that the student learns: the teacher's at T, smoothed where the recipe says so.

    As published, ε = λ(1 − max p) is of the distribution at T, and with T = 10 close to λ at every token. Corrected, it
    is of the teacher's own distribution, which is smoothed and then softened.
    """
    match loss.calibration_smoothing:
        case "published":
            return smoothed(softened(logits, loss.temperature), SMOOTHING)
        case "corrected":
            return softened(smoothed(softened(logits, 1.0), SMOOTHING), loss.temperature)
        case _:
            return softened(logits, loss.temperature)


def uncertainty_weights(
    entropies: Float[Tensor, "m"], segments: Int64[Tensor, "b t"], *, renormalised: bool
) -> Float[Tensor, "m"]:
    """0.5 + 0.5 · u of each predicted token, 0 of others; u is the teacher's entropy, from 0 to 1 within each protein.

    Wijaya 2026 (bioRxiv 10.64898/2026.02.17.706304). As published the mean is about 0.75, which weakens the teacher as
    a lower 1 − α would; `renormalised` divides by each protein's mean. Where all entropies of a protein are equal, so
    are its weights. `entropies` are those of `predicted(segments)`, flattened.
    """
    mask = predicted(segments).flatten()
    rows = torch.arange(len(segments), device=segments.device)[:, None] * (segments.shape[1] + 1)
    proteins, blank = (rows + segments[:, 1:]).flatten(), entropies.new_zeros(len(segments) * (segments.shape[1] + 1))

    def over(values: Tensor, how: str) -> Tensor:
        return blank.scatter_reduce(0, proteins, values, how, include_self=False)[proteins]

    low = over(entropies.masked_fill(~mask, torch.inf), "amin")
    high = over(entropies.masked_fill(~mask, -torch.inf), "amax")
    spread = high - low
    weights = torch.where(mask, 0.5 + 0.5 * torch.where(spread > 0, (entropies - low) / spread, 0.0), 0.0)
    if renormalised:
        weights = weights * over(mask.float(), "sum") / over(weights, "sum")
        weights = torch.where(mask, weights, 0.0)
    return weights


def hard_and_soft(
    student_logits: Float[Tensor, "t v"],
    teacher_logits: Float[Tensor, "t v"] | None,
    targets: Int64[Tensor, "t"],
    loss: DistillationLossConfig,
) -> tuple[Float[Tensor, "t"], Float[Tensor, "t"] | None]:
    """Cross-entropy, and the divergence from the teacher's distribution at T, at each position, in nats.

    Hinton et al., arXiv 1503.02531, without the factor T², which is a weight. No gradient flows to the teacher.
    """
    logs = softened(student_logits, 1.0)
    hard = functional.nll_loss(logs, targets, reduction="none")
    if teacher_logits is None:
        return hard, None
    with torch.no_grad():
        taught = target(teacher_logits, loss)
    soft_logs = logs if loss.temperature == 1 else softened(student_logits, loss.temperature)
    return hard, divergence(loss)(taught, soft_logs)


def drawn_kl(
    ids: Int64[Tensor, "t k"],
    logs: Float[Tensor, "t k"],
    student: Float[Tensor, "t v"],
    temperature: float,
) -> Float[Tensor, "t"]:
    """KL(teacher ‖ student) at T from tokens drawn at T = 1 and the student's log-probabilities at T, in nats.

    A draw weighs p^(1/T − 1) over the sum of all draws'. At T = 1 value and gradient are unbiased; elsewhere they
    are of a ratio of two means, whose bias falls with the number of draws (arXiv 2503.16870).
    """
    powers = logs * (1 / temperature - 1)
    normaliser = powers.logsumexp(-1, keepdim=True)
    taught = logs / temperature - (normaliser - math.log(logs.shape[-1]))
    return ((powers - normaliser).exp() * (taught - student.gather(-1, ids))).sum(-1)


def distillation_sums(
    student: States,
    teacher: Teacher | None,
    tokens: Int64[Tensor, "b t"],
    segments: Int64[Tensor, "b t"],
    loss: DistillationLossConfig | float,
) -> tuple[dict[str, Float[Tensor, ""]], Float[Tensor, ""]]:
    """Sums of "hard" and, with a teacher, "soft" over predicted tokens, and their number.

    Logits are made of hidden states piece by piece, and their gradient with them wherever the recipe's weights are
    fixed. A number for `loss` is the temperature of a forward KL.
    """
    loss = loss if isinstance(loss, DistillationLossConfig) else DistillationLossConfig(temperature=loss)
    targets, mask = tokens[:, 1:].flatten(), predicted(segments).flatten()
    theirs = _projection(teacher, student.vocab_size)
    counts = mask.float() if theirs is None else _soft_counts(theirs, student, segments, loss)

    def piece(logits: Tensor, taught: Tensor | None, part: slice) -> Tensor:
        hard, soft = hard_and_soft(logits, taught, targets[part], loss)
        if isinstance(teacher, Draws):
            soft = drawn_kl(teacher.ids[part], teacher.logs[part], softened(logits, loss.temperature), loss.temperature)
        terms = [(hard * mask[part]).sum()]
        if soft is not None:
            terms.append((soft * counts[part]).sum())
        return torch.stack(terms)

    names, weights = ["hard", "soft"] if teacher else ["hard"], loss.weights()
    known = loss.balance == "fixed" and not loss.ramps and set(names) <= set(weights)
    sums = fused_sums(student, theirs, piece, [weights[name] for name in names] if known else None)
    return dict(zip(names, sums.unbind(), strict=True)), mask.sum().float()


def _projection(teacher: Teacher | None, vocab_size: int) -> Projection | None:
    """What makes the teacher's logits, where all of them are wanted."""
    match teacher:
        case States():
            return projection(teacher)
        case Likeliest():
            return teacher.spread(vocab_size)
        case _:
            return None


@torch.no_grad()
def _soft_counts(
    theirs: Projection, student: States, segments: Int64[Tensor, "b t"], loss: DistillationLossConfig
) -> Float[Tensor, "m"]:
    """How often the teacher counts at each position; uncertainty weighting costs another product with its head."""
    if loss.uncertainty_weighting == "off":
        return predicted(segments).flatten().float()
    entropies = torch.cat([entropy(softened(theirs(part), 1.0)) for part in parts(student)])
    return uncertainty_weights(entropies, segments, renormalised=loss.uncertainty_weighting == "corrected")
