import json
from pathlib import Path

import pytest
import torch

from monosome.commands import checkpoint as command
from monosome.errors import CheckpointError
from monosome.train import checkpoint


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A run with the checkpoints of two steps and the best."""
    for step in (1, 2):
        manifest = checkpoint.Manifest(
            config={"domain": "toy", "optim": {"learning_rate": 0.5}},
            fingerprint="abc",
            execution={"device": "cpu"},
            numerics={"precision": "fp32"},
            step=step,
            cursor={"epoch": 0},
            seconds=1.5,
            evaluation={"loss": 0.25},
            versions={"torch": torch.__version__},
            stretches=[checkpoint.Stretch(1, step, "a processor", {"device": "cpu"}, {"precision": "fp32"}, {})],
        )
        states = {"model": {"weight": torch.full((3,), float(step))}}
        checkpoint.save(checkpoint.step_folder(tmp_path / "checkpoints", step), manifest, states)
    checkpoint.save(tmp_path / "checkpoints" / checkpoint.BEST, manifest, states)
    return tmp_path


def test_show_prints_the_best_of_a_run(run_folder: Path, capsys: pytest.CaptureFixture[str]):
    command.show(run_folder, json=True)
    shown = json.loads(capsys.readouterr().out)
    assert Path(shown["checkpoint"]).name == "best"
    assert shown["step"] == 2
    assert shown["files"].keys() == {"model.safetensors"}


def test_show_prints_a_table_with_every_stretch(run_folder: Path, capsys: pytest.CaptureFixture[str]):
    command.show(run_folder / "checkpoints" / "step_00000001", json=False)
    out = capsys.readouterr().out
    for text in ("optim.learning_rate", "evaluation.loss", "steps 1 to 1", "numerics.precision"):
        assert text in out


def test_verify_checks_every_checkpoint_of_a_run(run_folder: Path, capsys: pytest.CaptureFixture[str]):
    command.verify(run_folder, json=True)
    checked = json.loads(capsys.readouterr().out)["checkpoints"]
    assert [Path(path).name for path in checked] == ["step_00000001", "step_00000002", "best"]
    assert set(checked.values()) == {"whole"}


def test_verify_names_the_damaged_file(run_folder: Path, capsys: pytest.CaptureFixture[str]):
    file = run_folder / "checkpoints" / "step_00000001" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        command.verify(run_folder, json=True)
    verdicts = json.loads(capsys.readouterr().out)["checkpoints"]
    assert list(verdicts.values())[1:] == ["whole", "whole"]
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        command.verify(file.parent, json=False)


def test_a_folder_without_checkpoints_is_refused(tmp_path: Path):
    with pytest.raises(CheckpointError, match="no checkpoint"):
        command.verify(tmp_path, json=False)
