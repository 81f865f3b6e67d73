import copy
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from monosome.errors import CheckpointError
from monosome.protein import exchange
from monosome.protein.pretrained import load_language_model

pytest.importorskip("onnxruntime", reason="onnxruntime is an extra")
pytest.importorskip("onnxscript", reason="onnxscript is an extra")


@pytest.fixture(autouse=True)
def quiet() -> None:
    """torch.onnx and onnxscript warn of their own internals."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_the_file_computes_the_same_at_any_size(student: nn.Module, tmp_path: Path):
    assert exchange.export_onnx(copy.deepcopy(student), tmp_path) < 1e-4
    assert (tmp_path / "model.onnx").is_file()


def test_another_result_is_refused(student: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exchange, "MAX_GAP", -1.0)
    with pytest.raises(CheckpointError, match="logits are off"):
        exchange.export_onnx(copy.deepcopy(student), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_exported_folder_has_identical_logits(model_folder: Path, student: nn.Module):
    tokens = torch.arange(1, 40)[None]
    assert torch.equal(load_language_model(str(model_folder))(tokens).logits, student(tokens).logits)
