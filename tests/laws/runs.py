"""What the laws share: short runs of any task, stopped at a chosen place, and what they leave behind."""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from monosome.config import fill_auto
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset
from monosome.task import Loss, Task
from monosome.train.batches import example_seeds
from monosome.train.checkpoint import load_tensors
from monosome.train.journal import Line, read_journal
from monosome.train.loop import Outcome, Trainer
from monosome.train.step import Learner, MicroBatch

AnyTask = Task[Any, Any, Any]

SHORT = (
    "train.steps=8",
    "train.batch_size=4",
    "train.ema_decay=0.9",
    "execution.device=cpu",
    "execution.threads=1",
    "execution.micro_batch=2",
    "execution.evaluate_every=4",
    "execution.save_every=3",
    "execution.log_every=1",
)
"""Eight steps of two micro-batches: evaluated at 4 and 8, saved at 3, 6 and 8."""

TIMINGS = ("seconds", "units_per_second", "memory_bytes")


def stop_at(task: AnyTask, call: int, number: signal.Signals) -> AnyTask:
    """The task, which sends this process a signal at its `call`-th forward pass in training."""
    forward, calls = task.forward, 0

    def counted(model: nn.Module, batch: Any) -> Any:
        nonlocal calls
        calls += model.training
        if calls == call:
            os.kill(os.getpid(), number)
        return forward(model, batch)

    task.forward = counted  # type: ignore[method-assign]
    return task


def poisoned(task: AnyTask, change: Callable[[Loss], Loss]) -> AnyTask:
    """The task with another loss."""
    loss = task.loss
    task.loss = lambda outputs, batch: change(loss(outputs, batch))  # type: ignore[method-assign]
    return task


def train(task: AnyTask, folder: Path) -> Outcome:
    return Trainer(task, folder, progress=False).fit()


def checkpoints(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def contents(run: Path) -> dict[Path, bytes]:
    """Every file of a run, byte for byte."""
    return {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}


def states(checkpoint: Path) -> dict[str, Mapping[str, Tensor]]:
    return {name: load_tensors(checkpoint, name) for name in ("model", "ema", "optimizer")}


def journal(folder: Path) -> list[Line]:
    """The journal without clocks and memory, which no two runs share."""
    return [{key: value for key, value in line.items() if key not in TIMINGS} for line in read_journal(folder)]


def learner_for(task: AnyTask) -> Learner:
    device = detect("cpu")
    config = fill_auto(task.config, preset(device).values())
    return Learner(task, task.model().train(), config, device)


def micro_batch(task: AnyTask, indices: Sequence[int]) -> MicroBatch:
    """Training examples as the first step of a run would draw them, whatever their company."""
    seeds = example_seeds(task.config.seed, indices, step=0)
    examples = task.examples("train")
    return MicroBatch(task.collate([examples[index] for index in indices], seeds), seeds[0])


def gradient_of(learner: Learner, step: Callable[[], object]) -> dict[str, Tensor]:
    """The gradient that the optimiser is given while `step` runs."""
    gradient: dict[str, Tensor] = {}

    def note(*_: object) -> None:
        named = learner.model.named_parameters()
        gradient.update({name: weight.grad.clone() for name, weight in named if weight.grad is not None})

    handle = learner.optimizers[0].register_step_pre_hook(note)
    step()
    handle.remove()
    return gradient
