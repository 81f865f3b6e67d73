"""TM-score of RNA, residues paired beforehand (Zhang & Skolnick 2004; RNA d0: Gong et al. 2019).

The score is a maximum over superpositions. It is sought as TM-score and US-align do: superpose fragments of several
lengths, then again and again the residues that come close; all starts go through each round together, and starts
that have come to the same residues go on as one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from monosome.rna.superposition import best_rotation

SHORT_D0 = ((12, 0.3), (16, 0.4), (20, 0.5), (24, 0.6), (30, 0.7))
"""d0 in Å for lengths below the first figure, as US-align has it for RNA."""
MIN_FRAGMENT = 4
NUM_FRAGMENT_LENGTHS = 6
NUM_ROUNDS = 20
MAX_DISTANCES = 1_000_000
"""Distances held at once; 30 MB with what they are made of."""


@dataclass(frozen=True, eq=False)
class TMScore:
    """The score in (0, 1], and the superposition of model onto native that reaches it."""

    score: float
    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, "3"]


def tm_d0(length: int) -> float:
    """Distance scale d0 in Å for a native of that many residues."""
    for limit, distance in SHORT_D0:
        if length < limit:
            return distance
    return 0.6 * float((length - 0.5) ** 0.5) - 2.5


def tm_score(
    model: Float[np.ndarray, "n 3"],
    native: Float[np.ndarray, "n 3"],
    native_length: int,
    starts: Bool[np.ndarray, "s n"] | None = None,
) -> TMScore:
    """TM-score of paired atoms of a model, normalised by the length of the native.

    `n` counts the residues that both have; those missing from the model score 0. `starts` are the residues of the
    first superpositions; without, all `fragments`.
    """
    search = Search(model, native, native_length)
    chosen = fragments(len(model)) if starts is None else starts
    found = [search.extend(part) for part in portions(chosen)]
    score, rotation, translation = max(found, key=lambda best: best[0])
    translation = translation + search.native_centre - rotation @ search.model_centre
    return TMScore(float(score), rotation, translation)


def fragments(length: int) -> Bool[np.ndarray, "s n"]:
    """The residues of the first superpositions: every run of n, n/2, n/4 … residues, down to four."""
    shortest = min(length, MIN_FRAGMENT)
    sizes = [max(length // 2**power, shortest) for power in range(NUM_FRAGMENT_LENGTHS - 1)] + [shortest]
    ends = [np.arange(size, length + 1)[:, None] for size in dict.fromkeys(sizes)]
    position = np.arange(length)
    return np.concatenate([(position < end) & (position >= end - end[0]) for end in ends])


def portions(chosen: Bool[np.ndarray, "s n"]) -> Iterator[Bool[np.ndarray, "_ n"]]:
    """The rows in portions that keep memory small."""
    size = max(1, MAX_DISTANCES // chosen.shape[-1])
    for row in range(0, len(chosen), size):
        yield chosen[row : row + size]


Superposition = tuple[float, Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]
"""Score, rotation, translation."""


class Search:
    """Many superpositions of one pair at a time, about the centres of both."""

    def __init__(self, model: Float[np.ndarray, "n 3"], native: Float[np.ndarray, "n 3"], native_length: int) -> None:
        self.length = native_length
        self.d0 = tm_d0(native_length)
        x, y = model.astype(np.float64), native.astype(np.float64)
        self.model_centre, self.native_centre = x.mean(axis=0), y.mean(axis=0)
        x, y = x - self.model_centre, y - self.native_centre
        # Sums of x·yᵀ, x, y and 1 are all that a superposition needs; with |x|² + |y|² they give the distances too.
        # Both are then one matrix product over all starts.
        products = (x[:, :, None] * y[:, None, :]).reshape(-1, 9)
        squares = (x**2 + y**2).sum(axis=-1, keepdims=True)
        self.moments = np.concatenate([products, x, y, np.ones_like(squares)], axis=-1)
        self.terms = np.concatenate([self.moments, squares], axis=-1).T.copy()

    def extend(self, chosen: Bool[np.ndarray, "s n"]) -> Superposition:
        """The best superposition met from any start: residues within reach are superposed until they were before."""
        reach = min(max(self.d0, 4.5), 8.0)
        seen: set[bytes] = set()
        best, squared = self.superpose(chosen)
        for cut in [reach - 1] + [reach + 1] * NUM_ROUNDS:
            chosen = new_rows(within(squared, cut), seen)
            if not len(chosen):
                break
            found, squared = self.superpose(chosen)
            best = max(best, found, key=lambda one: one[0])
        return best

    def superpose(self, chosen: Bool[np.ndarray, "s n"]) -> tuple[Superposition, Float[np.ndarray, "s n"]]:
        """The best-scoring of the superpositions of the chosen residues, and all squared distances in each."""
        sums = chosen.astype(np.float64) @ self.moments
        means = sums / sums[:, -1:]
        model, native = means[:, 9:12], means[:, 12:15]
        rotation = best_rotation(means[:, :9].reshape(-1, 3, 3) - model[:, :, None] * native[:, None, :])
        shift = native - (rotation @ model[:, :, None])[:, :, 0]
        # |Rx + t − y|² = |x|² + |y|² − 2 yᵀRx + 2 tᵀRx − 2 tᵀy + |t|²
        factors = np.empty((len(chosen), 17))
        factors[:, :9] = -2 * np.swapaxes(rotation, -1, -2).reshape(-1, 9)
        factors[:, 9:12] = 2 * (shift[:, None, :] @ rotation)[:, 0]
        factors[:, 12:15] = -2 * shift
        factors[:, 15] = np.square(shift).sum(axis=-1)
        factors[:, 16] = 1
        squared = factors @ self.terms
        scores = (1 / (1 + np.maximum(squared, 0) / self.d0**2)).sum(axis=-1) / self.length
        best = scores.argmax()
        return (float(scores[best]), rotation[best], shift[best]), squared


def new_rows(near: Bool[np.ndarray, "s n"], seen: set[bytes]) -> Bool[np.ndarray, "_ n"]:
    """The rows that are not in `seen`, each kind once; they are put there."""
    packed = np.packbits(near, axis=-1)
    content, width = packed.tobytes(), packed.shape[-1]
    rows = []
    for row in range(len(packed)):
        key = content[row * width : (row + 1) * width]
        if key not in seen:
            seen.add(key)
            rows.append(row)
    return near[rows]


def within(squared: Float[np.ndarray, "s n"], cut: float) -> Bool[np.ndarray, "s n"]:
    """Residues closer than `cut`; where they are fewer than three, the cut widens by half ångströms until they are.

    Two residues would leave the rotation open.
    """
    near = squared <= cut**2
    needed = min(3, squared.shape[-1])
    few = near.sum(axis=-1) < needed
    if few.any():
        third = np.sqrt(np.partition(squared[few], needed - 1, axis=-1)[:, needed - 1 : needed].clip(min=0))
        near[few] = squared[few] <= np.square(cut + np.ceil((third - cut) * 2) / 2)
    return np.asarray(near)
