"""What changes from step to step by plan: functions of the step, and for a plateau of the losses so far."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from monosome.config import OptimConfig

PATIENCE = 3
"""Stretches without a gain before the rate is halved."""
LEAST_GAIN = 1e-3
"""Relative fall of the mean loss that counts as one."""


class Plateau:
    """The share of the learning rate that is left, from the mean training losses of stretches of steps."""

    def __init__(self, num_steps: int) -> None:
        self.num_steps = num_steps
        self.means: list[float] = []
        self.stretch: list[float] = []

    def observe(self, loss: float) -> None:
        """Take in the loss of a step."""
        self.stretch.append(loss)
        if len(self.stretch) == self.num_steps:
            self.means.append(math.fsum(self.stretch) / self.num_steps)
            self.stretch = []

    @property
    def factor(self) -> float:
        """1, then a half, a quarter …"""
        best, num_without_gain, num_halved = math.inf, 0, 0
        for mean in self.means:
            gains = mean < best * (1 - LEAST_GAIN) if best < math.inf else True
            best, num_without_gain = (mean, 0) if gains else (best, num_without_gain + 1)
            if num_without_gain == PATIENCE:
                num_halved, num_without_gain = num_halved + 1, 0
        return 0.5**num_halved

    def state(self) -> dict[str, Tensor]:
        """The losses so far, ready for safetensors."""
        return {name: torch.tensor(getattr(self, name), dtype=torch.float64) for name in ("means", "stretch")}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put them back."""
        self.means, self.stretch = state["means"].tolist(), state["stretch"].tolist()


def learning_rate(config: OptimConfig, steps: int, step: int, plateau: float = 1.0) -> float:
    """The learning rate of a step, counted from 0, in a run of `steps`; `plateau` is the share that one has left.

    Linear warm-up that reaches the peak at step `warmup_steps` - 1, then cosine decay (Loshchilov & Hutter, arXiv
    1608.03983), a constant, or a constant with a linear decay at the end (warm-up-stable-decay, arXiv 2405.18392).
    Cosine and wsd end at `final_ratio` of the peak in the last step.
    """
    done = step + 1
    warm_up = min(1.0, done / max(1, config.warmup_steps))
    match config.schedule:
        case "constant":
            decay = 0.0
        case "plateau":
            return config.learning_rate * warm_up * max(plateau, config.final_ratio)
        case "cosine":
            decay = (1 - math.cos(math.pi * _progress(done, config.warmup_steps, steps))) / 2
        case "wsd":
            decay = _progress(done, steps - round(config.decay_share * steps), steps)
    return config.learning_rate * warm_up * (1 - decay * (1 - config.final_ratio))


def average_decay(decay: float, step: int) -> float:
    """The decay of the moving average of the weights at a step, counted from 0.

    It rises as (1 + n) / (10 + n) after n steps (TensorFlow's ExponentialMovingAverage with num_updates): with a
    constant 0.999, a run of 1,000 steps would still carry 37 % of its random first weights.
    """
    return min(decay, (1 + step) / (10 + step))


def _progress(done: int, start: int, end: int) -> float:
    return min(1.0, max(0, done - start) / max(1, end - start))
