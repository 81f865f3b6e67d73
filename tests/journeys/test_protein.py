"""ProtGPT2 students end to end as a user types it: teacher, student, evaluation, samples."""

import json
from pathlib import Path

import pytest

from monosome.sequences.fasta import read_fasta
from tests.journeys.command import monosome, refused

QUICK = ["train.steps=40", "optim.warmup_steps=5"]


@pytest.mark.slow
def test_teacher_student_evaluate_generate(tmp_path: Path) -> None:
    monosome("train", "protein/micro", *QUICK, "-o", "weak", cwd=tmp_path)
    monosome("train", "protein/micro", "-o", "teacher", cwd=tmp_path)
    monosome("distill", "teacher/model", *QUICK, "--size", "micro", "-o", "student", cwd=tmp_path)
    weak = refused("evaluate", "student", "--set", "loss.teacher=weak/model", cwd=tmp_path)
    assert "no better than the token unigram" in weak
    scored = json.loads(monosome("evaluate", "student", "--json", cwd=tmp_path).stdout)
    for name in ("perplexity", "perplexity_ratio", "kl", "unigram_perplexity", "gap_closed", "ece"):
        found = scored["metrics"][name]
        assert found["low"] <= found["value"] <= found["high"], name
    assert scored["metrics"]["perplexity"]["value"] < scored["metrics"]["uniform_perplexity"]["value"]

    words = ["generate", "student", "-n", "5", "--max-length", "60", "--seed", "7"]
    monosome(*words, "-o", "a.fasta", cwd=tmp_path)
    monosome(*words, "-o", "b.fasta", cwd=tmp_path)
    first, second = read_fasta(tmp_path / "a.fasta"), read_fasta(tmp_path / "b.fasta")
    assert first == second, "the same seed gives the same sequences"
    assert 1 <= len(first) <= 5
    assert "a.fasta" in refused(*words, "-o", "a.fasta", cwd=tmp_path), "an existing file is not overwritten"


def test_bad_input_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "empty.fasta").write_text("")
    (tmp_path / "letters.fasta").write_text(">a\nMKT1LLV\n")
    assert "nowhere" in refused("train", "protein/micro", "data.path=nowhere.fasta", cwd=tmp_path)
    assert "empty" in refused("train", "protein/micro", "data.path=empty.fasta", cwd=tmp_path)
    assert "'1'" in refused("train", "protein/micro", "data.path=letters.fasta", cwd=tmp_path)
    assert "nowhere" in refused("distill", "./nowhere", "--size", "micro", cwd=tmp_path)
    assert "nowhere" in refused("generate", "./nowhere", cwd=tmp_path)
    assert not (tmp_path / "runs").exists()
