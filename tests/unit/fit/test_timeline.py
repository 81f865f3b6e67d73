import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from monosome.fit.allocations import mark
from monosome.fit.profile import module_times
from monosome.fit.spans import spanned
from monosome.fit.timeline import Timeline, thinned, timeline

KIB = 2**10


class Two(nn.Module):
    """A wide layer and a narrow one."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Linear(64, 4096), nn.Linear(4096, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.narrow(self.wide(x).relu())
        return out


@pytest.fixture(scope="module")
def recorded() -> profile:
    """A forward and a backward pass of `Two`."""
    network, batch = Two(), torch.ones(64, 64)
    with (
        profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as found,
        spanned([("", network), *network.named_children()][1:]),
    ):
        mark("forward")
        loss = network(batch).sum()
        mark("backward")
        loss.backward()
    return found


@pytest.fixture(scope="module")
def held(recorded: profile) -> Timeline:
    return timeline(recorded, "cpu", held_bytes=KIB)


def test_the_largest_blocks_are_named_by_what_made_them(held: Timeline):
    activation, gradient = 64 * 4096 * 4, 4096 * 64 * 4
    made = {(life.module, life.operation): life for life in held.largest if life.size_bytes == activation}
    assert activation == gradient
    assert ("wide", "aten::linear") in made
    assert ("", "aten::relu") in made
    backward = dict(held.phases)["backward"]
    assert {module for (module, _), life in made.items() if life.made > backward} >= {"wide", "narrow"}
    assert [life.made for life in held.largest] == sorted(life.made for life in held.largest)


def test_what_outlives_the_step_is_kept_and_the_rest_is_freed(held: Timeline):
    kept = sum(life.size_bytes for life in held.largest if life.freed is None)
    assert kept == pytest.approx(sum(weight.nbytes for weight in Two().parameters()), rel=0.01)
    assert all(life.freed > life.made for life in held.largest if life.freed is not None)


def test_the_peak_counts_what_was_held_before(held: Timeline, recorded: profile):
    assert held.moments[0] == (0.0, KIB)
    assert held.peak_bytes == timeline(recorded, "cpu", held_bytes=0).peak_bytes + KIB
    assert held.num_blocks >= len(held.largest)
    assert held.peak_bytes >= max(life.size_bytes for life in held.largest)


def test_blocks_of_other_devices_do_not_count(recorded: profile):
    assert timeline(recorded, "cuda", held_bytes=5).moments == [(0.0, 5)]


def test_thinning_keeps_the_peak():
    moments = [(float(at), (at * 37) % 1009) for at in range(5000)]
    found = thinned(moments, 100)
    assert len(found) == 100
    assert max(held for _, held in found) == max(held for _, held in moments)
    assert [at for at, _ in found] == sorted(at for at, _ in found)
    assert thinned(moments[:7], 100) == moments[:7]


def test_time_goes_to_modules_forward_and_backward(recorded: profile):
    found = {each.name: each for each in module_times(recorded.events())}
    assert set(found) == {"wide", "narrow"}
    assert all(each.calls == 1 for each in found.values())
    assert all(each.forward_seconds > 0 < each.backward_seconds for each in found.values())


def test_members_of_a_list_are_one():
    network = nn.Sequential(*(nn.Linear(8, 8) for _ in range(3)))
    named = [(f"blocks.{name}", module) for name, module in network.named_children()]
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as found, spanned(named):
        network(torch.ones(2, 8)).sum().backward()
    (all_of_them,) = module_times(found.events())
    assert (all_of_them.name, all_of_them.calls) == ("blocks.*", 3)
