"""Targets before a deadline: the plan's laws, and real runs that are short of time, of memory or of nothing."""

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from monosome.errors import CheckpointError, HardwareError
from monosome.rna import deadline
from monosome.rna.deadline import Made, Order, TimePlan, clock, fold_targets, work_of
from monosome.rna.kaggle import Strand, Target
from monosome.rna.kaggle_folds import Network
from monosome.rna.submission import HIGHEST, LOWEST


def _target(name: str, *strands: str) -> Target:
    copies = [strands[:number].count(letters) + 1 for number, letters in enumerate(strands)]
    return Target(name, tuple(Strand("A", copy, letters) for copy, letters in zip(copies, strands, strict=True)))


def _plan(monkeypatch: pytest.MonkeyPatch, left: float, rate: float) -> TimePlan:
    monkeypatch.setattr(TimePlan, "left", left)
    plan = TimePlan(left)
    plan.note(1.0, 1, rate / deadline.CAUTION)
    return plan


@pytest.mark.parametrize(
    ("left", "works", "num"),
    [
        (1000.0, [10.0, 20.0, 30.0], 5),
        (60.0, [10.0, 20.0, 30.0], 1),
        (70.0, [10.0, 20.0, 30.0], 2),
        (59.0, [10.0, 20.0, 30.0], 3),  # there is no time for the last: it goes to the first
        (10.0, [10.0, 20.0, 30.0], 1),
        (9.0, [10.0, 20.0, 30.0], 0),
        (0.0, [10.0], 0),
    ],
)
def test_later_targets_are_kept_time_for(left: float, works: list[float], num: int, monkeypatch: pytest.MonkeyPatch):
    found, seconds = _plan(monkeypatch, left, 1.0).decide(works, 5)
    assert found == num
    assert seconds <= left


def test_without_an_earlier_target_all_may_be_tried(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(TimePlan, "left", 30.0)
    assert TimePlan(30.0).decide([1e9], 5) == (5, 30.0)


def test_something_is_kept_for_writing():
    assert 94 < TimePlan(100.0).left <= 95
    assert 28_739 < TimePlan(8.0 * 3600).left <= 28_740


def test_work_grows_with_the_cube_and_copies_are_folded_once():
    assert work_of(_target("a", "G" * 500)) == 1000
    assert work_of(_target("a", "G" * 5000)) == pytest.approx(2 * 5000 * 1.64), "in windows"
    assert work_of(_target("a", "GGAC", "GGAC")) == work_of(_target("a", "GGAC"))


def test_the_clock():
    assert (clock(59.6), clock(3600.0 * 8 + 61)) == ("0:01:00", "8:01:01")


def _double(target: Target, network: Network, num: int, seed: int) -> np.ndarray:
    """What stands for folding here: it sleeps where the target's name says so, and fails where it says so."""
    kind, _, seconds = target.id.partition(" ")
    if kind == "late":
        time.sleep(float(seconds))
    if kind == "large":
        raise HardwareError("out of memory")
    if kind == "dies":
        signal.raise_signal(signal.SIGKILL)
    return np.random.default_rng(seed).normal(size=(num, len(target.sites), 3)).astype(np.float32) * 9


def _named(network: Network) -> str:
    return "a double"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Made]]:
    """A run with the double in the network's place; layouts are real."""
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))  # where the worker finds the double
    monkeypatch.setattr(deadline, "folded", _double)
    monkeypatch.setattr(deadline, "fingerprint", _named)

    def run(targets: Sequence[Target], seconds: float = 300.0) -> list[Made]:
        told: list[str] = []
        made = fold_targets(targets, Order(tmp_path / "work", seconds, Network()), told.append)
        assert len(told) == len(targets) + 1
        for each, target in zip(made, targets, strict=True):
            assert each.target == target
            assert each.places.shape == (5, len(target.sites), 3)
            assert np.isfinite(each.places).all()
            assert each.places.min() >= LOWEST
            assert each.places.max() <= HIGHEST
        return made

    return run


SHORT, LONG = "GGGGAAAACCCC", "GGGGGAAAACCCCC"


def test_what_fails_is_laid_out_and_the_others_are_folded(run: Callable[..., list[Made]]):
    targets = [
        _target("dies", SHORT + "A"),
        _target("large", LONG * 2),
        _target("longer", LONG * 3),
        _target("fine", SHORT),
        _target("two strands", SHORT, SHORT),
    ]
    dies, large, longer, fine, two = run(targets)
    assert (dies.num_folded, large.num_folded, longer.num_folded) == (0, 0, 0)
    assert "ended with code" in dies.why
    assert large.why == "out of memory"
    assert longer.why == "a shorter one did not fit into memory"
    assert dies.num_laid_out >= 1
    assert (fine.num_folded, fine.why) == (5, "")
    assert (two.num_folded, two.num_laid_out) == (4, 1), "only a layout knows how strands pair"


def test_what_is_late_is_given_up_and_what_is_done_is_kept(
    run: Callable[..., list[Made]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(deadline, "START", 0.5)
    targets = [_target("fine", SHORT), _target("late 1000", LONG)]
    started = time.monotonic()
    fine, late = run(targets, 120.0)
    assert time.monotonic() - started < 120
    assert fine.num_folded == 5
    assert late.why.startswith("given up")
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "work").iterdir()}
    assert sorted(file.name.split(".")[0] for file in kept) == ["fine", "fine", "late_1000"]
    again, _ = run(targets, 120.0)
    assert np.array_equal(again.places, fine.places)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "work").iterdir()} == kept
    for file in kept:
        file.write_bytes(b"damaged")
    assert run(targets[:1])[0].num_folded == 5


def test_with_no_time_at_all_every_target_is_a_helix(run: Callable[..., list[Made]]):
    for made in run([_target("a", "A" * 4640), _target("b", "G", "AC")], 0.01):
        assert made.num_helices == 5
        assert made.what.startswith("5 helix")


def test_a_checkpoint_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(CheckpointError):
        fold_targets([_target("a", SHORT)], Order(tmp_path / "work", 60.0, Network(str(tmp_path / "nowhere"))), print)
