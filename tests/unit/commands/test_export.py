import json
from pathlib import Path

import pytest
import torch

from monosome.commands import export
from monosome.errors import DataError
from monosome.protein.pretrained import load_language_model
from monosome.protein.recipe import GPT2Config
from monosome.protein.student import build_student
from monosome.protein.tokens import load_tokenizer, train_tokenizer


def test_the_folder_loads_with_identical_logits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    tokenizer = train_tokenizer(["MKTAYIAKQR"], 270)
    model = build_student(GPT2Config(num_layers=1, num_heads=1, width=16, positions=64), tokenizer.vocab_size, 0).eval()
    monkeypatch.setattr(export, "load_generator", lambda _: (model, tokenizer))
    monkeypatch.setattr(export, "export_onnx", lambda *_: 1e-6)
    export.run("model", tmp_path / "out", onnx=True, json=True)
    assert json.loads(capsys.readouterr().out)["onnx_gap"] == 1e-6
    tokens = torch.arange(1, 30)[None]
    assert torch.equal(load_language_model(str(tmp_path / "out"))(tokens).logits, model(tokens).logits)
    assert load_tokenizer(str(tmp_path / "out")).entries == tokenizer.entries
    with pytest.raises(DataError, match="is there already"):
        export.run("model", tmp_path / "out", onnx=False, json=False)
