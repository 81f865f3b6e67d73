"""What PyTorch's CPU allocator was asked for, event by event: the measured memory of a stretch of code."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from monosome.atomic import replacing

_MARK = "monosome: "
NUM_ENTRIES = 100_000
"""Events that an allocator's history keeps, the last ones; a step of rna/micro on 64 residues has 7,600."""


@dataclass
class Allocations:
    """Bytes live after each event of the allocator, from 0 at the beginning; `marks` are times that code named."""

    events: list[tuple[int, int]] = field(default_factory=list)
    """Time in nanoseconds, and bytes live from then on."""
    marks: list[tuple[int, str]] = field(default_factory=list)
    """Time in nanoseconds, and name."""

    def peak(self, start: int = 0, end: int = 2**63) -> int:
        """Most bytes live at once from `start` to `end`."""
        before = max((event for event in self.events if event[0] < start), default=(0, 0))[1]
        return max([before, *(live for at, live in self.events if start <= at < end)])

    def peaks_between_marks(self) -> list[int]:
        """The peak from each mark to the next, of the last to the end."""
        times = [at for at, _ in self.marks]
        return [self.peak(start, end) for start, end in zip(times, [*times[1:], 2**63], strict=True)]


@contextmanager
def cpu_allocations() -> Iterator[Allocations]:
    """Allocations that are filled in when the context ends.

    Every tensor and every scratch buffer of PyTorch's own kernels counts; what libraries take beside its allocator
    (oneDNN, the C runtime) does not.
    """
    found, total = Allocations(), 0
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as recorded:
        yield found
    assert recorded.profiler is not None
    for event in sorted(recorded.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            total += event.nbytes()
            found.events.append((event.start_ns(), total))
        elif event.name().startswith(_MARK):
            found.marks.append((event.start_ns(), event.name().removeprefix(_MARK)))


@contextmanager
def allocator_history(device: torch.device, path: Path) -> Iterator[Path | None]:
    """`path`, which holds the CUDA allocator's history when the context ends; None on other devices.

    PyTorch's own format, every block with the lines of code that asked for it; https://pytorch.org/memory_viz shows it.
    """
    if device.type != "cuda":
        yield None
        return
    torch.cuda.memory._record_memory_history(max_entries=NUM_ENTRIES, stacks="python")
    try:
        yield path
        with replacing(path) as temporary:
            torch.cuda.memory._dump_snapshot(str(temporary))
    finally:
        torch.cuda.memory._record_memory_history(None)


def mark(name: str) -> None:
    """Name this moment in what `cpu_allocations` records."""
    with record_function(_MARK + name):
        pass
