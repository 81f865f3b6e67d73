"""Frozen networks without their weights: all that is needed of them while a step is traced on shapes alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

_ENOUGH: ContextVar[bool] = ContextVar("enough", default=False)


def shapes_are_enough() -> bool:
    """Whether no number of a weight will be read: then a task may give a frozen network on the meta device."""
    return _ENOUGH.get()


@contextmanager
def shapes_alone() -> Iterator[None]:
    """While it lasts, shapes are enough."""
    token = _ENOUGH.set(True)
    try:
        yield
    finally:
        _ENOUGH.reset(token)


@contextmanager
def on_the_cpu(network: nn.Module) -> Iterator[None]:
    """While it lasts, weights on the meta device are empty ones on the CPU; a weight that stands twice is one.

    To be entered under FakeTensorMode, where that takes no memory.
    """
    places = [(module, name, tensor) for module in network.modules() for name, tensor in _own(module) if tensor.is_meta]
    empty = {id(tensor): _empty(tensor) for _, _, tensor in places}
    for module, name, tensor in places:
        setattr(module, name, empty[id(tensor)])
    try:
        yield
    finally:
        for module, name, tensor in places:
            setattr(module, name, tensor)


def _own(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters(recurse=False)
    yield from module.named_buffers(recurse=False)


def _empty(tensor: Tensor) -> Tensor:
    empty = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
    return nn.Parameter(empty, requires_grad=False) if isinstance(tensor, nn.Parameter) else empty
