"""The verb on a real recipe: two trials of a few steps each, found finished when it is typed again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from monosome.commands import sweep
from monosome.errors import ConfigError, HardwareError

SWEEP = 'recipe = "protein/micro"\n[settings]\ntrain.steps = 2\n[grid]\n"seed" = [0, 1]\n'


def write(folder: Path, text: str) -> str:
    file = folder / "seeds.toml"
    file.write_text(text)
    return str(file)


@pytest.mark.slow
def test_a_sweep_trains_each_point_once_and_names_the_winner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    file = write(tmp_path, SWEEP)
    sweep.run(file, ["execution.threads=1"], out=None, jobs=1, json=True)
    first = capsys.readouterr()
    result = json.loads(first.out)
    folder = tmp_path / result["folder"]
    assert folder.parent == tmp_path / "runs"
    losses = {trial["name"]: trial["values"]["loss"] for trial in result["trials"]}
    assert losses.keys() == {"seed=0", "seed=1"}
    assert losses[result["winner"]] == min(losses.values())
    assert sorted(path.name for path in (folder / "trials").iterdir()) == ["seed=0", "seed=1"]
    assert "trial seed=0\n" in first.err

    sweep.run(file, ["execution.threads=1"], out=None, jobs=1, json=True)
    again = capsys.readouterr()
    assert json.loads(again.out) == result
    assert again.err == ""


@pytest.mark.slow
def test_two_processes_share_the_trials(tmp_path: Path):
    file = write(tmp_path, SWEEP.replace("[0, 1]", "[0, 1, 2, 3]"))

    def swept(name: str, jobs: int) -> subprocess.CompletedProcess[str]:
        command = ["sweep", file, "execution.threads=1", "--out", name, "--jobs", str(jobs), "--json"]
        environment = os.environ | {"MONOSOME_CACHE": str(tmp_path / "cache")}
        words = [sys.executable, "-m", "monosome", *command]
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)

    shared = swept("shared", 2)
    assert [shared.stderr.count(f"trial seed={seed}\n") for seed in range(4)] == [1, 1, 1, 1]
    assert len({(path.read_text()) for path in (tmp_path / "shared" / "claims").glob("seed=*")}) == 2
    found = [json.loads(each.stdout)["trials"] for each in (shared, swept("alone", 1))]
    both = [[trial["values"] for trial in each] for each in found]
    assert both[0] == both[1]


def test_a_killed_process_is_named(tmp_path: Path):
    with pytest.raises(HardwareError, match="one of the processes was killed"):
        sweep.shared(2, os._exit, 9)


def test_a_setting_that_does_not_exist_is_refused_before_the_first_trial(tmp_path: Path):
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match=r"no setting 'optim\.rate'"):
        sweep.run(write(tmp_path, SWEEP + '"optim.rate" = [1, 2]\n'), [], out=out, jobs=1, json=True)
    assert not out.exists()


def test_a_sweep_of_which_every_trial_fails_says_why(tmp_path: Path):
    missing = f"data.path={tmp_path / 'nowhere.fasta'}"
    with pytest.raises(ConfigError, match=r"no trial succeeded: .*nowhere"):
        sweep.run(write(tmp_path, SWEEP), [missing], out=tmp_path / "out", jobs=1, json=True)
