import torch

from monosome.fit.allocations import cpu_allocations, mark

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
