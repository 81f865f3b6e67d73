import os

import pytest
import torch

from monosome.errors import HardwareError
from monosome.hardware.detect import detect, devices


def test_the_cpu_is_always_there():
    cpu = detect("cpu")
    assert cpu.torch_device == torch.device("cpu")
    assert 1 <= cpu.cores <= (os.cpu_count() or 1)
    assert 0 < cpu.memory_bytes <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert cpu.capability is None
    assert devices()[0] == cpu


def test_auto_takes_the_best_device_present():
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert detect().kind == expected


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA card")
def test_an_absent_device_is_named_with_what_to_type():
    with pytest.raises(HardwareError, match=r"execution\.device=cuda cannot be used") as raised:
        detect("cuda")
    assert raised.value.hint == "monosome doctor"


def test_an_unknown_device_is_answered_with_the_nearest():
    with pytest.raises(HardwareError, match="no device 'cdua'") as raised:
        detect("cdua")
    assert raised.value.hint == "did you mean 'cuda'?"
