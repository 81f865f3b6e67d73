import json
from pathlib import Path

import pytest
import torch
from torch import nn

from monosome.errors import CheckpointError
from monosome.protein.pretrained import content_hash, language_model_shapes, load_language_model, locate, vocab_size


def test_a_saved_model_comes_back(student: nn.Module, model_folder: Path):
    loaded = load_language_model(str(model_folder))
    assert not loaded.training
    assert vocab_size(loaded) == vocab_size(student)
    assert content_hash(loaded) == content_hash(student)
    tokens = torch.arange(20)[None]
    with torch.no_grad():
        assert torch.equal(loaded(tokens).logits, student(tokens).logits)


def test_other_weights_have_another_hash(student: nn.Module, model_folder: Path):
    loaded = load_language_model(str(model_folder))
    with torch.no_grad():
        loaded.get_input_embeddings().weight[3, 3] += 1e-6
    assert content_hash(loaded) != content_hash(student)


def test_a_run_is_known_by_its_model(model_folder: Path, tmp_path: Path):
    (tmp_path / "model").symlink_to(model_folder)
    assert locate(str(tmp_path)) == str(tmp_path / "model")
    assert locate(str(model_folder)) == str(model_folder)
    assert locate("nferruz/ProtGPT2") == "nferruz/ProtGPT2"


def test_bad_places_are_named(model_folder: Path, tmp_path: Path):
    with pytest.raises(CheckpointError, match="no folder nowhere"):
        locate("nowhere")
    with pytest.raises(CheckpointError, match="no language model in"):
        locate(str(tmp_path))
    (tmp_path / "config.json").write_text((model_folder / "config.json").read_text())
    with pytest.raises(CheckpointError, match="no weights") as caught:
        load_language_model(str(tmp_path))
    assert "model.safetensors" in caught.value.hint
    with pytest.raises(CheckpointError, match="the Hub gives no model"):
        load_language_model("no/where")


def test_damaged_models_are_named(model_folder: Path, tmp_path: Path):
    (tmp_path / "config.json").write_text((model_folder / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes(b"no tensors at all")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_language_model(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes((model_folder / "model.safetensors").read_bytes())
    values = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**values, "model_type": "no-such-model"}))
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_language_model(str(tmp_path))


def test_an_architecture_needs_no_weights(student: nn.Module, model_folder: Path, tmp_path: Path):
    (tmp_path / "config.json").write_text((model_folder / "config.json").read_text())
    found = language_model_shapes(str(tmp_path))
    assert all(weight.is_meta for weight in found.parameters())
    assert {name: w.shape for name, w in found.named_parameters()} == {
        name: w.shape for name, w in student.named_parameters()
    }
    assert found.get_output_embeddings().weight is found.get_input_embeddings().weight
    (tmp_path / "config.json").write_text('{"model_type": "no-such-model"}')
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        language_model_shapes(str(tmp_path))
