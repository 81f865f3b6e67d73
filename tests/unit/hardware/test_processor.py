import platform
from pathlib import Path

import pytest

from monosome.hardware.processor import instruction_sets, processor_name

SAPPHIRE_RAPIDS = (
    "model name\t: Intel(R) Xeon(R) 8481C\nflags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16 amx_tile amx_int8\n"
)
HASWELL = "model name\t: Intel(R) Xeon(R) E5\nflags\t\t: fpu avx avx2\n"
GRAVITON3 = "processor\t: 0\nFeatures\t: fp asimd sve bf16\n"


@pytest.mark.skipif(platform.system() == "Darwin", reason="macOS has no /proc/cpuinfo")
@pytest.mark.parametrize(
    ("cpuinfo", "instructions"),
    [
        (SAPPHIRE_RAPIDS, ("avx2", "avx512", "avx512_bf16", "amx")),
        (HASWELL, ("avx2",)),
        (GRAVITON3, ("neon", "sve", "arm_bf16")),
        ("", ()),
    ],
)
def test_instruction_sets_are_read_from_the_flags(tmp_path: Path, cpuinfo: str, instructions: tuple[str, ...]):
    file = tmp_path / "cpuinfo"
    file.write_text(cpuinfo)
    assert instruction_sets(file) == instructions


@pytest.mark.skipif(platform.system() == "Darwin", reason="macOS has no /proc/cpuinfo")
def test_name_is_the_model_or_else_the_architecture(tmp_path: Path):
    file = tmp_path / "cpuinfo"
    file.write_text(HASWELL)
    assert processor_name(file) == "Intel(R) Xeon(R) E5"
    assert processor_name(tmp_path / "missing") == platform.machine()
