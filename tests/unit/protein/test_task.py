from pathlib import Path

import pytest
import torch
from torch import nn

from monosome.config import build, fill_auto, fingerprint, override, read_recipe
from monosome.errors import CheckpointError, ConfigError, DataError
from monosome.fit.estimate import Step, training_step
from monosome.fit.shapes import shapes_alone
from monosome.hardware.presets import preset_named
from monosome.protein.objectives import predicted
from monosome.protein.packing import Block
from monosome.protein.recipe import GPT2Config, ProteinConfig
from monosome.protein.student import build_student
from monosome.protein.task import DistillationTask
from monosome.protein.tokens import ProteinTokenizer

SMALL = ["data.block_length=96", "data.max_valid=8", "model.width=16", "model.num_heads=2"]


def task(*assignments: str) -> DistillationTask:
    return DistillationTask(build(ProteinConfig, override(read_recipe("protein/micro"), [*SMALL, *assignments])))


def test_positions_restart_with_each_protein(tokenizer: ProteinTokenizer):
    import numpy as np

    segments = np.array([1, 1, 1, 2, 2], dtype=np.int32)
    batch = task().collate(
        [Block(np.arange(5, dtype=np.int32), segments), Block(np.ones(2, np.int32), np.ones(2, np.int32))]
    )
    assert batch.positions.tolist() == [[0, 1, 2, 0, 1], [0, 1, 0, 0, 0]]
    assert batch.segments.tolist() == [[1, 1, 1, 2, 2], [1, 1, 0, 0, 0]]
    assert predicted(batch.segments).tolist() == [[True, True, False, True], [True, False, False, False]]


def test_one_row_per_held_out_protein(model_folder: Path):
    distillation = task(f"loss.teacher={model_folder}")
    valid = distillation.examples("valid")
    rows = distillation.evaluate(distillation.model(), valid)
    assert [row.id for row in rows] == [valid[index].label.id for index in range(len(valid))]
    assert all(row.group for row in rows)
    names = {"loss", "nll_without_newlines", "nll_per_residue", "teacher_nll", "kl", "agreement", "unigram_nll"}
    assert all(names <= row.values.keys() for row in rows)
    assert all(row.values["kl"] >= 0 for row in rows)


def test_a_student_that_is_the_teacher_has_no_divergence(student: nn.Module, model_folder: Path):
    distillation = task(f"loss.teacher={model_folder}")
    for row in distillation.evaluate(student, distillation.examples("valid")):
        assert row.values["kl"] == pytest.approx(0, abs=1e-6)
        assert row.values["nll_gap"] == pytest.approx(0, abs=1e-6)
        assert row.values["agreement"] == 1


def test_a_student_of_the_teacher_s_size_that_begins_with_it_is_the_teacher(student: nn.Module, model_folder: Path):
    sizes = student.config
    wanted = {"num_layers": sizes.n_layer, "width": sizes.n_embd, "num_heads": sizes.n_head}
    wanted["positions"] = sizes.n_positions
    settings = [f"model.{name}={value}" for name, value in wanted.items()]
    distillation = task(f"loss.teacher={model_folder}", "model.initial=teacher", *settings)
    model = distillation.model()
    distillation.begin(model)
    for row in distillation.evaluate(model, distillation.examples("valid")):
        assert row.values["kl"] == pytest.approx(0, abs=1e-6)


def test_rows_do_not_depend_on_the_batch(student: nn.Module, monkeypatch: pytest.MonkeyPatch):
    distillation = task("data.vocab_size=300")
    model, valid = distillation.model(), distillation.examples("valid")
    together = distillation.evaluate(model, valid)
    monkeypatch.setattr("monosome.protein.evaluation.BATCH_TOKENS", 1)
    alone = distillation.evaluate(model, valid)
    assert [row.values for row in together] == [pytest.approx(row.values, rel=1e-5) for row in alone]


def test_the_teacher_brings_its_tokenizer(model_folder: Path, tokenizer: ProteinTokenizer):
    distillation = task(f"loss.teacher={model_folder}")
    assert distillation.tokenizer.content_hash == tokenizer.content_hash
    assert distillation.frozen() is distillation.frozen()
    assert not any(parameter.requires_grad for parameter in distillation.frozen().parameters())
    assert task().frozen() is None


def test_the_fingerprint_knows_the_teacher_by_its_weights(
    model_folder: Path, tokenizer: ProteinTokenizer, tmp_path: Path
):
    def name(place: Path) -> str:
        distillation = task(f"loss.teacher={place}")
        return fingerprint(distillation.config, distillation.examples("train").content_hash)

    (tmp_path / "link").symlink_to(model_folder)
    size = GPT2Config(num_layers=2, num_heads=2, width=16, positions=128)
    other = build_student(size, tokenizer.vocab_size, seed=5)
    other.save_pretrained(tmp_path / "other")
    tokenizer.save(tmp_path / "other")
    assert name(model_folder) == name(tmp_path / "link")
    assert name(model_folder) != name(tmp_path / "other")


def test_another_vocabulary_is_refused(model_folder: Path, tmp_path: Path):
    other = task("data.vocab_size=300", "data.proportion=0.5").tokenizer
    other.save(tmp_path / "tokenizer")
    with pytest.raises(DataError, match="the teacher's vocabulary"):
        task(f"loss.teacher={model_folder}", f"data.tokenizer={tmp_path / 'tokenizer'}").examples("train")


def test_a_teacher_without_its_tokenizer_is_compared_by_size(model_folder: Path, tmp_path: Path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((model_folder / name).read_bytes())
    task("data.vocab_size=280").tokenizer.save(tmp_path / "tokenizer")
    with pytest.raises(CheckpointError, match="scores 300 tokens"):
        task(f"loss.teacher={tmp_path}", f"data.tokenizer={tmp_path / 'tokenizer'}").frozen()
    assert task(f"loss.teacher={tmp_path}", f"data.tokenizer={model_folder}").frozen() is not None


def test_a_teacher_with_too_few_positions_is_refused(model_folder: Path):
    with pytest.raises(ConfigError, match="sees 128 tokens") as caught:
        task(f"loss.teacher={model_folder}", "data.block_length=200").frozen()
    assert caught.value.hint == "data.block_length=128"


def test_sampled_proteins_join_the_training_set(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from monosome.protein.sampling import Sample

    drawn = [Sample("MKTAYIAKQR", False, 2.0), Sample("MKT", True, 2.0), Sample("", False, None)]
    monkeypatch.setattr("monosome.protein.task.sample", lambda *_: drawn)
    plain = task(f"loss.teacher={model_folder}").examples("train")
    more = task(f"loss.teacher={model_folder}", "data.num_samples=3").examples("train")
    assert more.num_proteins == plain.num_proteins + 1
    assert "1 of 3 proteins" in capsys.readouterr().err


def test_an_export_loads_in_transformers_and_here(tmp_path: Path):
    import json

    from transformers import AutoModelForCausalLM, AutoTokenizer

    distillation = task()
    model = distillation.model().eval()
    distillation.export(model, str(tmp_path / "model"))
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    tokens = torch.from_numpy(distillation.examples("valid")[0].tokens).long()[None]
    with torch.no_grad():
        assert torch.equal(theirs(tokens).logits, model(tokens).logits)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert tokenizer.decode(tokens[0]).startswith("<|endoftext|>\n")
    values = json.loads((tmp_path / "model" / "training_hyperparameters.json").read_text())
    assert values["n_embd"] == 16
    assert values["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert "without a teacher" in (tmp_path / "model" / "README.md").read_text()


def test_a_step_is_planned_with_a_teacher_whose_weights_are_not_there(model_folder: Path, tmp_path: Path):
    for file in model_folder.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    whole, shapes = task(f"loss.teacher={model_folder}"), task(f"loss.teacher={tmp_path}")
    config = fill_auto(whole.config, preset_named("cpu").values())
    assert training_step(shapes, config, Step(40, 2)) == training_step(whole, config, Step(40, 2))
    with shapes_alone():
        assert shapes.lengths(shapes.examples("train")) == whole.lengths(whole.examples("train"))
    assert whole.examples("train").content_hash != task().examples("train").content_hash
    with pytest.raises(CheckpointError, match="no weights"):
        shapes.frozen()
