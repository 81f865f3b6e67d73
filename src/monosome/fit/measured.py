"""The most examples of each length that this machine computes at once, found by trying."""

import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from monosome.config import Config
from monosome.errors import HardwareError
from monosome.fit.estimate import AnyTask, heaviest_step
from monosome.hardware.counters import peak_memory_bytes, reset_peak_memory, synchronize
from monosome.hardware.detect import Device
from monosome.train.memory import Fitting
from monosome.train.micro_batches import Held
from monosome.train.savers import recomputed
from monosome.train.step import Learner, MicroBatch

_SHARE = 0.9
"""Share of the main memory that is free now, which trials may take: beyond it the system ends processes unasked."""


def measured(task: AnyTask, config: Config, device: Device, lengths: Sequence[int]) -> Iterator[Held]:
    """The most examples of each of the ascending lengths that fit at once, up to a whole step's, and their time.

    Real steps on made-up examples, with a binary search between what fitted and where memory ended. `config` is
    resolved. Raises HardwareError where not even one example of the first length fits, and for a CPU that is not
    Linux's: elsewhere the system does not say where its memory ends.
    """
    trials = _Trials(task, config, device)
    with memory_that_ends(device):
        most: int = config.train.batch_size
        for length in lengths:
            found = trials.most(length, most)
            most = found.micro_batch
            yield found


class _Trials:
    """Steps of a task at the state that takes most: optimiser states there, everything learned, gradients kept."""

    def __init__(self, task: AnyTask, config: Config, device: Device) -> None:
        self.task, self.config, self.device = task, config, device
        frozen = task.frozen()
        if frozen is not None:
            frozen.to(device.torch_device).eval().requires_grad_(False)
        self.learner = Learner(task, task.model().to(device.torch_device).train(), config, device)
        self.step = heaviest_step(config)
        self.started = False

    def most(self, length: int, at_most: int) -> Held:
        """The most examples of a length that fit."""
        if not self.started:
            with Fitting().explained(f"with one example of length {length}", self.config.execution):
                self._run(length, [1])  # the optimisers make their states here
            self.started = True
        found, fails = Held(length, 0), at_most + 1
        while found.micro_batch + 1 < fails:
            number = at_most if fails > at_most else (found.micro_batch + fails) // 2
            if (held := self._tried(length, number)) is not None:
                found = held
            else:
                fails = number
        return found

    def _tried(self, length: int, number: int) -> Held | None:
        """What so many examples took; None where they did not fit."""
        fitting, device = Fitting(), self.device.torch_device
        reset_peak_memory(device)
        try:
            with fitting.explained("in a trial", None):
                if number < self.config.train.batch_size:
                    self._run(length, [1, number])  # the first leaves its gradients for the second to add to
                seconds = self._run(length, [number])
                return Held(length, number, peak_memory_bytes(device), seconds / number)
        except HardwareError:
            pass
        # Here the error is gone, and with it the tensors that its frames kept.
        self.learner.abandon()
        return None

    def _run(self, length: int, parts: Sequence[int]) -> float:
        """Seconds of a step on so many examples after one another."""
        synchronize(self.device.torch_device)
        started = time.perf_counter()
        blocks, example = self.task.blocks(self.learner.model), self.task.dummy(length)
        micro_batches = (
            MicroBatch(self.task.collate([example] * number).to(self.device.torch_device), 0) for number in parts
        )
        with recomputed(blocks, bool(self.config.execution.checkpoint_blocks)):
            self.learner.step(self.step, micro_batches)
        synchronize(self.device.torch_device)
        return time.perf_counter() - started


@contextmanager
def memory_that_ends(device: Device) -> Iterator[None]:
    """While it lasts, main memory ends with an error before the system ends the process (Linux, RLIMIT_DATA)."""
    if device.kind != "cpu":
        yield
        return
    if sys.platform != "linux":
        hint = "leave --measure out: the table is then estimated"
        raise HardwareError("where memory of a CPU ends can be tried on Linux alone", hint)
    before, ceiling = resource.getrlimit(resource.RLIMIT_DATA)
    status, machine = _kibibytes("/proc/self/status"), _kibibytes("/proc/meminfo")
    free = min(machine["MemAvailable"], device.memory_bytes - status["VmRSS"])
    bounds = [bound for bound in (before, ceiling) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([*bounds, round(status["VmData"] + _SHARE * free)]), ceiling))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, ceiling))


def _kibibytes(path: str) -> dict[str, int]:
    """The sizes in a file of /proc, in bytes."""
    lines = (line.split() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[-1] == "kB"}
