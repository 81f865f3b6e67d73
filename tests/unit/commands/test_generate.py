import json
from pathlib import Path
from typing import Any

import pytest

from monosome.commands import generate
from monosome.commands.generate import parse_residues, parse_share
from monosome.errors import ConfigError
from monosome.protein.library import Library, Order
from monosome.protein.sampling import Sample, SamplingSettings

SAMPLES = [Sample("MKT", is_truncated=False, perplexity=2.5), Sample("MK", is_truncated=True, perplexity=3.0, index=1)]
FACTS = {"num": 2, "num_valid": 1, "num_written": 2, "num_whole_and_distinct": 1}


@pytest.fixture(autouse=True)
def orders(monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    found: list[Order] = []
    monkeypatch.setattr(
        generate, "make_library", lambda checkpoint, order, out: found.append(order) or Library(SAMPLES, FACTS)
    )
    return found


def run(out: Path | None = None, *, as_json: bool = False, **settings: Any) -> None:
    given = {"max_length": 30, "temperature": 0.7, "top_k": 9, "repetition_penalty": 1.1, "seed": 4}
    generate.run("model", num=2, out=out, **given, json=as_json, **settings)


def test_fasta_goes_to_stdout(orders: list[Order], capsys: pytest.CaptureFixture[str]):
    run()
    out = capsys.readouterr().out
    assert out == ">sample_1 length=3 perplexity=2.50\nMKT\n>sample_2 length=2 perplexity=3.00 truncated\nMK\n"
    assert orders == [Order(2, SamplingSettings(30, 0.7, 9, 1.1, 4))]


def test_what_is_asked_for_is_ordered(orders: list[Order]):
    run(residues="120:160", prefix="mkt", keep_best="5%", faulty="redraw", batch=7)
    settings = SamplingSettings(30, 0.7, 9, 1.1, 4, (120, 160), "MKT")
    assert orders == [Order(2, settings, "redraw", 0.05, 7)]


def test_too_few_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run(tmp_path / "a.fasta", faulty="redraw")
    said = capsys.readouterr()
    assert "2 written of 2 drawn, of which 1 are whole" in said.out
    assert "1 whole and distinct proteins came of 2 draws" in said.err


def test_json_has_everything(capsys: pytest.CaptureFixture[str]):
    run(as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["num_valid"] == 1
    assert found["proteins"][1]["sequence"] == "MK"
    assert not found["proteins"][1]["is_valid"]


@pytest.mark.parametrize("text", ["120", "160:120", "a:b", "0:5", "-3:5"])
def test_a_bad_range_is_refused(text: str):
    with pytest.raises(ConfigError, match="no range of lengths"):
        parse_residues(text)


def test_a_share_is_read():
    assert (parse_share("5%"), parse_share("0.05"), parse_share("100%")) == (0.05, 0.05, 1.0)
    for text in ("0", "120%", "many"):
        with pytest.raises(ConfigError, match="no share"):
            parse_share(text)
