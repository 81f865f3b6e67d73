"""Peak memory of a step on a card that is not there: the real step, run on shapes alone."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from monosome.config import Config
from monosome.fit.shapes import on_the_cpu, shapes_alone
from monosome.fit.storages import Part, Storages
from monosome.hardware.detect import Device
from monosome.hardware.planned import planned_for
from monosome.task import Batch, Task
from monosome.train.optim import frozen_weights
from monosome.train.precision import autocast
from monosome.train.savers import PREDICTED_ROWS, recomputed, work_in_pieces
from monosome.train.step import Learner, MicroBatch, Sums

AnyTask = Task[Any, Any, Any]

SHAPES = Device("cpu", "shapes alone", 0, None, 1, ())
"""Where steps are traced. Fake tensors of a card fail in the backward pass of a build without CUDA."""


@dataclass(frozen=True)
class Step:
    """What is traced: `micro_batch` made-up examples of `length`; with `accumulates`, not the first of its step."""

    length: int
    micro_batch: int
    accumulates: bool = False


@dataclass(frozen=True)
class Estimate:
    """Most bytes live at once in a step, by part at that moment; `flops` of its matrix products.

    `operations` is how many tensor operations the trace went through: its time grows with them, not with their size.
    """

    peak_bytes: int
    parts: Mapping[Part, int]
    flops: int
    num_parameters: int
    num_trainable: int
    operations: int = field(compare=False)


class _Shapes(Learner):
    """A learner that reads no numbers: there are none."""

    def _overflows(self, sums: Sums) -> bool:
        """No number leaves any range."""
        return False

    def _observe(self, sums: Sums, gradients: dict[str, list[Tensor]]) -> None:
        """Neither balance nor plateau is told anything."""


def training_step(task: AnyTask, config: Config, step: Step) -> Estimate:
    """Peak of forward, loss, backward and optimiser step, with the optimiser's states there as from the second step on.

    The real Learner runs under FakeTensorMode: operations give shapes, nothing is computed and nothing allocated.
    `config` is resolved: nothing in it is "auto".
    """
    with _traced(task, config) as (mode, storages):
        model = task.model().train()
        learner = _Shapes(task, model, config, SHAPES)
        learned = _learned(learner)
        storages.relabel([*model.parameters(), *model.buffers()], "parameters")
        with storages.counting_as("optimizer"):
            _fill_states(learner, learned)
        if config.execution.offload_optimizer and config.execution.device == "cuda":
            storages.leave_out([list(state.values()) for each in learner.optimizers for state in each.state.values()])
        batch = _batch(task, step, mode, storages)
        for weight in learned:
            weight.register_post_accumulate_grad_hook(lambda w: storages.relabel(w.grad, "gradients"))
        if step.accumulates:
            for weight in learned:
                weight.grad = torch.zeros_like(weight)
                storages.relabel(weight.grad, "gradients")
        storages.start_peak()
        with (
            storages.counting_as("activations"),
            recomputed(task.blocks(model), bool(config.execution.checkpoint_blocks)),
        ):
            learner.step(heaviest_step(config), [MicroBatch(batch, 0)])
        return _estimate(storages, model)


def prediction(task: AnyTask, config: Config, step: Step) -> Estimate:
    """Peak of a forward pass without gradients, its outputs held."""
    with _traced(task, config) as (mode, storages), torch.no_grad():
        model = task.model().eval()
        work_in_pieces(model, config.execution.rows_at_once or PREDICTED_ROWS)
        batch = _batch(task, step, mode, storages)
        storages.start_peak()
        with storages.counting_as("activations"), autocast(SHAPES, config.numerics):
            task.forward(model, batch)
        return _estimate(storages, model)


@contextmanager
def _traced(task: AnyTask, config: Config) -> Iterator[tuple[FakeTensorMode, Storages]]:
    """Both modes, for the device of `config`; the frozen network is counted as parameters, and needs no weights."""
    with shapes_alone(), planned_for(config.execution.device):
        frozen = task.frozen()
        with FakeTensorMode(allow_non_fake_inputs=True) as mode, Storages() as storages, ExitStack() as swapped:
            shapes: list[Tensor] = []
            if frozen is not None:
                swapped.enter_context(on_the_cpu(frozen.eval().requires_grad_(False)))
                real = (each for each in [*frozen.parameters(), *frozen.buffers()] if not isinstance(each, FakeTensor))
                shapes += map(mode.from_tensor, real)  # the mode gives these again as long as they are held
            storages.take(shapes)
            yield mode, storages
            shapes.clear()


def _batch(task: AnyTask, step: Step, mode: FakeTensorMode, storages: Storages) -> Batch:
    """The made-up examples collated for real, then as shapes."""
    with torch.utils._python_dispatch._disable_current_modes():
        example = task.dummy(step.length)
        batch: Batch = task.collate([example] * step.micro_batch)  # without seeds nothing is cropped
    fake = {f.name: _fake(getattr(batch, f.name), mode) for f in fields(batch)}
    with storages.counting_as("inputs"):
        storages.take(list(fake.values()))
    return replace(batch, **fake)


def _fake(value: Any, mode: FakeTensorMode) -> Any:
    return mode.from_tensor(value) if isinstance(value, Tensor) else value


def _fill_states(learner: Learner, learned: Sequence[nn.Parameter]) -> None:
    """Let the optimisers make the states that they make in their first step."""
    for weight in learned:
        weight.grad = torch.zeros_like(weight)
    learner.update()


def _learned(learner: Learner) -> list[nn.Parameter]:
    """The weights that are learned in the end: those of parts that stay frozen have neither gradient nor state."""
    never = frozen_weights(learner.model, learner.config.optim, learner.config.train.steps - 1)
    ids = {id(weight) for weight in never}
    return [weight for weight in learner.trainable if id(weight) not in ids]


def heaviest_step(config: Config) -> int:
    """A step at which all is learned that ever is, every term of the loss counts, and gradients of terms are measured.

    They are measured at multiples of loss.balance_every.
    """
    ends = [end for _, end in config.loss.ramps.values()]
    thaws = [until for until in config.optim.frozen_until.values() if until < config.train.steps]
    every = config.loss.balance_every
    return -(-max([0, *ends, *thaws]) // every) * every


def _estimate(storages: Storages, model: nn.Module) -> Estimate:
    weights = list(model.parameters())
    return Estimate(
        peak_bytes=storages.peak,
        parts={part: size for part, size in storages.at_peak.items() if size},
        flops=storages.flops,
        operations=storages.operations,
        num_parameters=sum(weight.numel() for weight in weights),
        num_trainable=sum(weight.numel() for weight in weights if weight.requires_grad),
    )
