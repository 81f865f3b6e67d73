"""Which examples each step learns from: a pure function of the seed and the step, so nothing else need be stored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from jaxtyping import Float64, Int64

from monosome.errors import DataError

WINDOW_BATCHES = 32
"""Batches per sorting window. On 71,723 proteins in batches of 8, padding is 60 % of all positions unsorted, 22 % with
windows of 8 batches, 6 % with 32, 3 % with 64; the wider the window, the less random the company an example keeps."""


@dataclass(frozen=True)
class Cursor:
    """Where a step stands in the data: its epoch, and the number of its batch in the epoch's order."""

    epoch: int
    position: int


class Batches:
    """The batches of a run, bucketed by length; every epoch holds each example exactly once.

    An epoch is a seeded shuffle, sorted by length inside windows of `WINDOW_BATCHES` batches, cut into batches whose
    order is shuffled again. The last batch cut may be short. Within a batch, lengths ascend.

    With `weights`, in any unit, an epoch holds the heaviest examples once and each other with the chance of its weight
    over theirs, never twice: epochs are shorter, and all of one length.
    Raises DataError when there are no examples, or none of a weight above 0.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, seed: int, weights: Sequence[float] | None = None
    ) -> None:
        if not lengths:
            raise DataError("there are no training examples", "look at the section `data` of the recipe")
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.weights = None if weights is None else np.asarray(weights, dtype=np.float64)
        self.num_drawn = len(lengths) if self.weights is None else _num_drawn(self.weights)
        self.num_batches = -(-self.num_drawn // batch_size)
        self._epoch = -1

    def cursor(self, step: int) -> Cursor:
        """The place of a step, counted from 0."""
        return Cursor(*divmod(step, self.num_batches))

    def at(self, step: int) -> list[int]:
        """Indices of the examples that a step learns from."""
        cursor = self.cursor(step)
        if cursor.epoch != self._epoch:
            self._shuffle(cursor.epoch)
        start = int(self._starts[cursor.position])
        return [int(index) for index in self._order[start : start + self.batch_size]]

    def _shuffle(self, epoch: int) -> None:
        generator = np.random.default_rng(mixed(self.seed, epoch))
        shuffled = generator.permutation(len(self.lengths))
        if self.weights is not None:
            shuffled = _drawn(shuffled, self.weights, self.num_drawn, generator.random())
        windows = np.arange(len(shuffled)) // (WINDOW_BATCHES * self.batch_size)
        self._order = shuffled[np.lexsort((self.lengths[shuffled], windows))]
        self._starts = generator.permutation(self.num_batches) * self.batch_size
        self._epoch = epoch


def _num_drawn(weights: Float64[np.ndarray, "m"]) -> int:
    """Examples of an epoch in which the heaviest come once."""
    if not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
        raise DataError("no training example has a weight above 0", "look at the section `data` of the recipe")
    return max(1, int(weights.sum() / weights.max() + 1e-9))  # ten times 0.1 over 0.1 is 9.999…


def _drawn(
    shuffled: Int64[np.ndarray, "m"], weights: Float64[np.ndarray, "m"], num: int, offset: float
) -> Int64[np.ndarray, "_"]:
    """`num` of the shuffled examples by systematic sampling (Madow 1949): marks at equal distances along the weights.

    No example is longer than the distance of two marks, so none is drawn twice; equal weights draw each once.
    """
    ends = weights[shuffled].cumsum()
    marks = (np.arange(num) + offset) * (ends[-1] / num)
    return shuffled[np.searchsorted(ends, np.minimum(marks, np.nextafter(ends[-1], 0)), side="right")]


@dataclass(frozen=True)
class Stage:
    """Steps from `first` on, whose examples have at most the length `limit` and epochs of their own."""

    first: int
    limit: int | None
    batches: Batches

    def cursor(self, step: int) -> Cursor:
        """The place of a step of the run in the data of this stage."""
        return self.batches.cursor(step - self.first)

    def at(self, step: int) -> list[int]:
        """Indices of the examples that a step of the run learns from."""
        return self.batches.at(step - self.first)


def stage_of(stages: Sequence[Stage], step: int) -> Stage:
    """The stage that a step falls into; the first begins at step 0."""
    return next(stage for stage in reversed(stages) if stage.first <= step)


def stage_seed(seed: int, first: int) -> int:
    """The seed of the order of a stage: the run's own where there is but one."""
    return mixed(seed, first) if first else seed


def split(indices: Sequence[int], fits: Callable[[Sequence[int]], bool]) -> list[list[int]]:
    """The indices in order, each piece as long as it fits; a single one is a piece whether it fits or not."""
    pieces = list[list[int]]()
    for index in indices:
        if pieces and fits([*pieces[-1], index]):
            pieces[-1].append(index)
        else:
            pieces.append([index])
    return pieces


def mixed(*numbers: int) -> int:
    """A seed of 63 bits from several numbers, the same on every machine: neighbours share nothing."""
    digest = blake2b(",".join(map(str, numbers)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def example_seeds(seed: int, indices: Sequence[int], step: int) -> list[int]:
    """One seed per example for the random draws of a step: it depends on no other example of the batch."""
    return [mixed(seed, index, step) for index in indices]
