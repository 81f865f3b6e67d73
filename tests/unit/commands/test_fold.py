"""`monosome fold`: what counts as a target, where it goes, and what is written there."""

import json
from pathlib import Path

import gemmi
import numpy as np
import pytest

from monosome.commands import fold
from monosome.errors import DataError
from monosome.rna.evidence import Given
from monosome.rna.recipe import BetaRhoConfig
from monosome.rna.task import BetaRhoTask
from monosome.train.loop import Trainer

SEQUENCE = "GGGGAAAACCCC"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one step."""
    folder = tmp_path_factory.mktemp("run")
    config = BetaRhoConfig.model_validate(
        {"data": {"num_synthetic": 8}, "train": {"steps": 1, "batch_size": 2}, "model": {"num_trunk_blocks": 1}}
        | {"domain": "rna"}
    )
    Trainer(BetaRhoTask(config), folder, progress=False).fit()
    return folder


def _fold(targets: str, out: Path, checkpoint: Path, *, format: str = "cif", given: Given | None = None) -> None:
    given = given or Given()
    fold.run(targets, out, checkpoint=checkpoint, num_models=2, format=format, seed=0, given=given, json=True)  # type: ignore[arg-type]


def _fasta(folder: Path, *names: str) -> str:
    path = folder / "targets.fasta"
    path.write_text("".join(f">{name}\n{SEQUENCE}\n" for name in names))
    return str(path)


def test_a_sequence_longer_than_any_file_name_is_a_sequence() -> None:
    (record,) = fold.read_targets("ACGU" * 500)
    assert len(record.sequence) == 2000


def test_nothing_is_no_sequence() -> None:
    with pytest.raises(DataError, match="the sequence is empty"):
        fold.read_targets("")


def test_thymine_is_read_as_uracil_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert fold.read_targets("ggT")[0].sequence == "GGU"
    assert "1 T read as U" in capsys.readouterr().err


@pytest.mark.parametrize("format", ["cif", "pdb"])
def test_a_target_has_its_models_and_their_confidence(format: str, checkpoint: Path, tmp_path: Path) -> None:
    _fold(_fasta(tmp_path, "one"), tmp_path / "out", checkpoint, format=format)
    folder = tmp_path / "out" / "one"
    confidence = json.loads((folder / "confidence.json").read_text())
    assert [model["file"] for model in confidence["models"]] == [f"model_1.{format}", f"model_2.{format}"]
    assert json.loads((folder / "report.json").read_text())["confidence"] == confidence
    for model in confidence["models"]:
        residues = gemmi.read_structure(str(folder / model["file"]))[0][0]
        assert [residue.name for residue in residues] == list(SEQUENCE)
        assert [residue[0].b_iso for residue in residues] == pytest.approx(model["plddt"], abs=0.01)
        assert 0 <= model["ptm"] <= 1
        assert len(model["secondary_structure"]) == len(SEQUENCE)


def test_a_folder_that_holds_something_is_left_alone(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="is there already"):
        _fold(_fasta(tmp_path, "one"), tmp_path, checkpoint)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_names_are_made_safe_and_none_leaves_the_folder(checkpoint: Path, tmp_path: Path) -> None:
    _fold(_fasta(tmp_path, "../up", "a/b:c", ".."), tmp_path / "out", checkpoint)
    folders = sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert folders == ["_up", "a_b_c", "target"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "targets.fasta"]


def test_two_targets_of_one_folder_are_refused_before_anything_is_written(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'a/b' and 'a_b' would both go to"):
        _fold(_fasta(tmp_path, "a/b", "a_b"), tmp_path / "out", checkpoint)
    assert not (tmp_path / "out").exists()


def test_a_secondary_structure_is_taken_as_given(tmp_path: Path, checkpoint: Path) -> None:
    (tmp_path / "x.db").write_text("..((....))..\n")
    _fold(_fasta(tmp_path, "one"), tmp_path / "out", checkpoint, given=Given(secondary=tmp_path / "x.db"))
    confidence = json.loads((tmp_path / "out" / "one" / "confidence.json").read_text())
    assert {model["secondary_structure"] for model in confidence["models"]} == {"..((....)).."}
    with pytest.raises(DataError, match="are of one RNA"):
        _fold(_fasta(tmp_path, "a", "b"), tmp_path / "more", checkpoint, given=Given(secondary=tmp_path / "x.db"))


def test_strands_of_a_molecule_are_chains_of_one_file(checkpoint: Path, tmp_path: Path) -> None:
    """Two records of one name, and the same typed with `&`: no bond between them, chains A and B, numbered from 1."""
    fasta = tmp_path / "targets.fasta"
    fasta.write_text(">duplex\nGGCGAACUGC\n>one\nGGGAAACCC\n>duplex\nGCAGUUCGCC\n")
    _fold(str(fasta), tmp_path / "out", checkpoint, format="pdb")
    _fold("GGCGAACUGC&GCAGUUCGCC", tmp_path / "typed", checkpoint, format="pdb")
    files = [tmp_path / "out" / "duplex", tmp_path / "typed" / "query"]
    first, typed = (gemmi.read_structure(str(folder / "model_1.pdb"))[0] for folder in files)
    assert [(chain.name, len(chain)) for chain in first] == [("A", 10), ("B", 10)]
    assert [chain[0].seqid.num for chain in first] == [1, 1]
    assert first["B"][9]["C1'"][0].pos.tolist() == typed["B"][9]["C1'"][0].pos.tolist()
    confidence = json.loads((files[0] / "confidence.json").read_text())
    assert confidence["sequence"] == "GGCGAACUGC&GCAGUUCGCC"
    assert confidence["strands"] == [{"chain": "A", "length": 10}, {"chain": "B", "length": 10}]
    assert confidence["models"][0]["secondary_structure"].count("(") == 10
    assert (tmp_path / "out" / "one" / "model_1.pdb").is_file()


def test_what_was_given_and_not_used_is_said(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", np.ones((len(SEQUENCE), 4), dtype=np.float32))
    (tmp_path / "x.csv").write_text("position,reactivity\n" + "".join(f"{n},0.5\n" for n in range(1, 13)))
    given = Given(shape=tmp_path / "x.csv", embedding=tmp_path / "x.npy")
    _fold(_fasta(tmp_path, "one"), tmp_path / "out", checkpoint, given=given)
    shape, embedding = json.loads((tmp_path / "out" / "one" / "confidence.json").read_text())["given"]
    assert (shape["is_used"], embedding["is_used"]) == (True, False)
    assert embedding["why"] == "this checkpoint has no input for an embedding"
    assert "x.npy is not used" in capsys.readouterr().err
    assert "no input for an embedding" in (tmp_path / "out" / "one" / "report.html").read_text()
