"""The device that a step is planned for, while its shapes are traced on another."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_PLANNED: ContextVar[str] = ContextVar("planned", default="")


@contextmanager
def planned_for(kind: str) -> Iterator[None]:
    """While it lasts, `kind_of` answers with this kind of device, "cpu" or "cuda", wherever tensors live."""
    token = _PLANNED.set(kind)
    try:
        yield
    finally:
        _PLANNED.reset(token)


def kind_of(device: torch.device) -> str:
    """Kind of the device that sizes of buffers are chosen for: the planned one, else the one given."""
    return _PLANNED.get() or device.type
