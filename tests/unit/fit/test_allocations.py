from pathlib import Path
from typing import Any

import pytest
import torch

from monosome.fit.allocations import NUM_ENTRIES, allocator_history, cpu_allocations, mark

MIB = 2**20


def test_what_is_held_and_freed_is_seen_between_marks():
    with cpu_allocations() as found:
        mark("large")
        large = torch.ones(4 * MIB, dtype=torch.uint8)
        del large
        mark("small")
        small = torch.ones(MIB, dtype=torch.uint8)
    assert [name for _, name in found.marks] == ["large", "small"]
    assert found.peaks_between_marks() == [4 * MIB, MIB]
    assert found.peak() == 4 * MIB
    assert small.numel() == MIB


def test_only_cuda_has_a_history(tmp_path: Path):
    with allocator_history(torch.device("cpu"), tmp_path / "snapshot.pickle") as path:
        assert path is None
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("fails", [False, True])
def test_the_history_is_written_whole_and_always_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
):
    calls: list[Any] = []
    monkeypatch.setattr(
        torch.cuda.memory, "_record_memory_history", lambda *args, **kwargs: calls.append(args or kwargs)
    )
    monkeypatch.setattr(torch.cuda.memory, "_dump_snapshot", lambda path: Path(path).write_bytes(b"all of it"))
    path = tmp_path / "folder" / "snapshot.pickle"
    try:
        with allocator_history(torch.device("cuda"), path) as found:
            assert found == path
            if fails:
                raise MemoryError
    except MemoryError:
        assert not path.exists()
    else:
        assert path.read_bytes() == b"all of it"
    assert calls == [{"max_entries": NUM_ENTRIES, "stacks": "python"}, (None,)]
