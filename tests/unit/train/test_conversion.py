"""Checkpoints made smaller: weights alone, nothing of the machine they come from."""

import json
from pathlib import Path

import pytest
import torch

from monosome.config import build
from monosome.errors import CheckpointError
from monosome.rna.recipe import BetaRhoConfig
from monosome.train import checkpoint
from monosome.train.conversion import convert


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of which the moving average is what users get."""
    config = BetaRhoConfig.model_validate({"domain": "rna", "data": {"path": "rnas-of-someone"}})
    stretch = checkpoint.Stretch(1, 3, "a card", {"workers": 7}, {"precision": "fp32"}, {})
    manifest = checkpoint.Manifest(
        config=config.model_dump(mode="json"),
        fingerprint="abc",
        execution={"workers": 7},
        numerics={"precision": "fp32"},
        step=3,
        cursor={"epoch": 0},
        seconds=1.5,
        evaluation={"loss": 0.25},
        versions={},
        stretches=[stretch],
    )
    states = {
        "model": {"weight": torch.zeros(300), "number": torch.tensor(3)},
        "ema": {"weight": torch.linspace(-1, 1, 300), "number": torch.tensor(3)},
        "optimizer": {"state": torch.ones(600)},
    }
    checkpoint.save(tmp_path / "run" / "checkpoints" / "step_00000003", manifest, states)
    return tmp_path / "run"


def test_the_average_is_kept_in_half_the_bytes_and_no_path_goes_with_it(run: Path, tmp_path: Path) -> None:
    written = convert(run, tmp_path / "out", BetaRhoConfig, "bfloat16")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["manifest.json", "model.safetensors"]
    state = checkpoint.load_tensors(tmp_path / "out", "model")
    assert state["weight"].dtype == torch.bfloat16
    assert torch.allclose(state["weight"].float(), torch.linspace(-1, 1, 300), atol=4e-3)
    assert state["number"].dtype == torch.int64
    text = (tmp_path / "out" / "manifest.json").read_text()
    assert "someone" not in text
    assert "workers" not in text
    assert build(BetaRhoConfig, json.loads(text)["config"]).data.path == ""
    assert checkpoint.verify(tmp_path / "out").fingerprint == written.fingerprint == "abc"


def test_nothing_is_overwritten_and_nothing_overflows(run: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is there already"):
        convert(run, run, BetaRhoConfig)
    folder = run / "checkpoints" / "step_00000003"
    states = {"model": {"weight": torch.full((2,), 1e6)}}
    checkpoint.save(folder, checkpoint.load_manifest(folder), states)
    with pytest.raises(CheckpointError, match=r"weight of .* is not finite in float16"):
        convert(run, tmp_path / "out", BetaRhoConfig, "float16")
