"""Memory traded for time, exactly: activations recomputed in the backward pass instead of kept."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

PREDICTED_ROWS = 64
"""Rows of pairs that prediction works on at a time where the recipe names none: a third of the memory in the same time
(benchmarks/savers.json), and less time on short chains."""


@contextmanager
def recomputed(blocks: Sequence[nn.Module], enabled: bool = True) -> Iterator[None]:
    """While it lasts, each block keeps its inputs only and runs forward again in the backward pass.

    Exact: the same kernels on the same inputs, with dropout's random state replayed (activation checkpointing, Chen et
    al., arXiv 1604.06174; PyTorch's non-reentrant form). A block that stands several times in the list is wrapped once.
    """
    wrapped = list({id(block): block for block in blocks}.values()) if enabled else []
    for block in wrapped:
        block.forward = _recomputing(block.forward)
    try:
        yield
    finally:
        for block in wrapped:
            del block.forward  # the instance's attribute: the class's own method shows again


def _recomputing(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return run


def work_in_pieces(model: nn.Module, num_rows: int) -> None:
    """Let the modules that can work on a few rows at a time do so; 0 lets them take all at once. Exact to rounding."""
    for module in model.modules():
        if hasattr(module, "rows_at_once"):
            module.rows_at_once = num_rows  # type: ignore[assignment]
