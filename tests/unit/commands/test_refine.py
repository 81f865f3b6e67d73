import json
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest
from typer.testing import CliRunner

import monosome
from monosome.cli import app
from monosome.commands import refine
from monosome.errors import DataError
from monosome.rna.files import read_structure, write_structure
from monosome.rna.geometry import duplex, hairpin
from monosome.rna.nucleotides import ATOM_INDEX
from monosome.rna.stereochemistry import stereochemistry

HAIRPIN = hairpin("GGCACGAAAGUGCC", 5)
STEPS = 100


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A hairpin with a gap, a lengthened bond and an atom missing."""
    atoms = HAIRPIN.atoms.copy()
    atoms[5:9] += np.float32([0, 0, 2])
    atoms[3, ATOM_INDEX["O2'"]] = np.nan
    write_structure(replace(HAIRPIN, atoms=atoms), tmp_path / "model.pdb", format="pdb")
    return tmp_path / "model.pdb"


def test_a_table_says_what_was_off_and_what_is(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    refine.run([model], out=tmp_path / "better.cif", steps=STEPS, jobs=1, json=False)
    text = capsys.readouterr().out
    lines = {line.split("  ")[0]: line.split()[-4:] for line in text.splitlines() if "  " in line}
    assert text.startswith("14 residues, C1' moved by")
    assert "note: placed 1 atoms that were missing" in text
    gaps = next(words for name, words in lines.items() if name.startswith("links"))
    assert "".join(gaps[-3:]) == "0of13"
    assert text.rstrip().endswith(f"structure: {tmp_path / 'better.cif'}")
    assert not stereochemistry(read_structure(tmp_path / "better.cif").chains[0]).links.outliers


def test_json_is_one_object(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    refine.run([model], out=tmp_path / "better.pdb", steps=STEPS, jobs=1, json=True)
    values = json.loads(capsys.readouterr().out)
    assert (values["length"], values["num_placed"], values["num_open"]) == (14, 1, 0)
    assert values["before"]["num_gaps"] == 2
    assert values["after"]["num_gaps"] == 0
    assert 0 < values["shift_angstrom"] <= 1
    assert gemmi.read_structure(str(tmp_path / "better.pdb"))[0]["A"][0].name == "G"


def test_chains_keep_their_names_and_numbers(tmp_path: Path):
    helix = duplex("GGCACG")
    strands = [
        replace(helix.subset(helix.segments == index), id=name, residue_numbers=np.arange(6) + first)
        for index, (name, first) in enumerate((("B", 1), ("X", 1)))
    ]
    write_structure([replace(strand, segments=strand.segments * 0) for strand in strands], tmp_path / "two.cif")
    refine.run([tmp_path / "two.cif"], out=tmp_path / "out.cif", steps=STEPS, jobs=1, json=False)
    found = read_structure(tmp_path / "out.cif").chains
    assert [(chain.id, chain.sequence, chain.residue_numbers.tolist()) for chain in found] == [
        ("B", "GGCACG", [1, 2, 3, 4, 5, 6]),
        ("X", "CGUGCC", [1, 2, 3, 4, 5, 6]),
    ]


def test_nothing_is_overwritten(model: Path):
    before = model.read_bytes()
    with pytest.raises(DataError, match="is there already"):
        refine.run([model], out=model, steps=STEPS, jobs=1, json=False)
    assert model.read_bytes() == before


def test_a_wrong_name_is_refused_before_work(model: Path, tmp_path: Path):
    with pytest.raises(DataError, match="no name of a structure file"):
        refine.run([model], out=tmp_path / "better.txt", steps=STEPS, jobs=1, json=False)


@pytest.mark.parametrize("content", [b"", b"no structure", b"\x1f\x8b broken"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "wrong.pdb").write_bytes(content)
    with pytest.raises(DataError):
        refine.run([tmp_path / "wrong.pdb"], out=tmp_path / "out.cif", steps=STEPS, jobs=1, json=False)
    assert not (tmp_path / "out.cif").exists()


def test_points_alone_cannot_be_refined(tmp_path: Path):
    atoms = np.full_like(HAIRPIN.atoms, np.nan)
    atoms[:, ATOM_INDEX["C1'"]] = HAIRPIN.atom("C1'")
    write_structure(replace(HAIRPIN, atoms=atoms), tmp_path / "points.cif")
    with pytest.raises(DataError, match="nothing to refine"):
        refine.run([tmp_path / "points.cif"], out=tmp_path / "out.cif", steps=STEPS, jobs=1, json=False)


def test_the_verb_and_the_function_are_there(model: Path, tmp_path: Path):
    arguments = ["refine", str(model), "-o", str(tmp_path / "verb.cif"), "--steps", "20"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert (tmp_path / "verb.cif").is_file()
    assert monosome.refine(HAIRPIN, steps=20).num_open == 0


@pytest.mark.parametrize("jobs", [1, 2])
def test_several_are_written_to_a_folder_and_what_fails_is_named(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], jobs: int
):
    (tmp_path / "models").mkdir()
    for name in ("one.pdb", "two.pdb"):
        (tmp_path / "models" / name).write_bytes(model.read_bytes())
    (tmp_path / "wrong.cif").write_text("no structure")
    given = [tmp_path / "models", tmp_path / "wrong.cif"]
    refine.run(given, out=tmp_path / "better", steps=STEPS, jobs=jobs, json=True)
    values = json.loads(capsys.readouterr().out)
    assert [Path(each["out"]).name for each in values["models"]] == ["one.pdb", "two.pdb"]
    assert all(each["after"]["num_gaps"] == 0 for each in values["models"])
    assert [each["structure"] for each in values["errors"]] == [str(tmp_path / "wrong.cif")]
    first, second = ((tmp_path / "better" / name).read_bytes() for name in ("one.pdb", "two.pdb"))
    assert first == second
    with pytest.raises(DataError, match="is there already"):
        refine.run(given, out=tmp_path / "better", steps=STEPS, jobs=1, json=True)


def test_a_table_of_several(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    other = tmp_path / "other.pdb"
    other.write_bytes(model.read_bytes())
    refine.run([model, other], out=tmp_path / "better", steps=STEPS, jobs=1, json=False)
    text = capsys.readouterr().out
    assert "2 to 0" in text
    assert text.rstrip().endswith(f"structures: {tmp_path / 'better'}")
    with pytest.raises(DataError, match="would both be"):
        refine.run([model, model], out=tmp_path / "more", steps=STEPS, jobs=1, json=False)
