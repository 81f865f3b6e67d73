"""With what rounding, and with how many threads, tensors are computed."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from monosome.config import ExecutionConfig, NumericsConfig
from monosome.errors import HardwareError
from monosome.hardware.detect import Device
from monosome.hardware.presets import BF16_CAPABILITY

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: Device, numerics: NumericsConfig) -> torch.autocast:
    """The context that a forward pass and its loss run in: autocast over fp32 weights, or nothing.

    What needs fp32 inside (a superposition, a softmax over a vocabulary) leaves it by `torch.autocast(enabled=False)`.
    """
    dtype = _AUTOCAST.get(numerics.precision)
    return torch.autocast(device.kind, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


def check(device: Device, numerics: NumericsConfig) -> None:
    """Raise HardwareError where the device cannot compute with this rounding.

    Cards before Ampere have no bf16 arithmetic: PyTorch emulates it, slower than fp32.
    """
    if numerics.precision == "bf16" and device.capability is not None and device.capability < BF16_CAPABILITY:
        raise HardwareError(f"{device.name} has no bf16 arithmetic", "numerics.precision=fp16")


class LossScale:
    """What the loss is multiplied by before the backward pass, so that gradients in fp16 do not vanish; 1 elsewhere.

    It is halved where a gradient is not finite, and doubled after 2,000 steps without (Micikevicius et al., arXiv
    1710.03740; the numbers are those of torch.amp.GradScaler). GradScaler leaves such a step out; here it is taken
    again, so that what is learned does not depend on the scale.
    """

    def __init__(self, numerics: NumericsConfig) -> None:
        self.value = 2.0**16 if numerics.precision == "fp16" else 1.0
        self._changes, self._steps = self.value > 1, 0

    def overflows(self, loss: Float[Tensor, ""], grad_norm: Float[Tensor, ""]) -> bool:
        """Whether this scale was too large for a step: then it is halved, and the step can be taken again.

        Where the loss itself is not finite, or the scale is down to 1, the scale is not to blame.
        """
        if not self._changes or self.value == 1 or not loss.isfinite() or grad_norm.isfinite():
            self._steps += 1
            if self._changes and self._steps == 2000:
                self.value, self._steps = 2 * self.value, 0
            return False
        self.value, self._steps = self.value / 2, 0
        return True


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
