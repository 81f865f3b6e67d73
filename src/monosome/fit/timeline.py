"""The tensors of a step in time: how much is held at every moment, and when the largest ones are made and freed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from monosome.fit.spans import Placed, placed

NUM_LARGEST = 24
NUM_MOMENTS = 600
"""Moments that a timeline keeps, each the fullest of its stretch."""
_MARK = "monosome: "
_ALLOCATION = "[memory]"


@dataclass(frozen=True)
class Lifetime:
    """A block of memory: its size, the seconds between which it was held, and what made it.

    `freed` is None where it outlives the step; `module` is empty outside of the network's modules.
    """

    size_bytes: int
    made: float
    freed: float | None
    operation: str
    module: str


@dataclass(frozen=True)
class Timeline:
    """What is held in a step, over seconds from its beginning; `held_bytes` of it was held before."""

    held_bytes: int
    moments: Sequence[tuple[float, int]]
    phases: Sequence[tuple[str, float]]
    largest: Sequence[Lifetime]
    """The largest blocks, in the order in which they were made."""
    num_blocks: int

    @property
    def peak_bytes(self) -> int:
        """Most bytes held at once."""
        return max(held for _, held in self.moments)


def timeline(recorded: Any, device_kind: str, held_bytes: int) -> Timeline:
    """The timeline of what torch.profiler recorded with memory, of blocks on one kind of device.

    `held_bytes` were held before. Allocations are what PyTorch asks its allocator for, or takes from its cache.
    """
    roots = recorded.profiler.kineto_results.experimental_event_tree()
    found = list(placed(roots, lambda event: event.children, _sequence))
    marks = [(each.event.name.removeprefix(_MARK), each.event.start_time_ns) for each in found if _is_mark(each)]
    blocks = [each for each in found if each.event.name == _ALLOCATION]
    start = min(each.event.start_time_ns for each in found)
    on_device = sorted(
        (each for each in blocks if each.event.extra_fields.device.type == device_kind),
        key=lambda each: each.event.start_time_ns,
    )
    lives = lifetimes(on_device, start)
    largest = sorted(lives, key=lambda life: -life.size_bytes)[:NUM_LARGEST]
    return Timeline(
        held_bytes=held_bytes,
        moments=thinned(_moments(on_device, start, held_bytes), NUM_MOMENTS),
        phases=[(name, (at - start) / 1e9) for name, at in marks],
        largest=sorted(largest, key=lambda life: life.made),
        num_blocks=len(lives),
    )


def lifetimes(blocks: Iterable[Placed], start: int) -> list[Lifetime]:
    """Allocations paired with what frees them, in the order of being made; those made before are left out."""
    made: dict[int, int] = {}
    found: list[Lifetime] = []
    for each in blocks:
        event, seconds = each.event.extra_fields, (each.event.start_time_ns - start) / 1e9
        if event.alloc_size > 0:
            made[event.ptr] = len(found)
            operation, module = (each.operations or ("",))[0], (each.modules or ("",))[-1]
            found.append(Lifetime(event.alloc_size, seconds, None, operation, module))
        elif event.ptr in made:
            place = made.pop(event.ptr)
            life = found[place]
            found[place] = Lifetime(life.size_bytes, life.made, seconds, life.operation, life.module)
    return found


def thinned(moments: Sequence[tuple[float, int]], num: int) -> list[tuple[float, int]]:
    """At most so many moments: of each stretch of equal length the fullest, so that no peak is lost."""
    if len(moments) <= num:
        return list(moments)
    bounds = [round(place * len(moments) / num) for place in range(num + 1)]
    return [max(moments[first:last], key=lambda moment: moment[1]) for first, last in pairwise(bounds)]


def _moments(blocks: Sequence[Placed], start: int, held: int) -> list[tuple[float, int]]:
    found = [(0.0, held)]
    for each in blocks:
        held += each.event.extra_fields.alloc_size
        found.append(((each.event.start_time_ns - start) / 1e9, held))
    return found


def _is_mark(each: Placed) -> bool:
    return bool(each.event.name.startswith(_MARK))


def _sequence(event: Any) -> int:
    number: int = getattr(event.extra_fields, "sequence_number", -1)
    return number
