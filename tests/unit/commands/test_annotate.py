import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from monosome.cli import app
from monosome.commands import annotate
from monosome.errors import DataError
from monosome.rna.chain import Chain
from monosome.rna.files import write_structure
from monosome.rna.geometry import hairpin
from monosome.rna.interactions import BasePair

HAIRPIN = hairpin("GGCACGAAAGUGCC", 5)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_structure(HAIRPIN, tmp_path / "hairpin.cif")
    return tmp_path / "hairpin.cif"


def printed(chain: Chain, folder: Path, capsys: pytest.CaptureFixture[str], *, torsions: bool = False) -> str:
    write_structure(chain, folder / "shown.cif")
    annotate.run(folder / "shown.cif", torsions=torsions, json=False)
    return capsys.readouterr().out


def test_sequence_and_structure_come_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    lines = printed(HAIRPIN, tmp_path, capsys).splitlines()
    assert lines[0] == "shown.cif"
    assert "14 residues, 5 canonical pairs" in lines[1]
    assert lines[3].endswith("GGCACGAAAGUGCC")
    assert lines[4].endswith("(((((....)))))")
    assert lines[3].index("GGCAC") == lines[4].index("(((((")


def test_tables_name_helices_and_loops(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    text = printed(HAIRPIN, tmp_path, capsys)
    assert "GNRA tetraloop" in text
    assert "G6" in text
    assert "C3'-endo" not in text


def test_torsions_are_shown_when_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    text = printed(HAIRPIN, tmp_path, capsys, torsions=True)
    assert text.count("C3'-endo") == 14
    assert "χ" in text


def test_long_sequences_are_wrapped_and_strands_end_with_an_ampersand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "20")
    broken = HAIRPIN.subset([0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13])
    text = printed(broken, tmp_path, capsys)
    assert "GGCACG&" in text
    assert all(len(line) <= 20 for line in text.splitlines()[:8])
    letters = "".join(line.split()[-1] for line in text.splitlines() if line.split() and set(line) & set("()."))
    assert letters.count("(") >= 5


def test_json_is_one_object(file: Path, capsys: pytest.CaptureFixture[str]):
    annotate.run(file, torsions=False, json=True)
    values = json.loads(capsys.readouterr().out)
    assert values["dot_bracket"] == "(((((....)))))"


def test_a_pair_is_written_with_its_edges_in_order():
    assert annotate.turned(BasePair(3, 9, "tHW", False)) == ("tWH", 9, 3)
    assert annotate.turned(BasePair(3, 9, "cWS", False)) == ("cWS", 3, 9)


@pytest.mark.parametrize("content", [b"", b"no structure", b"\x1f\x8b broken"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "wrong.pdb"
    path.write_bytes(content)
    with pytest.raises(DataError):
        annotate.run(path, torsions=False, json=False)
    assert CliRunner().invoke(app, ["annotate", str(tmp_path / "none.pdb")]).exit_code != 0


def test_a_lone_phosphate_is_annotated_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    atoms = HAIRPIN.atoms.copy()
    atoms[:, 1:] = np.nan
    text = printed(replace(HAIRPIN, atoms=atoms), tmp_path, capsys)
    assert ".............." in text
