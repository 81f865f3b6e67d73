import csv
import json
from pathlib import Path

import pytest
from torch import nn

from monosome.commands import likelihood
from monosome.errors import DataError
from monosome.protein.recipe import GPT2Config
from monosome.protein.student import build_student
from monosome.protein.tokens import ProteinTokenizer, train_tokenizer

WILD = "MKTAYIAKQR"


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> tuple[nn.Module, ProteinTokenizer]:
    tokenizer = train_tokenizer([WILD], 270)
    size = GPT2Config(num_layers=1, num_heads=1, width=16, positions=64)
    found = build_student(size, tokenizer.vocab_size, seed=0).eval(), tokenizer
    monkeypatch.setattr(likelihood, "load_generator", lambda _: found)
    return found


@pytest.mark.usefixtures("model")
def test_variants_are_compared_with_their_wild_type(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    variants = {"A4G": "MKTGYIAKQR", "R10K": "MKTAYIAKQK", "Y5F": "MKTAFIAKQR"}
    rows = "".join(f"{name},{text},{score}\n" for score, (name, text) in enumerate(variants.items()))
    (tmp_path / "v.csv").write_text(f"mutant,mutated_sequence,DMS_score\n{rows}")
    (tmp_path / "w.fasta").write_text(f">wild\n{WILD}\n>other\n{variants['A4G']}\n")
    likelihood.run("model", tmp_path / "v.csv", out=tmp_path / "out.csv", json=True)
    found = json.loads(capsys.readouterr().out)
    alone = likelihood.likelihood("model", tmp_path / "w.fasta")["rows"]
    assert found["wild_type"]["sequence"] == WILD
    assert found["wild_type"]["log_likelihood"] == pytest.approx(alone[0]["log_likelihood"], rel=1e-6)
    expected = alone[1]["log_likelihood"] - alone[0]["log_likelihood"]
    assert found["rows"][0]["difference"] == pytest.approx(expected, abs=1e-4)
    assert -1 <= found["spearman"]["value"] <= 1
    with (tmp_path / "out.csv").open() as stream:
        assert [row["id"] for row in csv.DictReader(stream)] == list(variants)
    with pytest.raises(DataError, match="is there already"):
        likelihood.run("model", tmp_path / "v.csv", out=tmp_path / "out.csv", json=True)


@pytest.mark.usefixtures("model")
def test_a_table_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "w.fasta").write_text("".join(f">p{number}\n{WILD}\n" for number in range(25)))
    likelihood.run("model", tmp_path / "w.fasta", out=None, json=False)
    out = capsys.readouterr().out
    assert "perplexity_per_residue" in out.replace("\n", "")
    assert "the first 20 of 25" in out
