import json
from pathlib import Path

import pytest

from monosome.errors import DataError
from monosome.rna.files import write_structure
from monosome.rna.geometry import hairpin
from monosome.rna.holdout import find_overlaps, read_held_out
from monosome.sequences.fasta import Record, write_fasta

ONE, OTHER = "GGCACGAAAGUGCC", "GGAUAGCUUCGGCUAUCC"


def test_the_chains_that_have_relatives_are_named_with_the_nearest() -> None:
    held_out = [Record("target", "", "AUAUA" + OTHER + "UAUAU"), Record("same", "", OTHER)]
    found = find_overlaps({"one": ONE, "two": OTHER}, held_out)
    assert list(found.notes) == ["two"]
    assert found.notes["two"].startswith("two: a relative of ")
    report = json.loads(json.dumps(found.report()))
    assert {key: report[key] for key in ("num_chains", "num_held_out", "num_related", "related")} == {
        "num_chains": 2,
        "num_held_out": 2,
        "num_related": 1,
        "related": ["two"],
    }
    assert {(leak["train"], leak["valid"], leak["identity"]) for leak in report["overlaps"]} == {
        ("two", "target", 1.0),
        ("two", "same", 1.0),
    }


def test_nothing_held_out_overlaps_with_nothing() -> None:
    assert find_overlaps({"one": ONE}, []).notes == {}
    assert find_overlaps({}, [Record("x", "", ONE)]).report()["overlaps"] == []


def test_what_is_held_out_is_fasta_or_structures(tmp_path: Path) -> None:
    folder = tmp_path / "structures"
    folder.mkdir()
    write_structure(hairpin(ONE, 5), folder / "a.cif")
    write_fasta([Record("x", "", "ACGUN")], tmp_path / "x.fasta")
    assert [(r.id, r.sequence) for r in read_held_out(tmp_path / "x.fasta")] == [("x", "ACGUN")], "any letters"
    for place in (folder, folder / "a.cif"):
        assert [(r.id, r.sequence) for r in read_held_out(place)] == [("a", ONE)]
    (folder / "a.cif").write_text("data_x\n")
    with pytest.raises(DataError, match="no usable RNA chain"):
        read_held_out(folder)
    with pytest.raises(DataError):
        read_held_out(tmp_path / "gone.fasta")
