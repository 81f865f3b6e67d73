"""With what rounding, and with how many threads, tensors are computed."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from monosome.config import ExecutionConfig, NumericsConfig
from monosome.errors import HardwareError
from monosome.hardware.detect import Device
from monosome.hardware.presets import BF16_CAPABILITY


def autocast(device: Device, numerics: NumericsConfig) -> torch.autocast:
    """The context that a forward pass and its loss run in: bf16 autocast over fp32 weights, or nothing.

    What needs fp32 inside (a superposition, a softmax over a vocabulary) leaves it by `torch.autocast(enabled=False)`.
    """
    return torch.autocast(device.kind, dtype=torch.bfloat16, enabled=numerics.precision == "bf16")


def check(device: Device, numerics: NumericsConfig) -> None:
    """Raise HardwareError where the device cannot compute with this rounding.

    Cards before Ampere have no bf16 arithmetic: PyTorch emulates it, slower than fp32.
    """
    if numerics.precision == "bf16" and device.capability is not None and device.capability < BF16_CAPABILITY:
        raise HardwareError(f"{device.name} has no bf16 arithmetic", "numerics.precision=fp32")


@contextmanager
def process_settings(execution: ExecutionConfig, numerics: NumericsConfig) -> Iterator[None]:
    """The process-wide settings of a run, put back afterwards: CPU threads, TF32 in products and convolutions."""
    before = torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    _apply(int(execution.threads), "high" if numerics.tf32 else "highest", bool(numerics.tf32))
    try:
        yield
    finally:
        _apply(*before)


def _apply(threads: int, matmul_precision: str, convolutions_in_tf32: bool) -> None:
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(matmul_precision)
    torch.backends.cudnn.allow_tf32 = convolutions_in_tf32
