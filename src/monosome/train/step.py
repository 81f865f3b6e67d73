"""One training step of any task, on whatever tensors it is given: no folder, no clock, no journal."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from monosome.config import Config
from monosome.hardware.detect import Device
from monosome.task import Batch, Loss, Task
from monosome.train.balance import Balance, add_gradients, gradient_norms
from monosome.train.checkpoint import load_state, load_tensors
from monosome.train.offload import Offload
from monosome.train.optim import (
    Average,
    State,
    frozen_weights,
    load_optimizer_state,
    normalise_and_clip,
    optimizer_state,
    optimizers_for,
    set_learning_rate,
)
from monosome.train.precision import LossScale, autocast
from monosome.train.savers import work_in_pieces
from monosome.train.schedules import Plateau, average_decay, learning_rate


@dataclass(frozen=True)
class MicroBatch:
    """Examples that are computed at once, and the seed of what their forward pass draws (dropout)."""

    batch: Batch
    seed: int


@dataclass
class Sums:
    """A step added up over its micro-batches, still on the device: reading a number waits for the device."""

    losses: list[Float[Tensor, ""]] = field(default_factory=list)
    """Weighted loss of each micro-batch, summed over its units."""
    terms: dict[str, Float[Tensor, ""]] = field(default_factory=dict)
    """Each term of the loss, summed over the units of all micro-batches."""
    count: Shaped[Tensor, ""] | float = 0.0
    """Units of the task."""
    grad_norm: Float[Tensor, ""] | float = 0.0
    """Global norm of the gradient of the mean loss, before clipping."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """What each term counts."""
    learning_rate: float = 0.0
    overflowed: bool = False
    """Whether the gradient left fp16's range, so that nothing was learned: the step is to be taken again."""

    def add(self, loss: Loss, weighted: Float[Tensor, ""]) -> None:
        """Add a micro-batch."""
        self.losses.append(weighted.detach())
        self.count = self.count + loss.count
        for name, value in loss.sums.items():
            self.terms[name] = self.terms.get(name, 0.0) + value.detach()

    def read(self) -> "Figures":
        """The step in plain numbers; waits for the device once."""
        numbers = [*self.losses, *self.terms.values(), self.count, self.grad_norm]
        device = self.losses[0].device
        values = torch.stack([torch.as_tensor(x, dtype=torch.float32, device=device) for x in numbers]).tolist()
        *sums, count, grad_norm = values
        losses, terms = sums[: len(self.losses)], dict(zip(self.terms, sums[len(self.losses) :], strict=True))
        return Figures(losses, terms, count, grad_norm, self.weights, self.learning_rate)


@dataclass(frozen=True)
class Figures:
    """A step in plain numbers: sums over units, as `Sums` names them."""

    losses: list[float]
    terms: dict[str, float]
    count: float
    grad_norm: float
    weights: Mapping[str, float] = field(default_factory=dict)
    learning_rate: float = 0.0

    @property
    def loss(self) -> float:
        """Mean weighted loss per unit."""
        return sum(self.losses) / self.count

    @property
    def means(self) -> dict[str, float]:
        """Mean of each term per unit."""
        return {name: value / self.count for name, value in self.terms.items()}


class Learner:
    """A model with its optimiser and its moving average: everything that a step changes.

    `config` is resolved: nothing in it is "auto".
    """

    def __init__(self, task: Task[Any, Any, Any], model: nn.Module, config: Config, device: Device) -> None:
        self.task, self.model, self.config, self.device = task, model, config, device
        self.balance, self.plateau = Balance(config.loss), Plateau(config.optim.plateau_steps)
        self.trainable = [weight for weight in model.parameters() if weight.requires_grad]
        self.optimizers = optimizers_for(model, config.optim, fused=bool(config.numerics.fused_optimizer))
        self.offload = Offload(device.torch_device) if config.execution.offload_optimizer else None
        self.scale = LossScale(config.numerics)
        work_in_pieces(model, config.execution.rows_at_once)
        self.average = Average(model) if config.train.ema_decay else None
        self.is_updating = False
        """Whether the last step got as far as to change anything: until then it can be taken again."""

    def step(self, step: int, micro_batches: Iterable[MicroBatch]) -> Sums:
        """One optimiser step, counted from 0: sums go backward, and their gradient is divided once, by the count."""
        self.is_updating = False
        weights, gradients = self.balance.weights(step), dict[str, list[Tensor]]()
        sums, optim, train = Sums(weights=weights), self.config.optim, self.config.train
        frozen = {id(weight) for weight in frozen_weights(self.model, optim, step)}
        for weight in self.trainable:
            weight.requires_grad_(id(weight) not in frozen)  # nothing is kept for what is not learned
        learned = [weight for weight in self.trainable if weight.requires_grad]
        for micro in micro_batches:
            torch.manual_seed(micro.seed)
            with autocast(self.device, self.config.numerics):
                loss = self.task.loss(self.task.forward(self.model, micro.batch), micro.batch)
                weighted = loss.weighted(weights)
            if self.balance.measures_gradients(step):
                add_gradients(gradients, loss, learned, (name for name, weight in weights.items() if weight))
            (weighted * self.scale.value).backward()
            sums.add(loss, weighted)
        sums.grad_norm = normalise_and_clip(self.trainable, sums.count * self.scale.value, optim.clip_norm)
        sums.overflowed = self._overflows(sums)
        if sums.overflowed:
            self.abandon()
            return sums
        self.is_updating = True
        self._observe(sums, gradients)
        sums.learning_rate = learning_rate(optim, train.steps, step, self.plateau.factor)
        set_learning_rate(self.optimizers, sums.learning_rate)
        self.update()
        if self.average:
            self.average.update(self.model, average_decay(train.ema_decay, step))
        return sums

    def update(self) -> None:
        """Change the weights by their gradients, and drop these."""
        for optimizer in self.optimizers:
            if self.offload:
                self.offload.step(optimizer)
            else:
                optimizer.step()
            optimizer.zero_grad()

    def abandon(self) -> None:
        """Drop what an unfinished step has added up, and hand the memory back."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        if self.device.torch_device.type == "cuda":
            torch.cuda.empty_cache()  # pieces of the size that did not fit are of no use to smaller ones

    def _overflows(self, sums: Sums) -> bool:
        """Whether the gradient left fp16's range."""
        return self.scale.overflows(torch.stack(sums.losses).sum(), torch.as_tensor(sums.grad_norm))

    def _observe(self, sums: Sums, gradients: dict[str, list[Tensor]]) -> None:
        """Tell the balance and the plateau what the terms did in this step, where they want to know."""
        if self.config.loss.balance == "uncertainty":
            self.balance.observe({name: float(value / sums.count) for name, value in sums.terms.items()})
        elif gradients:
            self.balance.observe(gradient_norms(gradients, float(sums.count)))
        if self.config.optim.schedule == "plateau":
            self.plateau.observe(float(sum(sums.losses) / sums.count))

    @property
    def evaluated(self) -> nn.Module:
        """The model that evaluations and users get: the moving average, where there is one."""
        return self.average.model if self.average else self.model

    def states(self, *, with_optimizer: bool = True) -> dict[str, State]:
        """What a checkpoint holds, by the name of its file."""
        states = {"model": self.model.state_dict()}
        if self.average:
            states["ema"] = self.average.model.state_dict()
        if with_optimizer:
            states["optimizer"] = optimizer_state(self.optimizers, self.model)
            if self.balance.running:
                states["balance"] = self.balance.state()
            if self.config.optim.schedule == "plateau":
                states["plateau"] = self.plateau.state()
        return states

    def restore(self, checkpoint: Path) -> None:
        """Take up where a checkpoint was written; raises CheckpointError when it is damaged or of another model."""
        load_state(self.model, load_tensors(checkpoint, "model"), checkpoint)
        if self.average:
            load_state(self.average.model, load_tensors(checkpoint, "ema"), checkpoint)
        load_optimizer_state(self.optimizers, self.model, load_tensors(checkpoint, "optimizer"))
        if self.offload:
            self.offload.bring_home(self.optimizers)
        if self.config.loss.balance != "fixed":
            self.balance.restore(load_tensors(checkpoint, "balance"))
        if self.config.optim.schedule == "plateau":
            self.plateau.restore(load_tensors(checkpoint, "plateau"))
