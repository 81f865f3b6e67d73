"""The verb on a real recipe: two trials of a few steps each, found finished when it is typed again."""

import json
from pathlib import Path

import pytest

from monosome.commands import sweep
from monosome.errors import ConfigError

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
    sweep.run(file, ["execution.threads=1"], out=None, json=True)
    first = capsys.readouterr()
    result = json.loads(first.out)
    folder = tmp_path / result["folder"]
    assert folder.parent == tmp_path / "runs"
    losses = {trial["name"]: trial["values"]["loss"] for trial in result["trials"]}
    assert losses.keys() == {"seed=0", "seed=1"}
    assert losses[result["winner"]] == min(losses.values())
    assert sorted(path.name for path in (folder / "trials").iterdir()) == ["seed=0", "seed=1"]
    assert "trial seed=0\n" in first.err

    sweep.run(file, ["execution.threads=1"], out=None, json=True)
    again = capsys.readouterr()
    assert json.loads(again.out) == result
    assert again.err == ""


def test_a_setting_that_does_not_exist_is_refused_before_the_first_trial(tmp_path: Path):
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match=r"no setting 'optim\.rate'"):
        sweep.run(write(tmp_path, SWEEP + '"optim.rate" = [1, 2]\n'), [], out=out, json=True)
    assert not out.exists()


def test_a_sweep_of_which_every_trial_fails_says_why(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"no trial succeeded: .*nowhere"):
        sweep.run(write(tmp_path, SWEEP), [f"data.path={tmp_path / 'nowhere.fasta'}"], out=tmp_path / "out", json=True)
