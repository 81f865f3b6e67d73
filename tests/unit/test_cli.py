"""The command line as a user meets it: exit codes, clear lines, no tracebacks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from monosome.cli import main


def monosome(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `monosome words`, run in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["monosome", *words])
        with pytest.raises(SystemExit) as ended:
            main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["train", "rna/mikro"], "there is no recipe 'rna/mikro'", "did you mean 'rna/micro'?"),
        (["train", "nowhere.toml"], "cannot read the recipe nowhere.toml", "give the path of a .toml file"),
        (
            ["train", "rna/micro", "optim.learning_rat=1"],
            "there is no setting 'optim.learning_rat'",
            "'learning_rate'?",
        ),
        (["train", "rna/micro", "train.steps"], "'train.steps' is not key=value", "for example: "),
        (["train", "protein/micro", "optim.eps=x"], "optim.eps: input should be a valid number", "explain optim"),
        (
            ["sweep", "sweeps/temprature"],
            "there is no recipe 'sweeps/temprature'",
            "did you mean 'sweeps/temperature'?",
        ),
        (["explain", "optimm"], "there is no setting 'optimm'", "did you mean 'optim'?"),
        (["checkpoint", "show", "nowhere"], "nowhere", "give the folder of a run"),
        (["checkpoint", "verify", "nowhere"], "nowhere", "give the folder of a run"),
        (["evaluate", "nowhere"], "nowhere", "give the folder of a run"),
    ],
)
def test_a_mistake_gets_one_clear_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: list[str],
    message: str,
    hint: str,
):
    monkeypatch.chdir(tmp_path)
    code, out, err = monosome(capsys, *words)
    first, second = err.strip().splitlines()
    assert code == 2
    assert first.startswith("error: ")
    assert message in first
    assert hint in second
    assert out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["trian"], ["train"], ["generate", "x", "-n", "none"], ["fold", "ACGU", "--frmat=cif"]]
)
def test_wrong_usage_is_exit_code_2_without_a_traceback(capsys: pytest.CaptureFixture[str], words: list[str]):
    code, _, err = monosome(capsys, *words)
    assert code == 2
    assert "Usage: monosome" in err
    assert "Traceback" not in err


def test_a_full_disk_is_no_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device", "weights")

    monkeypatch.setattr("monosome.commands.doctor.run", full)
    assert monosome(capsys, "doctor") == (2, "", "error: No space left on device: weights\n")


def test_a_closed_pipe_ends_quietly():
    command = f"{sys.executable} -m monosome explain | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize("words", [["doctor"], ["explain"]])
def test_json_is_alone_on_stdout(words: list[str]):
    environment = {**os.environ, "COLUMNS": "40"}
    command = [sys.executable, "-m", "monosome", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert json.loads(done.stdout)


def test_no_arguments_show_the_verbs(capsys: pytest.CaptureFixture[str]):
    _, out, err = monosome(capsys)
    assert "doctor" in out + err
