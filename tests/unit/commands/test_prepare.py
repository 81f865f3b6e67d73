import json
from pathlib import Path

import pytest

from monosome.commands import prepare
from monosome.rna.files import write_structure
from monosome.rna.geometry import hairpin
from monosome.sequences.fasta import Record, write_fasta


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "source"
    folder.mkdir()
    write_structure(hairpin("GGCACGAAAGUGCC", 5), folder / "one.cif")
    (folder / "broken.cif").write_text("data_x\n")
    return folder


def run(source: Path, out: Path, *, json: bool, held_out: Path | None = None) -> None:
    prepare.run_rna(
        prepare.make_request(source, out, num_workers=1, held_out=held_out, msa=None, secondary=None), json=json
    )


def test_json_counts_what_there_is_and_says_what_was_left_out(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run(source, tmp_path / "out", json=True)
    values = json.loads(capsys.readouterr().out)
    assert (values["chains"], values["residues"], values["resolved_residues"], values["clusters"]) == (1, 14, 14, 1)
    assert values["kept_from_before"] == 0
    assert len(values["notes"]) == 1
    run(source, tmp_path / "out", json=True)
    assert json.loads(capsys.readouterr().out)["kept_from_before"] == 1


def test_json_lists_the_relatives_of_what_is_held_out(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_structure(hairpin("GGAUAGCUUCGGCUAUCC", 7), source / "two.cif")
    write_fasta([Record("target", "", "GGAUAGCUUCGGCUAUCC")], tmp_path / "held_out.fasta")
    run(source, tmp_path / "out", json=True, held_out=tmp_path / "held_out.fasta")
    values = json.loads(capsys.readouterr().out)
    assert (values["chains"], values["relatives_of_held_out"]) == (1, 1)
    (leak,) = values["leaks"]
    assert (leak["train"], leak["valid"], leak["identity"]) == ("two", "target", 1.0)


def test_a_table_for_people_ends_with_what_to_type_next(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run(source, tmp_path / "out", json=False)
    text = capsys.readouterr().out
    assert "note: " in text
    assert text.splitlines()[-1].startswith("next: monosome train rna/micro data.path=")
