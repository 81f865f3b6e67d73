"""The terms of BetaRho's loss, each one number per chain, always in fp32."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from monosome.rna.frames import Frames
from monosome.rna.pair_labels import CANONICAL, NOT_CANONICAL, UNKNOWN
from monosome.rna.tm_score import tm_d0

FAPE_UNIT = 10.0
"""Å per unit of FAPE, and its clamp (Jumper et al. 2021, Suppl. Alg. 28)."""
_FAPE_EPS = 1e-4
NUM_DISTANCE_BINS = 64
_FIRST_EDGE, _LAST_EDGE = 2.3125, 21.6875
"""Range of the distogram in Å (Suppl. 1.9.8)."""
NUM_PLDDT_BINS = 50
NUM_PAE_BINS, PAE_STEP = 64, 0.5
"""Bins of the predicted aligned error, their width in Å; the last has all above (Jumper et al. 2021, Suppl. 1.9.7)."""
INCLUSION = 15.0
"""Atoms closer than this in the native count for lDDT, in Å (Mariani et al. 2013)."""
SMOOTH_INCLUSION = 30.0
"""The same for the smooth loss, of nucleic acids (Abramson et al. 2024, Suppl. Alg. 27)."""
THRESHOLDS = (0.5, 1.0, 2.0, 4.0)
"""Deviations in Å that lDDT averages over (Mariani et al. 2013)."""


def fape(
    frames: Frames,
    points: Float[Tensor, "b m 3"],
    true_frames: Frames,
    true_points: Float[Tensor, "b m 3"],
    masks: tuple[Float[Tensor, "b n"], Float[Tensor, "b m"]],
    clamp: Float[Tensor, "b"],
) -> Float[Tensor, "b"]:
    """Frame-aligned point error of each chain, in units of 10 Å: how far points lie from where each frame wants them.

    Jumper et al. 2021, Suppl. Alg. 28. `masks` say which frames and which points are known, `clamp` (Å) bounds the
    error of each chain; infinite does not bound it. 0 for a chain without known frames.
    """
    predicted = frames.inverse_apply(points.unsqueeze(1))
    true = true_frames.inverse_apply(true_points.unsqueeze(1))
    distances = ((predicted - true).square().sum(-1) + _FAPE_EPS).sqrt()
    clamped = torch.minimum(distances, clamp[:, None, None])
    return masked_mean(clamped, masks[0].unsqueeze(2) * masks[1].unsqueeze(1)) / FAPE_UNIT


def trace_fape(
    predicted: Float[Tensor, "b n 3"],
    true: Float[Tensor, "b n 3"],
    mask: Float[Tensor, "b n"],
    clamp: Float[Tensor, "b"],
) -> Float[Tensor, "b"]:
    """FAPE of one atom per residue, seen from frames on each three in a row: for natives of which no more is known.

    In units of 10 Å; 0 for a chain without three in a row.
    """
    frames, true_frames = (
        Frames.from_points(points[:, 1:-1], points[:, 2:], points[:, :-2]) for points in (predicted, true)
    )
    has_frame = mask[:, :-2] * mask[:, 1:-1] * mask[:, 2:]
    return fape(frames, predicted, true_frames, true, (has_frame, mask), clamp)


def smooth_lddt_loss(
    predicted: Float[Tensor, "b n p 3"], true: Float[Tensor, "b n p 3"], mask: Float[Tensor, "b n p"]
) -> Float[Tensor, "b"]:
    """1 − lDDT of each chain with soft thresholds, over points of different residues (Abramson et al. 2024, Alg. 27).

    A pair within 30 Å in the native counts the mean of sigmoid(t − |change of distance|) over t of 0.5, 1, 2 and 4 Å.
    0 for a chain without such a pair.
    """
    points, native, known = predicted.flatten(1, 2), true.flatten(1, 2), mask.flatten(1, 2)
    distances = _distances(native)
    change = (_distances(points) - distances).abs()
    kept = torch.stack([(threshold - change).sigmoid() for threshold in THRESHOLDS]).mean(dim=0)
    residue = torch.arange(predicted.shape[1], device=predicted.device).repeat_interleave(predicted.shape[2])
    counts = known.unsqueeze(1) * known.unsqueeze(2) * (residue.unsqueeze(0) != residue.unsqueeze(1))
    return masked_mean(1 - kept, counts * (distances < SMOOTH_INCLUSION))


def distogram_loss(
    logits: Float[Tensor, "b n n p k"], true: Float[Tensor, "b n p 3"], mask: Float[Tensor, "b n p"]
) -> Float[Tensor, "b"]:
    """Cross-entropy of the bins of distances of like atoms of different residues, in nats (Suppl. Eq. 41)."""
    edges = torch.linspace(_FIRST_EDGE, _LAST_EDGE, NUM_DISTANCE_BINS - 1, device=true.device)
    length = logits.shape[1]
    first, second = torch.triu_indices(length, length, offset=1, device=true.device)  # the other half is the same
    bins = torch.bucketize((true[:, first] - true[:, second]).norm(dim=-1), edges)
    nats = F.cross_entropy(logits[:, first, second].float().movedim(-1, 1), bins, reduction="none")
    return masked_mean(nats, mask[:, first] * mask[:, second])


def pair_loss(logits: Float[Tensor, "b n n k"], labels: Int64[Tensor, "b n n"]) -> Float[Tensor, "b"]:
    """Cross-entropy of the classes of all pairs of residues, in nats per residue of which some pair is known.

    Of pairs that are not canonical, and of which no more is known, −log of the chance that they are not.
    """
    logs = logits.float().log_softmax(dim=-1)
    exact = -logs.gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    others = torch.cat([logs[..., :CANONICAL], logs[..., CANONICAL + 1 :]], dim=-1)
    nats = torch.where(labels == NOT_CANONICAL, -others.logsumexp(dim=-1), exact)
    known = _off_diagonal((labels != UNKNOWN).float())
    return (nats * known).sum(dim=(1, 2)) / 2 / known.amax(dim=2).sum(dim=1).clamp(min=1)


def pae_loss(
    logits: Float[Tensor, "b n n k"],
    frames: Frames,
    true_frames: Frames,
    masks: tuple[Float[Tensor, "b n"], Float[Tensor, "b n"]],
) -> Float[Tensor, "b"]:
    """Cross-entropy of the predicted aligned error's bins, in nats; no gradient reaches the frames (Suppl. 1.9.7).

    `masks` say which frames and which of their origins are known.
    """
    with torch.no_grad():
        predicted = frames.inverse_apply(frames.translations.unsqueeze(1))
        true = true_frames.inverse_apply(true_frames.translations.unsqueeze(1))
        bins = ((predicted - true).norm(dim=-1) / PAE_STEP).long().clamp(max=NUM_PAE_BINS - 1)
    nats = F.cross_entropy(logits.float().permute(0, 3, 1, 2), bins, reduction="none")
    return masked_mean(nats, masks[0].unsqueeze(2) * masks[1].unsqueeze(1))


def predicted_tm_score(logits: Float[Tensor, "n n k"], length: int | None = None) -> Float[Tensor, ""]:
    """TM-score expected by the best frame, 0 to 1, from predicted aligned errors (Suppl. Eq. 39), by the RNA d0.

    Where these are residues of a molecule of `length`, the others count as wrong.
    """
    length = length or len(logits)
    centres = (torch.arange(NUM_PAE_BINS, device=logits.device) + 0.5) * PAE_STEP
    kept = 1 / (1 + (centres / tm_d0(length)) ** 2)
    # By rows: of 2,000 residues all softmaxes and products take 2 GB beside as much for logits and pairs.
    means = [(rows.float().softmax(dim=-1) @ kept).sum(dim=-1) / length for rows in logits.split(64)]
    return torch.cat(means).amax()


def expected_aligned_error(logits: Float[Tensor, "n n k"]) -> Float[Tensor, "n n"]:
    """Predicted aligned error in Å, of each residue seen from the frame of each: the mean over its bins."""
    centres = (torch.arange(NUM_PAE_BINS, device=logits.device) + 0.5) * PAE_STEP
    return torch.cat([rows.float().softmax(dim=-1) @ centres for rows in logits.split(64)])


def plddt_loss(
    logits: Float[Tensor, "b n k"],
    predicted: Float[Tensor, "b n 3"],
    true: Float[Tensor, "b n 3"],
    mask: Float[Tensor, "b n"],
) -> Float[Tensor, "b"]:
    """Cross-entropy of the predicted lDDT's bins, in nats; no gradient reaches the coordinates (Suppl. 1.9.6)."""
    truth = lddt(predicted.detach(), true, mask)
    bins = (truth * NUM_PLDDT_BINS).long().clamp(max=NUM_PLDDT_BINS - 1)
    return masked_mean(F.cross_entropy(logits.float().mT, bins, reduction="none"), mask)


def expected_plddt(logits: Float[Tensor, "*batch n k"]) -> Float[Tensor, "*batch n"]:
    """Predicted lDDT of each residue, 0 to 100: the mean over its bins."""
    centres = (torch.arange(NUM_PLDDT_BINS, device=logits.device) + 0.5) * (100 / NUM_PLDDT_BINS)
    return (logits.float().softmax(dim=-1) * centres).sum(-1)


def lddt(
    predicted: Float[Tensor, "b n 3"], true: Float[Tensor, "b n 3"], mask: Float[Tensor, "b n"]
) -> Float[Tensor, "b n"]:
    """lDDT of one atom per residue, 0 to 1: the share of distances within 15 Å in the native that are kept.

    Mariani et al. 2013, without a stereochemistry check. A residue without a neighbour scores 0.
    """
    true_distances = _distances(true)
    counted = _pair_mask(mask) * (true_distances < INCLUSION)
    deviation = (_distances(predicted) - true_distances).abs()
    kept = torch.stack([(deviation < threshold).float() for threshold in THRESHOLDS]).mean(0)
    return (kept * counted).sum(-1) / counted.sum(-1).clamp(min=1)


def masked_mean(values: Float[Tensor, "b *rest"], mask: Float[Tensor, "b *rest"]) -> Float[Tensor, "b"]:
    """Mean of each chain's values where the mask is 1; 0 where it is 1 nowhere."""
    return (values * mask).flatten(1).sum(1) / mask.flatten(1).sum(1).clamp(min=1)


def unclamped(draws: Int64[Tensor, "b"], share: float) -> Float[Tensor, "b"]:
    """The clamp of each chain in Å, from one random 32-bit number each: infinite for that share of them."""
    return torch.where(draws < share * 2**32, math.inf, FAPE_UNIT)


def _distances(points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n n"]:
    return (points.unsqueeze(2) - points.unsqueeze(1)).float().norm(dim=-1)


def _pair_mask(mask: Float[Tensor, "b n"]) -> Float[Tensor, "b n n"]:
    return _off_diagonal(mask.unsqueeze(1) * mask.unsqueeze(2))


def _off_diagonal(mask: Float[Tensor, "b n n"]) -> Float[Tensor, "b n n"]:
    return mask * (1 - torch.eye(mask.shape[1], device=mask.device))
