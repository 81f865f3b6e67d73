"""A training step measured: time and peak memory of its phases and modules, and the operations that take longest."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from monosome.config import Config
from monosome.fit.allocations import allocator_history, cpu_allocations, mark
from monosome.fit.estimate import AnyTask
from monosome.fit.spans import is_node, is_span, placed, spanned
from monosome.fit.timeline import Timeline, timeline
from monosome.hardware.counters import peak_memory_bytes, reset_peak_memory, synchronize
from monosome.hardware.detect import Device
from monosome.task import Batch, Loss
from monosome.train.savers import recomputed
from monosome.train.step import Learner, MicroBatch

PHASES = ("forward", "backward", "optimizer")
"""Forward holds the loss; backward, the division and the clipping of gradients."""
_END = "end"
_LISTED = re.compile(r"\.\d+(?=\.|$)")
NUM_HOT_SPOTS = 15
DEPTH = 3
"""Of the names that a module is timed by: structure.blocks.0.ipa has three."""


@dataclass(frozen=True)
class Measured:
    """A step on `num_examples` examples of `length`: seconds and most bytes held at once, by phase."""

    length: int
    num_examples: int
    seconds: dict[str, float]
    peak_bytes: dict[str, int]

    @property
    def examples_per_second(self) -> float:
        """Examples learned from in a second."""
        return self.num_examples / sum(self.seconds.values())


@dataclass(frozen=True)
class HotSpot:
    """An operation with the seconds spent in itself, all calls together."""

    name: str
    calls: int
    seconds: float


@dataclass(frozen=True)
class ModuleTime:
    """A module, or all of its kind in a list (`*`): calls, and seconds in all that it holds, forward and backward.

    What is recomputed in the backward pass counts there.
    """

    name: str
    calls: int
    forward_seconds: float
    backward_seconds: float


@dataclass
class _Stamps:
    """Names of what begins, with the time; `noted` is told each."""

    noted: Callable[[str], None]
    times: list[tuple[str, float]] = field(default_factory=list)
    phase: str = ""

    def begin(self, phase: str) -> None:
        """A phase begins."""
        self.phase = phase
        self.note(phase)

    def note(self, name: str) -> None:
        """Something within a phase begins."""
        self.noted(name)
        self.times.append((name, time.perf_counter()))


class Profiler:
    """Steps of a task on this machine's device, with made-up examples. `config` is resolved."""

    def __init__(self, task: AnyTask, config: Config, device: Device) -> None:
        self.task, self.config, self.device = task, config, device
        self._stamps = _Stamps(lambda _: None)
        frozen = task.frozen()
        if frozen is not None:
            frozen.to(device.torch_device).eval().requires_grad_(False)
        model = task.model().to(device.torch_device).train()
        self.learner = Learner(task, model, config, device)
        for optimizer in self.learner.optimizers[:1]:
            optimizer.register_step_pre_hook(lambda *_: self._stamps.begin("optimizer"))
        self.counter = "CUDA allocator statistics" if device.kind == "cuda" else "events of PyTorch's CPU allocator"

    def measure(self, length: int, num_examples: int) -> Measured:
        """Time and peaks of a step, after one that warms up; each is measured in a step of its own."""
        self._step(length, num_examples)
        seconds = self._timed(length, num_examples)
        peaks = self._peaks(length, num_examples)
        return Measured(length, num_examples, seconds, {phase: peaks[phase] for phase in PHASES})

    def module_peaks(self, length: int, num_examples: int) -> dict[str, int]:
        """Most bytes held at once while each module of the network ran, recomputation in the backward pass included."""
        with self._watching_modules():
            peaks = self._peaks(length, num_examples)
        return {name: peak for name, peak in peaks.items() if name not in (*PHASES, _END)}

    def hot_spots(self, length: int, num_examples: int) -> tuple[list[HotSpot], list[ModuleTime]]:
        """The operations, and the modules, that a step spends most time in, by torch.profiler."""
        on_card = self.device.kind == "cuda"
        with profile(activities=self._activities, acc_events=True) as recorded, spanned(_within(self.learner.model)):
            self._step(length, num_examples)
        spots = [
            HotSpot(each.key, each.count, (each.self_device_time_total if on_card else each.self_cpu_time_total) / 1e6)
            for each in recorded.key_averages()
            if not is_span(each.key)
        ]
        modules = module_times(recorded.events(), on_card=on_card)
        return sorted(spots, key=lambda spot: -spot.seconds)[:NUM_HOT_SPOTS], modules

    def timeline(self, length: int, num_examples: int) -> Timeline:
        """What a step holds from moment to moment, and the largest blocks of it by name."""
        held = sum(tensor.nbytes for tensor in self._held())
        with (
            profile(activities=self._activities, profile_memory=True, acc_events=True) as recorded,
            spanned(_within(self.learner.model)),
            self._noting(lambda name: mark(name)),
        ):
            self._step(length, num_examples)
        return timeline(recorded, self.device.kind, held)

    def snapshot(self, length: int, num_examples: int, path: Path) -> Path | None:
        """`path`, now holding the CUDA allocator's history of a step; None on other devices."""
        with allocator_history(self.device.torch_device, path) as written:
            if written:
                self._step(length, num_examples)
        return written

    @property
    def _activities(self) -> list[ProfilerActivity]:
        return [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self.device.kind == "cuda" else [])]

    def _step(self, length: int, num_examples: int) -> None:
        batch = self.task.collate([self.task.dummy(length)] * num_examples).to(self.device.torch_device)
        blocks = self.task.blocks(self.learner.model)
        self._stamps.begin("forward")
        with self._loss_watched(), recomputed(blocks, bool(self.config.execution.checkpoint_blocks)):
            self.learner.step(1, [MicroBatch(batch, 0)])
        self._stamps.begin(_END)

    def _timed(self, length: int, num_examples: int) -> dict[str, float]:
        with self._noting(lambda _: synchronize(self.device.torch_device)) as stamps:
            self._step(length, num_examples)
        times = stamps.times
        return {name: end - start for (name, start), (_, end) in pairwise(times)}

    def _peaks(self, length: int, num_examples: int) -> dict[str, int]:
        """Peaks by phase and by whatever else is noted; a phase has those of all within it."""
        return (self._card_peaks if self.device.kind == "cuda" else self._cpu_peaks)(length, num_examples)

    def _card_peaks(self, length: int, num_examples: int) -> dict[str, int]:
        device, found, current = self.device.torch_device, dict[str, int](), [""]

        def note(name: str) -> None:
            synchronize(device)
            for part in {*current, self._stamps.phase if name not in (*PHASES, _END) else current[0]}:
                found[part] = max(found.get(part, 0), peak_memory_bytes(device))
            current[0] = name
            reset_peak_memory(device)

        with self._noting(note):
            self._step(length, num_examples)
        return found

    def _cpu_peaks(self, length: int, num_examples: int) -> dict[str, int]:
        """What was held before (weights, states) is added to what the allocator reports."""
        held = sum(tensor.nbytes for tensor in self._held())
        with cpu_allocations() as found, self._noting(lambda name: mark(name)) as stamps:
            self._step(length, num_examples)
        names = [name for name, _ in stamps.times]
        peaks, phase = dict[str, int](), ""
        for name, peak in zip(names, found.peaks_between_marks(), strict=True):
            phase = name if name in (*PHASES, _END) else phase
            for part in {name, phase}:
                peaks[part] = max(peaks.get(part, 0), held + peak)
        return peaks

    def _held(self) -> Iterator[torch.Tensor]:
        frozen, average = self.task.frozen(), self.learner.average
        for network in (self.learner.model, frozen, average.model if average else None):
            if network is not None:
                yield from network.parameters()
        for optimizer in self.learner.optimizers:
            for state in optimizer.state.values():
                yield from (value for value in state.values() if isinstance(value, torch.Tensor))

    @contextmanager
    def _loss_watched(self) -> Iterator[None]:
        """The backward pass begins when the loss is known."""
        plain = self.task.loss

        def watched(outputs: Any, batch: Batch) -> Loss:
            loss = plain(outputs, batch)
            self._stamps.begin("backward")
            return loss

        self.task.loss = watched  # type: ignore[method-assign]
        try:
            yield
        finally:
            del self.task.loss  # the instance's attribute: the class's own method shows again

    @contextmanager
    def _noting(self, noted: Callable[[str], None]) -> Iterator[_Stamps]:
        self._stamps.noted, self._stamps.times = noted, []
        try:
            yield self._stamps
        finally:
            self._stamps.noted = lambda _: None

    @contextmanager
    def _watching_modules(self) -> Iterator[None]:
        def watch(name: str, module: nn.Module) -> Sequence[Any]:
            before = module.register_forward_pre_hook(lambda *_: self._stamps.note(name))
            after = module.register_forward_hook(lambda *_: self._stamps.note(self._stamps.phase))
            return before, after

        handles = [handle for name, module in _parts(self.learner.model) for handle in watch(name, module)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def module_times(events: Iterable[Any], *, on_card: bool = False) -> list[ModuleTime]:
    """Time of each module in what torch.profiler recorded under `spanned`, most first."""
    roots = sorted((e for e in events if e.cpu_parent is None), key=lambda event: event.time_range.start)
    calls, forward, backward = Counter[str](), Counter[str](), Counter[str]()
    for each in placed(roots, lambda event: event.cpu_children, lambda event: int(event.sequence_nr)):
        seconds = (each.event.device_time_total if on_card else each.event.cpu_time_total) / 1e6
        if is_node(each.event.name):
            backward.update(dict.fromkeys({_LISTED.sub(".*", name) for name in each.modules}, seconds))
        elif is_span(each.event.name) and not each.goes_back:
            name = _LISTED.sub(".*", each.modules[-1])
            calls[name] += 1
            forward[name] += seconds
    found = [ModuleTime(name, num, float(forward[name]), float(backward[name])) for name, num in calls.items()]
    return sorted(found, key=lambda each: -(each.forward_seconds + each.backward_seconds))


def _within(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The network's modules down to `DEPTH` names, places in lists not counted."""
    for name, module in model.named_modules():
        depth = sum(not part.isdigit() for part in name.split("."))
        if name and depth <= DEPTH and not isinstance(module, nn.ModuleList):
            yield name, module


def _parts(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The network's modules, the members of its lists in their place."""
    for name, module in model.named_children():
        lists = [(path, each) for path, each in module.named_modules() if isinstance(each, nn.ModuleList)]
        if lists:
            for path, each in lists[:1]:
                yield from ((".".join(filter(None, (name, path, key))), inner) for key, inner in each.named_children())
        else:
            yield name, module
