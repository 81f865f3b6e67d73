"""Laws of a run: stopped, killed, moved or repeated, it learns the same, bit for bit on a CPU."""

import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from runs import SHORT, AnyTask, journal, states, stop_at, train

from monosome.train.checkpoint import load_manifest
from monosome.train.loop import Trainer

TaskFactory = Callable[..., AnyTask]
HERE = Path(__file__).parent


def assert_same_run(one: Path, other: Path) -> None:
    """Weights, moving average, optimiser and journal are equal to the last bit."""
    first, second = (states(folder / "checkpoints" / "step_00000008") for folder in (one, other))
    for name, tensors in first.items():
        assert tensors.keys() == second[name].keys()
        assert all(torch.equal(tensors[key], second[name][key]) for key in tensors), f"{name} differs"
    assert journal(one) == journal(other)
    best = [load_manifest(folder / "checkpoints" / "best") for folder in (one, other)]
    assert best[0].step == best[1].step
    assert best[0].evaluation == best[1].evaluation


@pytest.fixture
def whole(task_factory: TaskFactory, tmp_path: Path) -> Path:
    """A run that was never stopped."""
    outcome = train(task_factory(*SHORT), tmp_path / "whole")
    assert outcome.step == 8
    assert not outcome.interrupted
    return outcome.folder


def test_a_stopped_run_goes_on_as_if_never_stopped(task_factory: TaskFactory, whole: Path, tmp_path: Path) -> None:
    stopped = train(stop_at(task_factory(*SHORT), 9, signal.SIGTERM), tmp_path / "stopped")
    assert stopped.interrupted
    assert stopped.step == 5
    resumed = train(task_factory(*SHORT), stopped.folder)
    assert resumed.resumed_from == 5
    assert_same_run(whole, resumed.folder)


def test_a_killed_run_goes_on_as_if_never_stopped(
    task_factory: TaskFactory, task_name: str, whole: Path, tmp_path: Path
) -> None:
    """SIGKILL in step 5, in the middle of its gradient: two steps past the checkpoint, one past an evaluation."""
    folder = tmp_path / "killed"
    command = [sys.executable, str(HERE / "killed.py"), task_name, str(folder), "10", *SHORT]
    died = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert [line["step"] for line in journal(folder)] == [1, 2, 3, 4, 4]
    resumed = train(task_factory(*SHORT), folder)
    assert resumed.resumed_from == 3
    assert_same_run(whole, folder)


def test_one_seed_gives_one_run_and_another_seed_another(
    task_factory: TaskFactory, whole: Path, tmp_path: Path
) -> None:
    again = train(task_factory(*SHORT), tmp_path / "again")
    assert_same_run(whole, again.folder)
    other = train(task_factory(*SHORT, "seed=7"), tmp_path / "other")
    assert journal(other.folder)[0]["loss"] != journal(whole)[0]["loss"]


def test_another_micro_batch_is_the_same_run(task_factory: TaskFactory, whole: Path, tmp_path: Path) -> None:
    """It shares the fingerprint, goes on from the other's checkpoint, and agrees to rounding."""
    stopped = train(stop_at(task_factory(*SHORT), 9, signal.SIGTERM), tmp_path / "moved")
    resumed = train(task_factory(*SHORT, "execution.micro_batch=4"), stopped.folder)
    assert resumed.resumed_from == 5
    manifest, unmoved = load_manifest(resumed.checkpoint), load_manifest(whole / "checkpoints" / "step_00000008")
    assert manifest.fingerprint == unmoved.fingerprint
    stretches = [(s.first, s.last, s.execution["micro_batch"]) for s in manifest.stretches]
    assert stretches == [(1, 5, 2), (6, 8, 4)]
    assert journal(resumed.folder)[-2]["loss"] == pytest.approx(journal(whole)[-2]["loss"], rel=1e-3)


@pytest.mark.parametrize("balance", ["uncertainty", "gradient_norm"])
def test_balanced_terms_go_on_and_split_the_same(task_factory: TaskFactory, balance: str, tmp_path: Path) -> None:
    settings = (*SHORT, f"loss.balance={balance}", "loss.balance_every=2")
    settings = (*settings, "optim.schedule=plateau", "optim.plateau_steps=1")
    whole = train(task_factory(*settings), tmp_path / "whole")
    stopped = train(stop_at(task_factory(*settings), 9, signal.SIGTERM), tmp_path / "stopped")
    resumed = train(task_factory(*settings), stopped.folder)
    assert resumed.resumed_from == 5
    assert_same_run(whole.folder, resumed.folder)
    weights = [line["weights"] for line in journal(whole.folder) if "weights" in line]
    assert weights[-1] != weights[0]
    split = train(task_factory(*settings, "execution.micro_batch=1"), tmp_path / "split")
    last = [line for line in journal(split.folder) if "weights" in line][-1]
    assert last["weights"] == pytest.approx(weights[-1], rel=1e-3)


@pytest.mark.parametrize("split", ["train", "valid"])
def test_the_untrained_model_has_a_finite_loss(task_factory: TaskFactory, split: str, tmp_path: Path) -> None:
    task = task_factory(*SHORT)
    rows = task.evaluate(Trainer(task, tmp_path).model.eval(), task.examples(split))
    assert len(rows) == len(task.examples(split)) > 0
    assert all(math.isfinite(row.values["loss"] or math.nan) for row in rows)
