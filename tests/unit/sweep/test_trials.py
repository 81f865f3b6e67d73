"""Sweeps on a toy trial: the grid, the winner, failures, and a kill in the middle."""

import json
import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from monosome.config import override
from monosome.errors import ConfigError, DataError
from monosome.sweep.grid import Sweep
from monosome.sweep.trials import run_sweep

GRID = Sweep.model_validate({"recipe": "rna/micro", "grid": {"model.x": [1, 2], "loss.y": [0.5, 0.1]}})

# Logs each start and each end, leaves a note in the trial's folder, and hangs at the third start when told to.
TOY = """
import sys, time
from pathlib import Path
from monosome.sweep.grid import Sweep
from monosome.sweep.trials import run_sweep

folder, hang = Path(sys.argv[1]), sys.argv[2] == "hang"
log = folder / "log.txt"

def write(line):
    with log.open("a") as stream:
        stream.write(line + "\\n")

def trial(settings, run):
    run.mkdir(parents=True, exist_ok=True)
    note = run / "half.txt"
    write(f"{'goes on' if note.exists() else 'starts'} {run.name}")
    note.touch()
    if hang and log.read_text().count("starts") == 3:
        time.sleep(600)
    write(f"ends {run.name}")
    values = dict(setting.split("=") for setting in settings)
    return {"loss": float(values["model.x"]) * float(values["loss.y"])}

sweep = Sweep.model_validate({"recipe": "rna/micro", "grid": {"model.x": [1, 2], "loss.y": [0.5, 0.1]}})
print(run_sweep(sweep, folder, trial).winner.name)
"""


def measure(settings: list[str], folder: Path) -> Mapping[str, float]:
    values = override({}, settings)
    return {"loss": values["model"]["x"] * values["loss"]["y"], "other": 1.0}


def test_every_point_runs_and_the_smallest_wins(tmp_path: Path):
    result = run_sweep(GRID, tmp_path, measure)
    assert [trial.settings for trial in result.trials] == GRID.points()
    assert [trial.values["loss"] for trial in result.trials] == [0.5, 0.1, 1.0, 0.2]
    assert result.winner == result.trials[1]
    assert result.winner.name == "model.x=1,loss.y=0.1"


def test_the_largest_wins_when_asked(tmp_path: Path):
    result = run_sweep(GRID.model_copy(update={"direction": "maximize"}), tmp_path, measure)
    assert result.winner == result.trials[2]


def test_the_table_is_written_as_json_and_markdown(tmp_path: Path):
    result = run_sweep(GRID, tmp_path, measure)
    written = json.loads((tmp_path / "sweep.json").read_text())
    assert written == json.loads(json.dumps(result.as_json()))
    assert written["winner"] == "model.x=1,loss.y=0.1"
    markdown = (tmp_path / "sweep.md").read_text()
    assert "Winner: model.x=1,loss.y=0.1 (by the smallest loss)" in markdown
    assert "| model.x | loss.y | loss | other | seconds |  |" in markdown
    assert "| 1 | 0.1 | 0.1 | 1 | 0 | winner |" in markdown


def test_a_killed_sweep_goes_on_and_runs_each_point_once(tmp_path: Path):
    script = tmp_path / "toy.py"
    script.write_text(TOY)
    folder = tmp_path / "sweep"
    folder.mkdir()
    log = folder / "log.txt"
    process = subprocess.Popen([sys.executable, script, folder, "hang"])
    try:
        while not log.exists() or log.read_text().count("starts") < 3:
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    before = Counter(log.read_text().splitlines())
    assert sum(count for line, count in before.items() if line.startswith("ends")) == 2

    resumed = subprocess.run([sys.executable, script, folder, "go"], capture_output=True, text=True, check=True)
    lines = Counter(log.read_text().splitlines())
    names = [f"model.x={x},loss.y={y}" for x in (1, 2) for y in (0.5, 0.1)]
    assert {line: count for line, count in lines.items() if line.startswith("ends")} == {f"ends {n}": 1 for n in names}
    assert {line: count for line, count in lines.items() if line.startswith("starts")} == {
        f"starts {n}": 1 for n in names
    }
    assert [line for line in lines if line.startswith("goes on")] == [f"goes on {names[2]}"]
    assert resumed.stdout == "model.x=1,loss.y=0.1\n"
    assert resumed.stderr == ""

    again = subprocess.run([sys.executable, script, folder, "go"], capture_output=True, text=True, check=True)
    assert again.stdout == resumed.stdout
    assert Counter(log.read_text().splitlines()) == lines


def test_failed_trials_are_kept_with_their_reason_and_the_sweep_goes_on(tmp_path: Path):
    def trial(settings: list[str], folder: Path) -> Mapping[str, float]:
        values = measure(settings, folder)
        if values["loss"] == 0.1:
            raise DataError("the data are | gone", "look for them")
        return {"loss": math.nan} if values["loss"] == 0.2 else values

    result = run_sweep(GRID, tmp_path, trial)
    assert [trial.failure for trial in result.trials] == ["", "the data are | gone", "", "loss is nan"]
    assert result.winner == result.trials[0]
    assert "the data are \\| gone" in (tmp_path / "sweep.md").read_text()
    assert json.loads((tmp_path / "sweep.json").read_text())["trials"][3]["values"] == {"loss": None}
    assert run_sweep(GRID, tmp_path, measure).trials[1].failure == "the data are | gone"


def test_no_winner_where_all_fail(tmp_path: Path):
    def trial(settings: list[str], folder: Path) -> Mapping[str, float]:
        raise DataError("no data")

    assert run_sweep(GRID, tmp_path, trial).winner is None


def test_our_own_bugs_are_not_hidden_as_failed_trials(tmp_path: Path):
    def trial(settings: list[str], folder: Path) -> Mapping[str, float]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_sweep(GRID, tmp_path, trial)
    assert run_sweep(GRID, tmp_path, measure).winner is not None


def test_another_sweep_is_refused_in_the_same_folder(tmp_path: Path):
    run_sweep(GRID, tmp_path, measure)
    with pytest.raises(ConfigError, match="holds trials of another sweep"):
        run_sweep(GRID.model_copy(update={"settings": {"seed": 1}}), tmp_path, measure)


def test_an_unknown_objective_names_the_nearest_and_is_mended_in_place(tmp_path: Path):
    with pytest.raises(ConfigError, match="measure no 'los'") as raised:
        run_sweep(GRID.model_copy(update={"objective": "los"}), tmp_path, measure)
    assert raised.value.hint == "did you mean 'loss'?"
    assert run_sweep(GRID, tmp_path, measure).winner is not None


def test_names_of_trials_are_safe_and_unlike(tmp_path: Path):
    paths = ["a/b", "a-b", "../a", "ä", "x" * 200, "x" * 201]
    sweep = Sweep.model_validate({"recipe": "rna/micro", "grid": {"data.path": paths, "seed": [0, 1]}})
    result = run_sweep(sweep, tmp_path, lambda settings, folder: folder.mkdir(parents=True) or {"loss": 1.0})
    assert len({trial.name for trial in result.trials}) == 12
    assert sorted(path.name for path in (tmp_path / "trials").iterdir()) == sorted(t.name for t in result.trials)


def test_lists_and_switches_are_swept(tmp_path: Path):
    sweep = Sweep.model_validate({"recipe": "r", "grid": {"betas": [[0.9, 0.99], [0.9, 0.95]], "on": [True, False]}})
    result = run_sweep(sweep, tmp_path, lambda settings, folder: {"loss": float(len(settings))})
    assert run_sweep(sweep, tmp_path, measure).trials == result.trials
