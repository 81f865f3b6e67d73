import json
from pathlib import Path

import pytest

from monosome.commands import prepare
from monosome.rna.files import write_structure
from monosome.rna.geometry import hairpin


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    write_structure(hairpin("GGCACGAAAGUGCC", 5), folder / "one.cif")
    (folder / "broken.cif").write_text("data_x\n")
    return folder


def test_json_counts_what_there_is_and_says_what_was_left_out(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    prepare.run_rna(source, tmp_path / "out", json=True)
    values = json.loads(capsys.readouterr().out)
    assert (values["chains"], values["residues"], values["resolved_residues"], values["groups"]) == (1, 14, 14, 1)
    assert values["kept_from_before"] == 0
    assert len(values["notes"]) == 1
    prepare.run_rna(source, tmp_path / "out", json=True)
    assert json.loads(capsys.readouterr().out)["kept_from_before"] == 1


def test_a_table_for_people_ends_with_what_to_type_next(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    prepare.run_rna(source, tmp_path / "out", json=False)
    text = capsys.readouterr().out
    assert "note: " in text
    assert text.splitlines()[-1].startswith("next: monosome train rna/micro data.path=")
