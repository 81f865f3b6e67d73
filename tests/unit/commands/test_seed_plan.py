import json
from pathlib import Path

import pytest

from monosome.commands import seed_plan
from monosome.protein.recipe import GPT2Config
from monosome.protein.student import build_student
from monosome.protein.tokens import load_tokenizer

SEED_LINE = (
    "--temperature 2.0 --alpha 0.5 --n_layer 4 --n_head 4 --n_embd 512 --train_size_prop 0.1 --learning_rate 1e-3"
)
NAME = "protgpt2-distilled-t2.0-a0.5-l4-h4-e512-p0.1-lr1e-03.uniprot"


def test_the_name_is_the_plans():
    options = seed_plan.train_parser().parse_args(SEED_LINE.split())
    assert seed_plan.model_name(options) == NAME
    assert options.teacher == "nferruz/ProtGPT2"
    assert seed_plan.model_name(seed_plan.train_parser().parse_args(["--learning_rate", "5e-4"])).endswith(
        "lr5e-04.uniprot"
    )


@pytest.mark.slow
def test_train_evaluate_generate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The plan's three lines, with a small teacher and few weights."""
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    small = ["--n_layer", "1", "--n_head", "2", "--n_embd", "16", "--steps", "2", "--batch_size", "2"]
    line = ["--train_size_prop", "0.5", *small]
    seed_plan.run("train", ["--teacher", "none", *line, "--output_dir", "teachers"])
    (teacher,) = Path("teachers").iterdir()
    seed_plan.run("train", ["--teacher", str(teacher), *line])
    model = Path("models/protgpt2-distilled-t2.0-a0.5-l1-h2-e16-p0.5-lr1e-03.uniprot")
    assert {path.name for path in model.iterdir()} >= {"config.json", "model.safetensors", "tokenizer.json", "run"}
    assert "Measured on held-out proteins" in (model / "README.md").read_text()

    words = ["--student_model", str(model), "--num_samples", "3", "--max_length", "12", "--max_valid", "4"]
    seed_plan.run("evaluate", [*words, "--teacher", str(teacher), "--output", "results/e.json"])
    report = json.loads(Path("results/e.json").read_text())
    assert report["metrics"]["perplexity"]["num_examples"] == 4
    assert report["generated"]["num"] == 3
    assert report["compression_ratio"] == pytest.approx(1)
    assert report["ratio_threshold"] == 3.0
    assert report["meets_threshold"] is None, "this teacher is no better than the unigram"
    assert report["warnings"]

    capsys.readouterr()
    seed_plan.run("generate", ["--model", str(model), "--num_sequences", "3", "--max_length", "50"])
    assert 1 <= capsys.readouterr().out.count(">sample_") <= 3


def test_a_failure_is_two_lines(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        seed_plan.run("generate", ["--model", "nowhere"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("error: there is no folder nowhere\n  ")


@pytest.mark.data
@pytest.mark.slow
def test_the_plans_own_line_with_protgpt2s_tokenizer(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The seed's first command as it stands, a small random teacher of ProtGPT2's vocabulary, one step."""
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    tokenizer = load_tokenizer(str(data_folder / "protgpt2_tokenizer"))
    build_student(GPT2Config(num_layers=1, num_heads=1, width=8), tokenizer.vocab_size, 0).save_pretrained("teacher")
    tokenizer.save(Path("teacher"))
    few = ["--teacher", "teacher", "--steps", "1", "--batch_size", "1", "--set", "data.max_valid=1"]
    seed_plan.run("train", [*SEED_LINE.split(), *few])
    assert (tmp_path / "models" / NAME / "model.safetensors").stat().st_size == pytest.approx(38.87e6 * 4, rel=0.01)
