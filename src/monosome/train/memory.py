"""What to say when memory runs out: which length failed, which one fitted, what to type."""

from collections.abc import Iterator
from contextlib import contextmanager

from monosome.config import ExecutionConfig
from monosome.errors import HardwareError

_SIGNS = ("out of memory", "not enough memory", "can't allocate memory")
"""How PyTorch says it: CUDA and MPS; the CPU on Windows; the CPU elsewhere (c10/core/impl/alloc_cpu.cpp)."""


class Fitting:
    """The lengths that were tried and that fitted, micro-batch by micro-batch."""

    def __init__(self) -> None:
        self.number = self.length = self.longest = 0

    @contextmanager
    def trying(self, number: int, length: int) -> Iterator[None]:
        """Note that `number` examples of up to `length` are being computed, and afterwards that they fitted."""
        self.number, self.length = number, length
        yield
        self.longest = max(self.longest, length)

    @contextmanager
    def explained(self, what: str, execution: ExecutionConfig | None, hint: str = "") -> Iterator[None]:
        """Turn running out of memory into a HardwareError that names lengths and settings, or gives `hint`.

        Without `execution` no setting of it is named: those of training change nothing in an evaluation.
        """
        try:
            yield
        except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
            if not isinstance(error, MemoryError) and not any(sign in str(error) for sign in _SIGNS):
                raise
            tried = f"{self.number} example{'s' * (self.number > 1)} of length {self.length}"
            fitted = (
                f"the longest that fitted so far is {self.longest}" if self.longest else "nothing has fitted so far"
            )
            message = f"out of memory {what}, at {tried}; {fitted}"
            raise HardwareError(message, hint or _hint(self.number, execution)) from error


def _hint(number: int, execution: ExecutionConfig | None) -> str:
    smaller = [f"execution.micro_batch={number // 2}"] if execution and number > 1 else []
    recomputed = ["execution.checkpoint_blocks=true"] if execution and not execution.checkpoint_blocks else []
    return "add " + ", or ".join([*smaller, *recomputed, "a shorter crop (monosome explain data)"])
