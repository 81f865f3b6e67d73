import json
from pathlib import Path

import pytest

from monosome.commands import generate
from monosome.errors import DataError
from monosome.protein.sampling import Sample, SamplingSettings

SAMPLES = [Sample("MKT", is_truncated=False, perplexity=2.5), Sample("MK", is_truncated=True, perplexity=3.0)]


@pytest.fixture(autouse=True)
def sampled(monkeypatch: pytest.MonkeyPatch) -> list[SamplingSettings]:
    settings: list[SamplingSettings] = []
    monkeypatch.setattr(generate, "generate", lambda checkpoint, num, asked: settings.append(asked) or SAMPLES)
    return settings


def run(out: Path | None = None, *, as_json: bool = False) -> None:
    generate.run(
        "model", num=2, out=out, max_length=30, temperature=0.7, top_k=9, repetition_penalty=1.1, seed=4, json=as_json
    )


def test_fasta_goes_to_stdout(sampled: list[SamplingSettings], capsys: pytest.CaptureFixture[str]):
    run()
    out = capsys.readouterr().out
    assert out == ">sample_1 length=3 perplexity=2.50\nMKT\n>sample_2 length=2 perplexity=3.00 truncated\nMK\n"
    assert sampled == [SamplingSettings(30, 0.7, 9, 1.1, 4)]


def test_a_file_is_written_and_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run(tmp_path / "a.fasta")
    assert (tmp_path / "a.fasta").read_text().startswith(">sample_1")
    assert "1 of 2 are whole" in capsys.readouterr().out
    with pytest.raises(DataError, match="is there already"):
        run(tmp_path / "a.fasta")


def test_json_has_everything(capsys: pytest.CaptureFixture[str]):
    run(as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["num_valid"] == 1
    assert found["proteins"][1] == {"sequence": "MK", "is_truncated": True, "perplexity": 3.0, "is_valid": False}
