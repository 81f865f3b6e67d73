import pytest
import torch

from monosome.config import ExecutionConfig
from monosome.errors import HardwareError
from monosome.train.memory import Fitting

PLAIN = ExecutionConfig(checkpoint_blocks=False)
RECOMPUTED = ExecutionConfig(checkpoint_blocks=True)


def ask_for_a_petabyte() -> None:
    torch.empty(2**50)


def test_the_cpu_allocator_s_refusal_names_lengths_and_settings() -> None:
    fitting = Fitting()
    for length in (300, 200):
        with fitting.trying(8, length):
            torch.empty(length)
    with pytest.raises(HardwareError) as caught, fitting.explained("in step 3", PLAIN), fitting.trying(6, 900):
        ask_for_a_petabyte()
    message = "out of memory in step 3, at 6 examples of length 900; the longest that fitted so far is 300"
    assert caught.value.message == message
    assert caught.value.hint.startswith(
        "add execution.micro_batch=3, or execution.checkpoint_blocks=true, or a shorter crop"
    )


def test_settings_that_cannot_help_are_not_named() -> None:
    fitting = Fitting()
    with pytest.raises(HardwareError) as caught, fitting.explained("in step 1", RECOMPUTED), fitting.trying(1, 900):
        ask_for_a_petabyte()
    assert "1 example of length 900; nothing has fitted so far" in caught.value.message
    assert "execution" not in caught.value.hint


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        MemoryError("Unable to allocate 1 PiB"),
    ],
)
def test_every_allocator_is_understood(error: Exception) -> None:
    with pytest.raises(HardwareError, match="out of memory"), Fitting().explained("here", PLAIN):
        raise error


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), Fitting().explained("here", PLAIN):
        _ = torch.ones(2, 3) @ torch.ones(2, 3)
