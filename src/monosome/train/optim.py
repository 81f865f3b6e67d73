"""Optimisers, their parameter groups, clipping, and the moving average of the weights."""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from monosome.config import OptimConfig

State = dict[str, Tensor]


class Lion(torch.optim.Optimizer):
    """Lion: the sign of a mix of gradient and momentum (Chen et al., arXiv 2302.06675, Algorithm 2).

    One state tensor per weight where AdamW has two. The update has the size of the learning rate in every entry, so
    the learning rate is about a tenth of AdamW's and the weight decay about ten times as much.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """The closure's value, after one update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                _lion_update(weights, [self._momentum(weight) for weight in weights], group)
        return loss

    def _momentum(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if not state:
            state["exp_avg"] = torch.zeros_like(weight)
        momentum: Tensor = state["exp_avg"]
        return momentum


def _lion_update(weights: list[Tensor], momenta: list[Tensor], group: dict[str, Any]) -> None:
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    rate, (first, second) = group["lr"], group["betas"]
    update = torch._foreach_lerp(momenta, gradients, 1 - first)
    torch._foreach_sign_(update)
    torch._foreach_mul_(weights, 1 - rate * group["weight_decay"])
    torch._foreach_add_(weights, update, alpha=-rate)
    torch._foreach_lerp_(momenta, gradients, 1 - second)


def optimizer_for(model: nn.Module, config: OptimConfig, *, fused: bool) -> torch.optim.Optimizer:
    """The optimiser of a model's trainable weights; weight decay is for matrices only."""
    groups = parameter_groups(model, config.weight_decay)
    if config.name == "lion":
        return Lion(groups, lr=config.learning_rate, betas=config.betas)
    # fused=None lets PyTorch choose; False would also switch off the batched (foreach) kernels on a card.
    return torch.optim.AdamW(groups, config.learning_rate, config.betas, config.eps, fused=fused or None)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The trainable weights in two groups: those of two dimensions or more decay, vectors and scalars do not."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    return [
        {"params": [weight for weight in weights if weight.ndim >= 2], "weight_decay": weight_decay},
        {"params": [weight for weight in weights if weight.ndim < 2], "weight_decay": 0.0},
    ]


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


@torch.no_grad()
def normalise_and_clip(
    weights: Sequence[Float[Tensor, "..."]], count: Shaped[Tensor, ""] | float, clip_norm: float
) -> Float[Tensor, ""]:
    """The global norm of the gradients after their division by `count`, before they are scaled down to `clip_norm`.

    The sums of all micro-batches are divided here, once: a mean of means would weigh a short batch's tokens more.
    """
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    torch._foreach_div_(gradients, count)
    norm = nn.utils.get_total_norm(gradients)
    nn.utils.clip_grads_with_norm_(weights, clip_norm, norm)
    return norm


class Average:
    """An exponential moving average of a model's weights, as a model of its own.

    Buffers (counters, tables) are the model's latest.
    """

    def __init__(self, model: nn.Module) -> None:
        # Tensors are cloned by hand: deepcopy asks for their memory, and fake tensors have none.
        clones: dict[int, Tensor] = {id(buffer): buffer.clone() for buffer in model.buffers()}
        for weight in model.parameters():
            clones[id(weight)] = nn.Parameter(weight.detach().clone(), requires_grad=False)
        self.model = copy.deepcopy(model, clones).eval()

    @torch.no_grad()
    def update(self, model: nn.Module, decay: float) -> None:
        """Move the average towards the model: average ← decay · average + (1 - decay) · weights."""
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - decay)
        for mine, latest in zip(self.model.buffers(), model.buffers(), strict=True):
            mine.copy_(latest)


def optimizer_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> State:
    """The optimiser's tensors under "weight's name/state's name", ready for safetensors."""
    names: dict[Tensor, str] = {weight: name for name, weight in model.named_parameters()}
    return {
        f"{names[weight]}/{key}": tensor for weight, state in optimizer.state.items() for key, tensor in state.items()
    }


def load_optimizer_state(optimizer: torch.optim.Optimizer, model: nn.Module, saved: State) -> None:
    """Put tensors named by `optimizer_state` back; a weight that had no state yet keeps none.

    AdamW's step counter stays where PyTorch made it: on the card for its fused kernel, else on the CPU.
    """
    weights = dict(model.named_parameters())
    states: dict[int, dict[str, Tensor]] = {}
    numbers = {weight: i for i, weight in enumerate(w for group in optimizer.param_groups for w in group["params"])}
    for key, tensor in saved.items():
        name, _, part = key.rpartition("/")
        states.setdefault(numbers[weights[name]], {})[part] = tensor
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
