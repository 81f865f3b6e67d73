"""How much each term of the loss counts at a step: by its weight, by plan, or by what the terms themselves do."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from monosome.config import LossConfig
from monosome.errors import ConfigError, nearest
from monosome.task import Loss

MEMORY = 0.95
"""Share that a running mean keeps at each measurement; about the last twenty count."""

State = dict[str, Tensor]


class Balance:
    """The weights of the terms; `running` is the mean of each term, or the norm of its gradient, over the steps so far.

    It depends on whole steps alone, not on micro-batches, so what is learned is the same on every machine. Raises
    ConfigError for a ramp of a term that the loss does not have.
    """

    def __init__(self, config: LossConfig) -> None:
        self.config, self.fixed = config, {name: weight for name, weight in config.weights().items() if weight}
        self.running: dict[str, float] = {}
        for name in config.ramps:
            if name not in config.weights():
                raise ConfigError(f"the loss has no term {name!r}", nearest(name, list(config.weights())))

    def weights(self, step: int) -> dict[str, float]:
        """Weight of each term at a step, counted from 0; terms that count nothing have 0."""
        found = {name: weight * self._ramp(name, step) for name, weight in self.fixed.items()}
        if self.config.balance != "fixed" and self.running:
            found = {name: weight / max(self.running.get(name, 1.0), 1e-8) for name, weight in found.items()}
        return dict.fromkeys(self.config.weights(), 0.0) | found

    def measures_gradients(self, step: int) -> bool:
        """Whether the norm of each term's gradient is measured at a step."""
        return self.config.balance == "gradient_norm" and step % self.config.balance_every == 0

    def observe(self, values: Mapping[str, float]) -> None:
        """Take a step's mean of each term, or the norm of its gradient, into the running means."""
        for name in self.fixed:
            if name in values:
                before = self.running.get(name, values[name])
                self.running[name] = MEMORY * before + (1 - MEMORY) * values[name]

    def state(self) -> State:
        """The running means, ready for safetensors."""
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in self.running.items()}

    def restore(self, state: State) -> None:
        """Put the running means back."""
        self.running = {name: float(value) for name, value in state.items()}

    def _ramp(self, name: str, step: int) -> float:
        start, end = self.config.ramps.get(name, (0, 0))
        return min(1.0, max(0.0, (step + 1 - start) / (end - start))) if end > start else 1.0


def add_gradients(
    gradients: dict[str, list[Float[Tensor, "..."]]], loss: Loss, weights: Sequence[Tensor], names: Iterable[str]
) -> None:
    """Add the gradient of each term's sum, in place; a weight that a term does not reach adds nothing."""
    for name in names:
        found = torch.autograd.grad(loss.sums[name], weights, retain_graph=True, allow_unused=True)
        mine = [torch.zeros_like(weight) if each is None else each for each, weight in zip(found, weights, strict=True)]
        if name in gradients:
            torch._foreach_add_(gradients[name], mine)
        else:
            gradients[name] = mine


def gradient_norms(gradients: Mapping[str, Sequence[Float[Tensor, "..."]]], count: float) -> dict[str, float]:
    """Global norm of each term's gradient, per unit."""
    return {name: float(torch.nn.utils.get_total_norm(list(mine))) / count for name, mine in gradients.items()}
