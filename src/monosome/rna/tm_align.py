"""TM-score of RNA without regard to residue numbers: the search for an alignment, and for its superposition.

The alignment keeps the order along the chains and may have gaps anywhere, as in TM-align and US-align (Zhang & Skolnick
2005; Gong et al. 2019). Superpositions of fragments are tried, each with its best alignment; the most promising climb
in turns: align by the superposition, superpose by the alignment. Neither turn can lower the score.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int64

from monosome.rna.superposition import superpose
from monosome.rna.tm_score import MIN_FRAGMENT, TMScore, tm_d0, tm_score
from monosome.sequences.alignment import align, best_sums

FRAGMENTS = (32, 16, 8, 5)
"""Residues of the fragments that first superpositions come from."""
MAX_FIRST = 2000
"""First superpositions of each length."""
MAX_FIRST_CELLS = 60_000_000
"""Their cells of alignment tables, where the chains are long."""
NUM_CLIMBING, MIN_CLIMBING = 100, 10
"""First superpositions that climb, of short chains and of long ones."""
MAX_CLIMBING_CELLS = 1_000_000
"""Their cells of alignment tables in between."""
NUM_TURNS = 15
NUM_FINALISTS = 6
"""Alignments that TM-score's own search ends."""
SOFTENING = (0.8, 0.0)
"""What is added to d0 (Å) while climbing: a wide reach first; TM-align searches with 0.8."""
GAP_OPENINGS = (-0.6, 0.0)
"""TM-align's penalty, in units of one residue's score, and none, which is optimal for a given superposition."""
MAX_CELLS = 3_000_000
"""Cells of alignment tables held at once; 12 MB a table."""

Superpositions = tuple[Float[np.ndarray, "_ 3 3"], Float[np.ndarray, "_ 3"]]
"""Rotations and translations."""


@dataclass(frozen=True, eq=False)
class TMAlignment:
    """The score with its superposition, and the residues that it is counted over as pairs (model, native)."""

    found: TMScore
    pairs: Int64[np.ndarray, "p 2"]


def tm_align(model: Float[np.ndarray, "m 3"], native: Float[np.ndarray, "n 3"], native_length: int) -> TMAlignment:
    """The best TM-score over alignments that keep the order of residues, normalised by the length of the native."""
    x, y = model.astype(np.float64), native.astype(np.float64)
    search = _Search(x - x.mean(axis=0), y - y.mean(axis=0), tm_d0(native_length))
    first = search.promising(_first_superpositions(search.model, search.native))
    partners = [search.climb(first, gap) for gap in GAP_OPENINGS]
    scores = [search.scores(*found) for found in partners]
    order = np.argsort(-np.concatenate(scores), kind="stable")
    everyone = np.concatenate([found[0] for found in partners])[order]
    _, kinds = np.unique(everyone, axis=0, return_index=True)
    finalists = [search.finish(everyone[row], native_length) for row in np.sort(kinds)[:NUM_FINALISTS]]
    best, pairs = max(finalists, key=lambda final: final[0].score)
    translation = best.translation + y.mean(axis=0) - best.rotation @ x.mean(axis=0)
    return TMAlignment(TMScore(best.score, best.rotation, translation), pairs)


def _first_superpositions(model: Float[np.ndarray, "m 3"], native: Float[np.ndarray, "n 3"]) -> Superpositions:
    """Fragments of model on fragments of native, and each whole on the other without gaps at every offset."""
    shorter, cells = min(len(model), len(native)), len(model) * len(native)
    num = max(50, min(MAX_FIRST, MAX_FIRST_CELLS // cells))
    rotations, translations = [], []
    for size in dict.fromkeys(min(size, shorter) for size in FRAGMENTS):
        step = max(1, round((cells / num) ** 0.5))
        mobile, target = (
            np.stack([points[start : start + size] for start in range(0, len(points) - size + 1, step)])
            for points in (model, native)
        )
        turn, shift = superpose(mobile[:, None], target[None, :])
        rotations.append(turn.reshape(-1, 3, 3))
        translations.append(shift.reshape(-1, 3))
    least = min(shorter, max(MIN_FRAGMENT, shorter // 2))
    offsets = range(least - len(model), len(native) - least + 1)
    for offset in offsets[:: max(1, len(offsets) // num)]:
        start, end = max(0, -offset), min(len(model), len(native) - offset)
        turn, shift = superpose(model[start:end], native[start + offset : end + offset])
        rotations.append(turn[None])
        translations.append(shift[None])
    return np.concatenate(rotations), np.concatenate(translations)


class _Search:
    """Superpositions and alignments of one pair of chains about their centres."""

    def __init__(self, model: Float[np.ndarray, "m 3"], native: Float[np.ndarray, "n 3"], d0: float) -> None:
        self.model, self.native, self.d0 = model, native, d0
        self.squares = np.square(native).sum(axis=-1)

    def likeness(self, superpositions: Superpositions, scale: float) -> Float32[np.ndarray, "k m n"]:
        """1/(1 + (d/scale)²) of every residue of the model, moved, with every one of the native."""
        rotation, shift = superpositions
        moved = self.model @ np.swapaxes(rotation, -1, -2) + shift[:, None, :]
        squared = np.square(moved).sum(axis=-1)[..., None] + self.squares - 2 * moved @ self.native.T
        return (1 / (1 + squared.clip(min=0) / scale**2)).astype(np.float32)

    def promising(self, first: Superpositions) -> Superpositions:
        """Those of which the best alignment at a wide reach scores most."""
        size = max(1, MAX_CELLS // (len(self.model) * len(self.native)))
        sums = [
            best_sums(self.likeness((first[0][row : row + size], first[1][row : row + size]), self.d0 + SOFTENING[0]))
            for row in range(0, len(first[0]), size)
        ]
        num = max(MIN_CLIMBING, min(NUM_CLIMBING, MAX_CLIMBING_CELLS // (len(self.model) * len(self.native))))
        order = np.argsort(-np.concatenate(sums), kind="stable")[:num]
        return first[0][order], first[1][order]

    def climb(self, superpositions: Superpositions, gap: float) -> tuple[Int64[np.ndarray, "k m"], Superpositions]:
        """The alignments, as partners of each residue of the model or −1, that turns of both lead to."""
        partners = np.full((len(superpositions[0]), len(self.model)), -1)
        for softening in SOFTENING:
            for _ in range(NUM_TURNS):
                before = partners
                partners = self.align(superpositions, self.d0 + softening, gap)
                superpositions = self.superpose(partners, superpositions, self.d0 + softening)
                if np.array_equal(before, partners):
                    break
        return partners, superpositions

    def align(self, superpositions: Superpositions, scale: float, gap: float) -> Int64[np.ndarray, "k m"]:
        """The best alignment at each superposition."""
        size = max(1, MAX_CELLS // (len(self.model) * len(self.native)))
        rotation, shift = superpositions
        parts = [
            align(self.likeness((rotation[row : row + size], shift[row : row + size]), scale), gap)
            for row in range(0, len(rotation), size)
        ]
        return np.concatenate(parts)

    def superpose(
        self, partners: Int64[np.ndarray, "k m"], superpositions: Superpositions, scale: float
    ) -> Superpositions:
        """One better superposition for each alignment: least squares, weighted by how close the pairs are now."""
        weights = np.square(self._pair_scores(partners, superpositions, scale))
        weights += 1e-12 * (partners >= 0)  # where all are far apart
        weights[:, :MIN_FRAGMENT] += 1e-15  # where nothing is aligned
        return superpose(
            np.broadcast_to(self.model, (len(partners), *self.model.shape)), self.native[partners], weights
        )

    def scores(self, partners: Int64[np.ndarray, "k m"], superpositions: Superpositions) -> Float[np.ndarray, "k"]:
        """Sum over each alignment of 1/(1 + (d/d0)²)."""
        return np.asarray(self._pair_scores(partners, superpositions, self.d0).sum(axis=-1))

    def _pair_scores(
        self, partners: Int64[np.ndarray, "k m"], superpositions: Superpositions, scale: float
    ) -> Float[np.ndarray, "k m"]:
        rotation, shift = superpositions
        moved = self.model @ np.swapaxes(rotation, -1, -2) + shift[:, None, :]
        squared = np.square(moved - self.native[partners]).sum(axis=-1)
        return np.where(partners >= 0, 1 / (1 + squared / scale**2), 0)

    def finish(self, partners: Int64[np.ndarray, "m"], native_length: int) -> tuple[TMScore, Int64[np.ndarray, "p 2"]]:
        """TM-score's own search over an alignment, and over those that its superposition gives, while that helps."""
        pairs = _pairs(partners)
        best = tm_score(self.model[pairs[:, 0]], self.native[pairs[:, 1]], native_length)
        for _ in range(NUM_TURNS):
            again = _pairs(self.align((best.rotation[None], best.translation[None]), self.d0, 0.0)[0])
            found = tm_score(self.model[again[:, 0]], self.native[again[:, 1]], native_length)
            if found.score <= best.score + 1e-6:
                break
            best, pairs = found, again
        return best, pairs


def _pairs(partners: Int64[np.ndarray, "m"]) -> Int64[np.ndarray, "p 2"]:
    rows = np.flatnonzero(partners >= 0)
    return np.stack([rows, partners[rows]], axis=-1)
