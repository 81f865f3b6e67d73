import os
from pathlib import Path

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna.npz_features import read_all
from monosome.rna.preparation import Preparation, Request, prepare

SEQUENCES = {"one": "GGCACGAAAGUGCC", "two": "GGAUAGCUUCGGCUAUCC"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "targets.fasta"
    path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in SEQUENCES.items()))
    (tmp_path / "msa").mkdir()
    rows = [SEQUENCES["one"], "GGUACGAAAGUACC", "GCCACGAAAGUGGC"]
    (tmp_path / "msa" / "one.MSA.fasta").write_text("".join(f">{k}\n{row}\n" for k, row in enumerate(rows)))
    (tmp_path / "structures.db").write_text(f">one\n{SEQUENCES['one']}\n(((((....)))))\n")
    return path


def run(source: Path) -> Preparation:
    folder = source.parent
    request = Request(source, folder / "out", 1, msa=folder / "msa", secondary=folder / "structures.db")
    return prepare(request, lambda done, total: None)


def test_feature_files_are_written_in_the_layout_that_is_read(source: Path):
    made = run(source)
    folder = source.parent / "out" / "features"
    one = read_all(folder, "one", SEQUENCES["one"])
    assert one.structure == "(((((....)))))"
    assert one.coupling_matrix is not None
    assert one.coupling_matrix.shape == (14, 14)
    two = read_all(folder, "two", SEQUENCES["two"])
    assert two.coupling_matrix is None
    assert two.pairing_probs is not None
    assert np.all(two.pairing_probs.sum(axis=1) <= 1 + 1e-3)
    assert any("two" in note and "ViennaRNA's structure was taken" in note for note in made.notes)


def test_files_are_kept_until_what_they_are_made_of_changes(source: Path):
    run(source)
    path = source.parent / "out" / "features" / "one_mi_features.npz"
    before = path.stat().st_mtime_ns
    run(source)
    assert path.stat().st_mtime_ns == before
    msa = source.parent / "msa" / "one.MSA.fasta"
    os.utime(msa, (path.stat().st_mtime + 10,) * 2)
    run(source)
    assert path.stat().st_mtime_ns != before


def test_a_folder_that_is_not_there_is_refused_before_anything_is_done(source: Path):
    with pytest.raises(DataError, match="there is no"):
        prepare(Request(source, source.parent / "out", msa=source.parent / "gone"), lambda done, total: None)
    assert not (source.parent / "out").exists()
