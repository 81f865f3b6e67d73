"""Optimisers, their parameter groups, clipping, and the moving average of the weights."""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from monosome.config import OptimConfig
from monosome.errors import ConfigError, nearest

State = dict[str, Tensor]
Group = dict[str, Any]
"""Weights that are learned alike, as PyTorch's optimisers take them."""
MUON_MOMENTUM = 0.95
"""Jordan et al. 2024."""


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


Optimizers = tuple[torch.optim.Optimizer, ...]
_TABLES = {"qmap1": "dynamic", "qmap2": "udynamic"}
"""States of bitsandbytes that are one table for all weights, and its names of these tables."""


def optimizers_for(model: nn.Module, config: OptimConfig, *, fused: bool) -> Optimizers:
    """The optimiser of a model's trainable weights, or several that each have their share of them.

    Weight decay is for matrices only. Raises ConfigError for a part of the network that it does not have.
    """
    groups = parameter_groups(model, config)
    # fused=None lets PyTorch choose; False would also switch off the batched (foreach) kernels on a card.
    adam: dict[str, Any] = {
        "lr": config.learning_rate,
        "betas": config.betas,
        "eps": config.eps,
        "fused": fused or None,
    }
    match config.name:
        case "lion":
            return (Lion(groups, lr=config.learning_rate, betas=config.betas),)
        case "adam":
            return (torch.optim.Adam(groups, **adam),)
        case "adamw":
            return (torch.optim.AdamW(groups, **adam),)
        case "adamw8bit":
            return (_eight_bits()(groups, config.learning_rate, config.betas, config.eps),)
        case "muon":
            embeddings = {part.weight for part in model.modules() if isinstance(part, nn.Embedding)}
            matrices, others = _parted(groups, lambda weight: weight.ndim == 2 and weight not in embeddings)
            muon = _muon(matrices, config) if matrices else ()
            return (*muon, torch.optim.AdamW(others, **adam)) if others else muon


def _eight_bits() -> Callable[..., torch.optim.Optimizer]:
    """AdamW whose states take 8 bits in blocks of 256 (Dettmers et al., arXiv 2110.02861).

    Weights of fewer than 4,096 numbers keep 32.
    """
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise ConfigError("optim.name=adamw8bit needs bitsandbytes", "pip install 'monosome[bits]'") from error
    return AdamW8bit


def _muon(groups: list[Group], config: OptimConfig) -> Optimizers:
    if not hasattr(torch.optim, "Muon"):
        raise ConfigError(f"PyTorch {torch.__version__} has no Muon", "use PyTorch 2.9 or newer, or optim.name=adamw")
    return (torch.optim.Muon(groups, config.learning_rate, momentum=MUON_MOMENTUM, adjust_lr_fn="match_rms_adamw"),)


def parameter_groups(model: nn.Module, config: OptimConfig) -> list[Group]:
    """The trainable weights by what they have in common: matrices decay, vectors and scalars do not; `share` is rate.

    Raises ConfigError for a part of the network that it does not have.
    """
    for part in (*config.rates, *config.frozen_until):
        _check_part(model, part)
    members: dict[tuple[bool, float], list[nn.Parameter]] = {(True, 1.0): [], (False, 1.0): []}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            share = next((rate for part, rate in config.rates.items() if _is_in(name, part)), 1.0)
            members.setdefault((weight.ndim >= 2, share), []).append(weight)
    return [
        {"params": weights, "weight_decay": config.weight_decay if decays else 0.0, "share": share}
        for (decays, share), weights in members.items()
    ]


def frozen_weights(model: nn.Module, config: OptimConfig, step: int) -> list[nn.Parameter]:
    """The weights of parts that are not learned yet at a step, counted from 0."""
    parts = [part for part, until in config.frozen_until.items() if step < until]
    return [weight for name, weight in model.named_parameters() if any(_is_in(name, part) for part in parts)]


def _parted(groups: list[Group], choose: Callable[[nn.Parameter], bool]) -> tuple[list[Group], list[Group]]:
    """The groups of the chosen weights, and those of the others; empty groups are left out."""
    chosen = [group | {"params": [weight for weight in group["params"] if choose(weight)]} for group in groups]
    others = [group | {"params": [weight for weight in group["params"] if not choose(weight)]} for group in groups]
    return [group for group in chosen if group["params"]], [group for group in others if group["params"]]


def _is_in(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def _check_part(model: nn.Module, part: str) -> None:
    if not any(_is_in(name, part) for name, _ in model.named_parameters()):
        parts = list(dict.fromkeys(name.partition(".")[0] for name, _ in model.named_parameters()))
        raise ConfigError(f"the network has no part {part!r}", nearest(part, parts))


def set_learning_rate(optimizers: Optimizers, rate: float) -> None:
    """Give every group its share of this learning rate."""
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["lr"] = rate * group["share"]


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


def optimizer_state(optimizers: Optimizers, model: nn.Module) -> State:
    """The optimisers' tensors under "weight's name/state's name", ready for safetensors."""
    names: dict[Tensor, str] = {weight: name for name, weight in model.named_parameters()}
    return {
        f"{names[weight]}/{key}": torch.as_tensor(value)
        for optimizer in optimizers
        for weight, state in optimizer.state.items()
        for key, value in state.items()
        if key not in _TABLES
    }


def load_optimizer_state(optimizers: Optimizers, model: nn.Module, saved: State) -> None:
    """Put tensors named by `optimizer_state` back; a weight that had no state yet keeps none.

    AdamW's step counter stays where PyTorch made it: on the card for its fused kernel, else on the CPU.
    """
    weights = dict(model.named_parameters())
    for optimizer in optimizers:
        numbers = {weight: i for i, weight in enumerate(w for group in optimizer.param_groups for w in group["params"])}
        states: dict[int, dict[str, Tensor]] = {}
        for key, tensor in saved.items():
            name, _, part = key.rpartition("/")
            if weights[name] in numbers:
                states.setdefault(numbers[weights[name]], {})[part] = tensor
        optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
        if hasattr(optimizer, "name2qmap"):
            _complete_eight_bits(optimizer)


def _complete_eight_bits(optimizer: Any) -> None:
    """Give states of bitsandbytes what they have besides tensors of their own: steps as plain numbers, and tables."""
    optimizer.fill_qmap()
    for weight, state in optimizer.state.items():
        state["step"] = int(state["step"])
        if "absmax1" in state:
            state |= {key: optimizer.name2qmap[name].to(weight.device) for key, name in _TABLES.items()}
