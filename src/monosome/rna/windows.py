"""A long RNA folded in windows: where they are cut, and how what was made of each is joined by confidence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from monosome.rna.frames import Frames
from monosome.rna.pairing import LONGEST_WHOLE, SPAN
from monosome.rna.superposition import MIN_POINTS, best_rotation, move, superpose

WINDOW = 400
"""Residues of a window where the whole is longer than LONGEST_WHOLE. In two ribosomal RNAs of 1,494 and 1,608 nt those
of 250, 400 and 700 found base pairs with mean F1 of .46, .46 and .45, in 20, 35 and 69 s; training saw 128 at once."""
SHORTEST = 64
"""Windows of fewer residues know less than a helix needs."""
HOLD = 0.1
"""Weight of the layout against that of a window where its confidence is 1: what windows agree on may move away from
it, far ends may not drift."""
NUM_ROUNDS = 5
"""Times that all windows are superposed on what they have in common."""


@dataclass(frozen=True, eq=False)
class Window:
    """Residues that are folded together, ascending; `weights` (0 to 1) fall towards where the chain is cut."""

    residues: Int64[np.ndarray, "n"]
    weights: Float32[np.ndarray, "n"]


@dataclass(frozen=True, eq=False)
class Part:
    """What the network made of a window: frames, sine and cosine of torsions, confidence (0 to 100), TM-score, and the
    predicted aligned error in Å, of the whole alone."""

    window: Window
    frames: Frames
    directions: Float[Tensor, "n t 2"]
    plddt: Float32[np.ndarray, "n"]
    ptm: float
    aligned_error: Float32[np.ndarray, "n n"] | None = None


def room(length: int) -> int:
    """Residues to fold together, of so many: all up to LONGEST_WHOLE, where pairs begin to be found in windows, too."""
    return length if length <= LONGEST_WHOLE else WINDOW


def cut(length: int, pairs: Sequence[tuple[int, int]], most: int) -> list[Window]:
    """Windows of at most that many residues that overlap, hold all residues, and each pair (from 0) at least once.

    A window is a stretch of the chain, and the partners of its residues where no stretch holds both.
    """
    if length <= most:
        return [Window(np.arange(length), np.ones(length, dtype=np.float32))]
    for longest in range(most, most // 2, -max(1, most // 20)):
        windows = _windows(length, pairs, longest)
        if all(len(window.residues) <= most for window in windows):
            break
    return windows


def _windows(length: int, pairs: Sequence[tuple[int, int]], longest: int) -> list[Window]:
    overlap = min(SPAN, longest // 2)
    num = -(-(length - overlap) // (longest - overlap))
    starts = np.linspace(0, length - longest, num).round().astype(np.int64) if num > 1 else np.zeros(1, dtype=np.int64)
    partners = _far_partners(length, pairs, starts, longest)
    found = []
    for start in starts.tolist():
        stretch = np.arange(start, min(start + longest, length))
        guests = np.setdiff1d(partners[stretch], [-1, *stretch.tolist()])
        before = stretch - start + 1 if start else np.full(len(stretch), overlap)
        after = start + longest - stretch if start + longest < length else np.full(len(stretch), overlap)
        weights = np.minimum(np.minimum(before, after) / overlap, 1).astype(np.float32)
        residues = np.concatenate([stretch, guests])
        order = residues.argsort()
        found.append(Window(residues[order], np.append(weights, np.ones(len(guests), dtype=np.float32))[order]))
    return found


def _far_partners(
    length: int, pairs: Sequence[tuple[int, int]], starts: Int64[np.ndarray, "k"], longest: int
) -> Int64[np.ndarray, "n"]:
    """The partner of each residue where no stretch holds the pair, -1 elsewhere."""
    partners = np.full(length, -1)
    for i, j in pairs:
        if not ((starts <= min(i, j)) & (max(i, j) < starts + longest)).any():
            partners[i], partners[j] = j, i
    return partners


def mean_chances(
    found: Iterable[tuple[Window, Float32[np.ndarray, "m m"]]], elsewhere: Float32[np.ndarray, "n n"]
) -> Float32[np.ndarray, "n n"]:
    """Chances of pairs, means over the windows that hold both residues; `elsewhere` where none does."""
    total, shares = np.zeros_like(elsewhere), np.zeros_like(elsewhere)
    for window, chances in found:
        here = np.ix_(window.residues, window.residues)
        share = np.outer(window.weights, window.weights)
        total[here] += share * chances
        shares[here] += share
    return np.where(shares > 0, total / np.maximum(shares, np.float32(1e-12)), elsewhere)


def join(parts: Sequence[Part], layout: Frames, *, is_laid_out: bool) -> Part:
    """The whole chain: each window where it fits best to what the others made of the residues they share.

    All are superposed on the mean of all, weighted by confidence, several times (generalised Procrustes analysis: Gower
    1975, Psychometrika 40, 33). Where `is_laid_out`, the windows started from parts of the layout, which then counts
    like a window of low confidence; else one window is put at the next. A frame is the mean of those of its windows,
    its torsions are those of the most confident one. The TM-score is that of the best window, all outside it wrong.
    """
    if len(parts) == 1:
        return parts[0]
    length = len(layout.translations)
    mean = layout.translations.double().numpy() if is_laid_out else np.full((length, 3), np.nan)
    shares = [part.window.weights * part.plddt / 100 for part in parts]
    motions = []
    for part, share in zip(parts, shares, strict=True):  # each on what stands already
        motions.append(_motion(part, share, mean))
        fresh = np.isnan(mean[part.window.residues]).any(axis=1)
        mean[part.window.residues[fresh]] = _moved(part, motions[-1])[fresh]
    anchor = np.nan_to_num(layout.translations.double().numpy()), HOLD if is_laid_out else 0.0
    for _ in range(NUM_ROUNDS):
        mean = _mean(parts, shares, motions, *anchor)
        motions = [_motion(part, share, mean) for part, share in zip(parts, shares, strict=True)]
    return _joined(parts, shares, motions, length)


Motion = tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]


def _motion(part: Part, share: Float32[np.ndarray, "n"], mean: Float[np.ndarray, "m 3"]) -> Motion:
    known = ~np.isnan(mean[part.window.residues]).any(axis=1)
    if known.sum() < MIN_POINTS:
        return np.eye(3), np.zeros(3)
    places = part.frames.translations.double().numpy()[known]
    return superpose(places, mean[part.window.residues][known], share[known])


def _moved(part: Part, motion: Motion) -> Float[np.ndarray, "n 3"]:
    return move(part.frames.translations.double().numpy(), *motion)


def _mean(
    parts: Sequence[Part],
    shares: Sequence[Float32[np.ndarray, "_"]],
    motions: Sequence[Motion],
    anchor: Float[np.ndarray, "n 3"],
    hold: float,
) -> Float[np.ndarray, "n 3"]:
    total, weights = hold * anchor, np.full((len(anchor), 1), hold)
    for part, share, motion in zip(parts, shares, motions, strict=True):
        total[part.window.residues] += share[:, None] * _moved(part, motion)
        weights[part.window.residues] += share[:, None]
    return total / weights


def _joined(
    parts: Sequence[Part], shares: Sequence[Float32[np.ndarray, "_"]], motions: Sequence[Motion], length: int
) -> Part:
    places = _mean(parts, shares, motions, np.zeros((length, 3)), 0.0)
    turns, weights, plddt = np.zeros((length, 3, 3)), np.zeros(length), np.zeros(length)
    most, directions = np.zeros(length), torch.zeros(length, *parts[0].directions.shape[1:])
    for part, share, motion in zip(parts, shares, motions, strict=True):
        here = part.window.residues
        turns[here] += share[:, None, None] * (motion[0] @ part.frames.rotations.double().numpy())
        weights[here] += share
        plddt[here] += share * part.plddt
        best = share > most[here]
        directions[torch.from_numpy(here[best])] = part.directions[torch.from_numpy(best)]
        most[here] = np.maximum(most[here], share)
    rotations = best_rotation(np.swapaxes(turns, -1, -2))
    frames = Frames(torch.from_numpy(rotations).float(), torch.from_numpy(places).float())
    whole = Window(np.arange(length), np.ones(length, dtype=np.float32))
    return Part(whole, frames, directions, (plddt / weights).astype(np.float32), max(part.ptm for part in parts))
