import json
from pathlib import Path

import pytest

from monosome.cli import app
from monosome.commands import evaluate_protein
from monosome.commands.evaluate_protein import Request
from monosome.errors import DataError
from monosome.protein.natural import NATURAL
from monosome.sequences.fasta import read_fasta, write_fasta


@pytest.fixture
def designs(tmp_path: Path) -> Path:
    write_fasta(read_fasta(NATURAL)[:6], tmp_path / "designs.fasta")
    return tmp_path / "designs.fasta"


def test_designs_are_compared_and_a_report_is_written(designs: Path, capsys: pytest.CaptureFixture[str]):
    evaluate_protein.run(designs, Request(NATURAL), out=None, json=True)
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["designs"]["valid"]["value"] == 1
    assert Path(found["report"]).is_file()
    assert "6 valid designs" in said.err


def test_structures_are_named_by_design(designs: Path, tmp_path: Path):
    folder = tmp_path / "folded"
    folder.mkdir()
    atom = "ATOM      1  CA  GLY A   1      0.000   0.000   0.000  1.00  0.80           C\n"
    (folder / "x.pdb").write_text(atom)
    with pytest.raises(DataError, match="named as a design"):
        evaluate_protein.judged(designs, Request(NATURAL, structures=folder), None)
    write_fasta([*read_fasta(designs), *read_fasta(NATURAL)[6:7]], tmp_path / "more.fasta")
    text = (tmp_path / "more.fasta").read_text().replace(">" + read_fasta(NATURAL)[6].id, ">x")
    (tmp_path / "more.fasta").write_text(text)
    found = evaluate_protein.judged(tmp_path / "more.fasta", Request(NATURAL, structures=folder), None)
    values = {each.metric.name: each.interval for each in found.measures}
    assert values["plddt"].value == pytest.approx(80)
    assert values["plddt"].num_examples == 1


def test_the_verb_wants_natural_proteins(designs: Path):
    from typer.testing import CliRunner

    found = CliRunner().invoke(app, ["evaluate", "protein", str(designs)])
    assert "compared with natural proteins" in str(found.exception)
