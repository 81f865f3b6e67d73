"""Fill a teacher cache and die by SIGKILL at the teacher's CALL-th pass: `python killed_cache.py CALL key=value…`."""

import os
import signal
import sys
from typing import Any

from proteins import protein_task

from monosome.protein import teacher_cache

SMALL_SHARDS = {"SHARD_BYTES": 2**15, "BATCH_TOKENS": 2**8}
"""Several shards of several passes each."""


def fill(assignments: list[str], call: int) -> None:
    run, calls = teacher_cache.run_packed, 0

    def counted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return run(*arguments)

    for name, value in {**SMALL_SHARDS, "run_packed": counted}.items():
        setattr(teacher_cache, name, value)
    _ = protein_task(*assignments).cache


if __name__ == "__main__":
    fill(sys.argv[2:], int(sys.argv[1]))
