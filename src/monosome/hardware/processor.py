"""What the processor is: its name, and the instruction sets that matter to matrix products."""

import platform
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

# Instruction set → the flags that Linux lists for it in /proc/cpuinfo (arch/x86/include/asm/cpufeatures.h,
# arch/arm64/kernel/cpuinfo.c) or macOS under `sysctl hw.optional`. AMX counts with its bf16 products only.
INSTRUCTION_FLAGS: Mapping[str, tuple[str, ...]] = {
    "avx2": ("avx2",),
    "avx512": ("avx512f",),
    "avx512_bf16": ("avx512_bf16",),
    "amx": ("amx_tile", "amx_bf16"),
    "neon": ("asimd",),
    "sve": ("sve",),
    "arm_bf16": ("bf16",),
}


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's own name, such as "AMD EPYC 9654", or its architecture where it has none."""
    if platform.system() == "Darwin":
        return _sysctl("machdep.cpu.brand_string") or platform.machine()
    return _cpuinfo_field(cpuinfo, "model name") or platform.machine()


def instruction_sets(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """The instruction sets of INSTRUCTION_FLAGS that this processor has, in that order."""
    if platform.system() == "Darwin":
        return _named(_darwin_flags())
    return _named((_cpuinfo_field(cpuinfo, "flags") or _cpuinfo_field(cpuinfo, "Features")).split())


def _named(flags: Iterable[str]) -> tuple[str, ...]:
    present = set(flags)
    return tuple(name for name, needed in INSTRUCTION_FLAGS.items() if present.issuperset(needed))


def _cpuinfo_field(cpuinfo: Path, field: str) -> str:
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return ""
    return next(
        (value.strip() for name, _, value in (line.partition(":") for line in lines) if name.strip() == field), ""
    )


def _darwin_flags() -> list[str]:
    keys = {"asimd": "hw.optional.AdvSIMD", "bf16": "hw.optional.arm.FEAT_BF16", "avx2": "hw.optional.avx2_0"}
    return [flag for flag, key in keys.items() if _sysctl(key) == "1"]


def _sysctl(key: str) -> str:
    return subprocess.run(["sysctl", "-n", key], capture_output=True, text=True, check=False).stdout.strip()
