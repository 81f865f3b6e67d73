"""How many examples of each length fit, from few traced points; and how long an example may be."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monosome.errors import ConfigError

MAX_DEGREE = 3
"""Memory and work grow with length cubed at most (triangle updates and attention)."""
NUM_TRACED = 4
"""Lengths that a table of more is drawn through: as many as a cubic needs."""
_TOLERANCE = 0.05
"""A longest length is right to this share: each try takes up to a minute."""


_CONTEXT_BYTES = {"cuda": 600 * 2**20, "mps": 0, "cpu": 260 * 2**20}
"""What a process takes before its first tensor. cpu: 259 MiB resident with PyTorch and this package imported.
cuda: context, kernels and cuBLAS's workspace, assumed and not measured: 0.3 to 0.6 GiB are commonly seen. mps: its
memory is what the system recommends for tensors."""
_OVERHEAD = {"cuda": 0.1, "mps": 0.1, "cpu": 0.05}
"""Share lost between blocks. cuda, mps: assumed and not measured. cpu: traced steps were up to 6 % off what was taken
(benchmarks/estimate.json)."""
_USABLE = 0.92
"""Share of a card's nominal memory that its driver reports at least (see hardware/presets.toml)."""


@dataclass(frozen=True)
class Memory:
    """What a card has for tensors: its memory, and what is lost of it before the first tensor and between tensors."""

    total_bytes: int
    context_bytes: int
    overhead: float
    """Share that is lost between blocks of the allocator."""

    def needed(self, traced_bytes: float) -> int:
        """Bytes of the card that a step with this traced peak takes."""
        return round(traced_bytes * (1 + self.overhead)) + self.context_bytes

    def holds(self, traced_bytes: float) -> bool:
        """Whether it fits."""
        return self.needed(traced_bytes) <= self.total_bytes


def memory_of(kind: str, nominal_bytes: int) -> Memory:
    """The memory of a device of that kind ("cuda", "cpu", "mps"), from what its maker or its system says."""
    total = round(nominal_bytes * _USABLE) if kind == "cuda" else nominal_bytes
    return Memory(total, _CONTEXT_BYTES[kind], _OVERHEAD[kind])


@dataclass(frozen=True)
class Fit:
    """The most examples of a length that fit at once, 0 where not even one does, and what they take of the card."""

    length: int
    micro_batch: int
    peak_bytes: int


def parsed_lengths(text: str) -> list[int]:
    """The lengths that "first:last:step" names, the last included; a single number names itself.

    Raises ConfigError for anything else.
    """
    words = text.split(":")
    hint = "for example --lengths 50:500:50"
    if len(words) not in (1, 3) or not all(word.isdigit() and int(word) for word in words):
        raise ConfigError(f"these are no lengths: {text!r}", hint)
    first, last, step = (*map(int, words),) if len(words) == 3 else (int(text), int(text), 1)
    if first > last:
        raise ConfigError(f"the first length, {first}, is above the last, {last}", hint)
    return list(range(first, last + 1, step))


def traced_lengths(lengths: Sequence[int]) -> list[int]:
    """The lengths to trace: all where there are few, else `NUM_TRACED` from the first to the last."""
    if len(lengths) <= NUM_TRACED:
        return list(lengths)
    return [lengths[round(place)] for place in np.linspace(0, len(lengths) - 1, NUM_TRACED)]


def curve(points: Mapping[int, float]) -> Callable[[float], float]:
    """The polynomial of lowest degree, `MAX_DEGREE` at most, through points by length (least squares where more)."""
    lengths = np.array(list(points))
    found = np.polynomial.Polynomial.fit(lengths, list(points.values()), min(MAX_DEGREE, len(points) - 1))
    return lambda length: float(found(length))


def traced_batch(length: int, lengths: Sequence[int], batch_size: int) -> int:
    """How many examples to trace beside one: a whole step of short ones, fewer of long ones, two at least.

    Operations work through long examples piece by piece, so the time of a trace grows with their number times length
    squared. What is missing follows a straight line: of long examples activations are the peak from the first on.
    """
    return min(batch_size, max(2, (max(lengths) // length) ** 2))


def best_fit(length: int, one: float, whole: float, batch_size: int, memory: Memory) -> Fit:
    """The most examples that fit, from the peak of one and of a whole step's.

    Between the two a straight line is drawn. A peak is the highest of several moments, each of which grows linearly
    with the number of examples, so the line lies on it or above.
    """
    slope = (whole - one) / max(1, batch_size - 1)
    for num in range(batch_size, 0, -1):
        if memory.holds(one + slope * (num - 1)):
            return Fit(length, num, memory.needed(one + slope * (num - 1)))
    return Fit(length, 0, memory.needed(one))


def longest(peak: Callable[[int], float], start: Mapping[int, float], limit: int, memory: Memory) -> int:
    """The longest example that fits, `limit` at most, 0 where none does; `peak` traces one length.

    `start` holds peaks that are known. The curve through the longest known ones says where to look next. The answer was
    traced itself, and the curve says that no length fits that is 5 % longer.
    """
    known = dict(start)
    fits = max((length for length, traced in known.items() if memory.holds(traced)), default=0)
    fails = min((length for length, traced in known.items() if not memory.holds(traced)), default=limit + 1)
    while (guess := _guess(known, (fits, fails), memory)) > (1 + _TOLERANCE) * fits:
        known[guess] = peak(guess)
        if memory.holds(known[guess]):
            fits = guess
        else:
            fails = guess
    return fits


def _guess(known: Mapping[int, float], bracket: tuple[int, int], memory: Memory) -> int:
    """A length between one that fits and one that does not, a little below where the curve meets the limit."""
    fits, fails = bracket
    above = curve(dict(sorted(known.items())[-MAX_DEGREE:]))
    meets = next((length for length in range(fits + 1, fails) if not memory.holds(above(length))), fails)
    below = round((1 - _TOLERANCE / 2) * meets) if meets < fails or known.get(fails) else meets - 1
    return max(min(below, fails - 1), min(fits + 1, fails - 1))
