"""The device that this process computes on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from monosome.errors import HardwareError, nearest
from monosome.hardware.limits import allowed_cores, allowed_memory_bytes
from monosome.hardware.processor import instruction_sets, processor_name

Kind = Literal["cpu", "cuda", "mps"]


@dataclass(frozen=True)
class Device:
    """One device: what it is, how much memory it has, and the processor cores beside it.

    `capability` is CUDA's compute capability; `cores` and `instructions` are the host processor's.
    """

    kind: Kind
    name: str
    memory_bytes: int
    capability: tuple[int, int] | None
    cores: int
    instructions: tuple[str, ...]

    @property
    def torch_device(self) -> torch.device:
        """The device as PyTorch names it; for CUDA the process's current one."""
        return torch.device(self.kind)


def detect(kind: str = "auto") -> Device:
    """The device of that kind; "auto" takes CUDA, then MPS, then the CPU.

    Raises HardwareError when this machine has no such device or PyTorch cannot use it.
    """
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if kind not in _FINDERS:
        raise HardwareError(f"there is no device {kind!r}", nearest(kind, ["auto", *_FINDERS]))
    return _FINDERS[kind]()


def devices() -> list[Device]:
    """Every device that PyTorch can use here, the CPU first."""
    found = [_cpu(), *(_cuda(index) for index in range(torch.cuda.device_count()))]
    return [*found, _mps()] if torch.backends.mps.is_available() else found


def _cpu() -> Device:
    return Device("cpu", processor_name(), allowed_memory_bytes(), None, allowed_cores(), instruction_sets())


def _cuda(index: int | None = None) -> Device:
    if not torch.cuda.is_available():
        why = "this build of PyTorch has no CUDA" if torch.version.cuda is None else "PyTorch finds no CUDA card"
        raise HardwareError(f"execution.device=cuda cannot be used: {why}", "monosome doctor")
    card = torch.cuda.get_device_properties(torch.cuda.current_device() if index is None else index)
    capability = (card.major, card.minor)
    return Device("cuda", card.name, card.total_memory, capability, allowed_cores(), instruction_sets())


def _mps() -> Device:
    if not torch.backends.mps.is_available():
        raise HardwareError("execution.device=mps cannot be used: PyTorch finds no Apple GPU here", "monosome doctor")
    memory_bytes = torch.mps.recommended_max_memory()
    return Device("mps", processor_name(), memory_bytes, None, allowed_cores(), instruction_sets())


_FINDERS: Mapping[str, Callable[[], Device]] = {"cpu": _cpu, "cuda": _cuda, "mps": _mps}
