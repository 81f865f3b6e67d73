"""Memory and time of a device, CPU or CUDA, in one place.

The CPU build of PyTorch raises on `torch.cuda` memory calls, so every caller goes through here.
"""

import resource
import sys
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that was asked of it, so that a clock read next is true."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def reset_peak_memory(device: torch.device) -> None:
    """Start `peak_memory_bytes` anew from what is held now.

    On the CPU this needs Linux and a writable /proc/self/clear_refs; elsewhere the peak stays that of the whole
    process.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif device.type == "cpu" and _CLEAR_REFS.exists():
        try:
            _CLEAR_REFS.write_text("5")  # 5 resets VmHWM (Linux, Documentation/filesystems/proc.rst, 3.2)
        except OSError:
            return


def peak_memory_bytes(device: torch.device) -> int:
    """Most bytes held at once since the last reset.

    CUDA: tensors allocated by PyTorch. CPU: resident memory of this process, libraries included. MPS has no peak
    counter: what the driver holds now, which its cache keeps near the peak.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    return _peak_resident_bytes()


def _peak_resident_bytes() -> int:
    if _STATUS.exists():
        peak = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes on macOS, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
