"""What this process may use of the machine: cores and memory, as its affinity mask and its control group say.

A container sees all cores and all memory of its host; what it may use stands in its control group (Linux kernel,
Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst). A limit binds every group below it, so all ancestors count.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path


def allowed_cores(root: Path = Path("/")) -> int:
    """CPU cores that this process may keep busy, at least 1.

    The smaller of the affinity mask and the control group's quota; half a core of quota rounds down, because one
    thread more than the quota is throttled and stalls the others.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.floor(min([affinity, *_quotas(root)])))


def allowed_memory_bytes(root: Path = Path("/")) -> int:
    """Bytes of main memory that this process may fill: the machine's, or its control group's limit if smaller."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_memory_limits(root)])


def _quotas(root: Path) -> Iterator[float]:
    for group in _groups(root, "cpu"):
        match _words(group / "cpu.max"):
            case [quota, period] if quota != "max":
                yield int(quota) / int(period)
        match _words(group / "cpu.cfs_quota_us"), _words(group / "cpu.cfs_period_us"):
            case [quota], [period] if int(quota) > 0:
                yield int(quota) / int(period)


def _memory_limits(root: Path) -> Iterator[int]:
    for group in _groups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            match _words(group / name):
                case [limit] if limit != "max":
                    yield int(limit)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of this process's control groups that may hold `controller`'s limits, ancestors included."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount = root / "sys/fs/cgroup"
        elif controller in controllers.split(","):
            mount = root / "sys/fs/cgroup" / controller
        else:
            continue
        group = mount / path.lstrip("/")
        yield from (folder for folder in (group, *group.parents) if folder == mount or mount in folder.parents)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:  # no control groups here (macOS), or not ours to read
        return []


def _words(file: Path) -> list[str]:
    return " ".join(_lines(file)).split()
