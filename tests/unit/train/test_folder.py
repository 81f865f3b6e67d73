import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import SHORT, checkpoints, contents, journal, poisoned, states, stop_at, train
from toy import toy_task

from monosome.errors import CheckpointError, ConfigError, DataError
from monosome.task import Loss
from monosome.train import checkpoint as checkpoint_module

LAWS = Path(__file__).parents[2] / "laws"


@pytest.mark.parametrize(
    ("setting", "difference"),
    [
        ("optim.learning_rate=0.5", "optim.learning_rate is 0.01 there and 0.5 here"),
        ("data.num_examples=20", "data.num_examples is 21 there and 20 here"),
        ("seed=4", "seed is 0 there and 4 here"),
    ],
)
@pytest.mark.parametrize("saved", [True, False])
def test_another_run_s_folder_is_refused_and_stays_as_it_was(
    tmp_path: Path, setting: str, difference: str, saved: bool
) -> None:
    if saved:
        train(toy_task(*SHORT), tmp_path)
    else:  # stopped by a bad batch before its first checkpoint
        with pytest.raises(DataError):
            train(poisoned(toy_task(*SHORT), lambda loss: Loss(loss.sums, 0.0)), tmp_path)
    before = contents(tmp_path)
    with pytest.raises(ConfigError, match=difference) as caught:
        train(toy_task(*SHORT, setting), tmp_path)
    assert "--out" in caught.value.hint
    assert contents(tmp_path) == before


def test_the_same_settings_on_other_data_are_refused(tmp_path: Path) -> None:
    train(toy_task(*SHORT), tmp_path)
    task = toy_task(*SHORT)
    words = task.examples("train")
    task.examples = lambda split: type(words)(tuple(words)[::-1])  # type: ignore[method-assign,call-arg,arg-type]
    with pytest.raises(ConfigError, match="training data have another content"):
        train(task, tmp_path)


def test_a_recipe_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('title = "pancakes"\n')
    with pytest.raises(ConfigError, match="other settings than this program knows"):
        train(toy_task(*SHORT), tmp_path)
    assert (tmp_path / "recipe.toml").read_text() == 'title = "pancakes"\n'


def test_where_it_runs_and_where_the_data_lie_are_not_differences(tmp_path: Path) -> None:
    train(stop_at(toy_task(*SHORT), 9, signal.SIGTERM), tmp_path)
    resumed = train(toy_task(*SHORT, "data.path=elsewhere", "execution.micro_batch=1"), tmp_path)
    assert resumed.resumed_from == 5


@pytest.mark.parametrize("keep", [1, 2])
def test_only_the_latest_checkpoints_are_kept(tmp_path: Path, keep: int) -> None:
    train(toy_task(*SHORT, "execution.save_every=1", f"execution.keep_checkpoints={keep}"), tmp_path)
    assert checkpoints(tmp_path) == ["best", *(f"step_{step:08d}" for step in range(9 - keep, 9))]


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = (*SHORT, "execution.save_every=2", "execution.keep_checkpoints=1")
    whole = train(toy_task(*settings), tmp_path / "whole")
    run = train(
        stop_at(toy_task(*settings, "execution.keep_checkpoints=9"), 13, signal.SIGTERM), tmp_path / "run"
    ).folder
    for step in (6, 7):
        damaged = run / "checkpoints" / f"step_{step:08d}" / "optimizer.safetensors"
        damaged.write_bytes(damaged.read_bytes()[:-1])
    resumed = train(toy_task(*settings), run)
    assert resumed.resumed_from == 4
    assert "step_00000007/optimizer.safetensors is damaged: going on from step 4" in capfd.readouterr().err
    for name, tensors in states(whole.checkpoint).items():
        assert all(torch.equal(tensor, states(resumed.checkpoint)[name][key]) for key, tensor in tensors.items())
    assert checkpoints(run) == ["best", "step_00000008"]


def test_with_every_checkpoint_damaged_nothing_is_begun_anew(tmp_path: Path) -> None:
    train(toy_task(*SHORT), tmp_path)
    for file in (tmp_path / "checkpoints").glob("step_*/model.safetensors"):
        file.unlink()
    before = contents(tmp_path)
    with pytest.raises(CheckpointError, match=r"step_00000008/model\.safetensors is missing"):
        train(toy_task(*SHORT), tmp_path)
    assert contents(tmp_path) == before


DIES_WHILE_SAVING = """
import os, signal, sys
from pathlib import Path
from monosome.train import checkpoint
from runs import SHORT, train
from toy import toy_task

write = checkpoint.save_file

def torn(tensors, file, metadata):
    write(tensors, file, metadata)
    if "step_00000006" in str(file) and file.name == "ema.safetensors":
        os.truncate(file, file.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)

checkpoint.save_file = torn
train(toy_task(*SHORT), Path(sys.argv[1]))
"""


def test_a_kill_in_the_middle_of_saving_costs_three_steps(tmp_path: Path) -> None:
    whole, run = train(toy_task(*SHORT), tmp_path / "whole"), tmp_path / "run"
    died = subprocess.run(
        [sys.executable, "-c", DIES_WHILE_SAVING, str(run)],
        env={**os.environ, "PYTHONPATH": str(LAWS), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert [path.suffix for path in (run / "checkpoints").iterdir() if path.name.startswith(".")] == [".tmp"]
    resumed = train(toy_task(*SHORT), run)
    assert resumed.resumed_from == 3
    assert checkpoints(run) == checkpoints(whole.folder) == ["best", "step_00000006", "step_00000008"]
    assert journal(run) == journal(whole.folder)
    for name, tensors in states(whole.checkpoint).items():
        assert all(torch.equal(tensor, states(resumed.checkpoint)[name][key]) for key, tensor in tensors.items())


def test_a_full_disk_keeps_the_last_whole_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = checkpoint_module.save_file

    def full(tensors: Any, file: Path, metadata: Any) -> None:
        if "step_00000006" in str(file) and file.name == "optimizer.safetensors":
            file.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        write(tensors, file, metadata)

    monkeypatch.setattr(checkpoint_module, "save_file", full)
    with pytest.raises(CheckpointError, match=r"step_00000006: .*No space left on device"):
        train(toy_task(*SHORT), tmp_path)
    assert checkpoints(tmp_path) == ["best", "step_00000003"]
    monkeypatch.undo()
    assert train(toy_task(*SHORT), tmp_path).resumed_from == 3
