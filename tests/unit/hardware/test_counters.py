import sys

import pytest
import torch

from monosome.hardware.counters import peak_memory_bytes, reset_peak_memory, synchronize

CPU = torch.device("cpu")
MIB = 2**20


def test_the_peak_grows_by_what_was_held():
    before = peak_memory_bytes(CPU)
    held = torch.ones(max(0, before) + 64 * MIB, dtype=torch.uint8)  # above any earlier peak of this process
    assert peak_memory_bytes(CPU) >= before + 64 * MIB
    assert held.numel() > 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can reset the peak")
def test_a_reset_forgets_what_was_freed():
    held = torch.ones(256 * MIB, dtype=torch.uint8)
    peak = peak_memory_bytes(CPU)
    del held
    reset_peak_memory(CPU)
    assert peak_memory_bytes(CPU) <= peak - 200 * MIB


def test_synchronizing_the_cpu_does_nothing():
    synchronize(CPU)
