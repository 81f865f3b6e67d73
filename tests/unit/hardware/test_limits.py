"""Limits as the kernel's documentation lays them out, in a made-up tree; and the real machine's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from monosome.hardware.limits import allowed_cores, allowed_memory_bytes

GIB = 2**30


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "gib"),
    [
        pytest.param({}, None, id="no control groups"),
        pytest.param({"sys/fs/cgroup/memory.max": "max\n"}, None, id="v2, no limit"),
        pytest.param({"sys/fs/cgroup/job/memory.max": f"{GIB}\n"}, 1, id="v2, own limit"),
        pytest.param({"sys/fs/cgroup/memory.max": f"{GIB}\n"}, 1, id="v2, a parent's limit"),
        pytest.param({"sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{GIB}\n"}, 1, id="v1"),
        pytest.param({"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, None, id="v1, no limit"),
    ],
)
def test_memory_is_the_smaller_of_machine_and_control_group(tmp_path: Path, files: dict[str, str], gib: int | None):
    root = tree(tmp_path, {"proc/self/cgroup": "4:memory:/job\n0::/job\n", **files})
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert allowed_memory_bytes(root) == (gib * GIB if gib else physical)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        pytest.param({"sys/fs/cgroup/job/cpu.max": "100000 100000\n"}, 1, id="v2, one core"),
        pytest.param({"sys/fs/cgroup/job/cpu.max": "50000 100000\n"}, 1, id="v2, half a core"),
        pytest.param(
            {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            1,
            id="v1, one and a half rounds down",
        ),
    ],
)
def test_cores_follow_the_quota(tmp_path: Path, files: dict[str, str], cores: int):
    root = tree(tmp_path, {"proc/self/cgroup": "1:cpu,cpuacct:/job\n0::/job\n", **files})
    assert allowed_cores(root) == cores


@pytest.mark.parametrize("quota", ["max 100000\n", "6400000 100000\n"])
def test_a_generous_quota_leaves_the_affinity_mask(tmp_path: Path, quota: str):
    root = tree(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": quota})
    assert allowed_cores(root) == allowed_cores(tmp_path / "nothing")


@pytest.mark.skipif(not shutil.which("taskset"), reason="taskset sets the affinity mask")
def test_cores_follow_the_affinity_mask():
    code = "from monosome.hardware.limits import allowed_cores; print(allowed_cores())"
    first = str(min(os.sched_getaffinity(0)))
    command = ["taskset", "-c", first, sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "1"
