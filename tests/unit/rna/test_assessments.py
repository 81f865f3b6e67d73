import os
from pathlib import Path

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna.assessments import Request, assess_pairs, models_in
from monosome.rna.chain import Chain
from monosome.rna.files import write_structure
from monosome.rna.geometry import hairpin
from monosome.rna.metrics import Assessment, assess

NATIVE = hairpin("GGCACGAAAGUGCC", 5)
REQUEST = Request(metrics=("tm_score", "rmsd", "lddt"))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = []
    for seed in range(6):
        noise = np.random.default_rng(seed).normal(size=NATIVE.atoms.shape).astype(np.float32)
        chain = Chain("x", NATIVE.sequence, NATIVE.atoms + seed * noise, NATIVE.residue_numbers, NATIVE.segments)
        write_structure(chain, path := tmp_path / f"{seed}.cif")
        paths.append(path)
    return paths


@pytest.mark.parametrize("num_workers", [1, 2])
def test_many_are_scored_as_one_by_one(files: list[Path], num_workers: int):
    pairs = [(model, native) for native in files[:2] for model in files]
    found = dict(assess_pairs(pairs, REQUEST, num_workers))
    assert sorted(found) == list(range(12))
    assert [found[place] for place in range(12)] == [assess(*pair, metrics=REQUEST.metrics) for pair in pairs]


def test_a_pair_that_fails_leaves_the_others(files: list[Path], tmp_path: Path):
    (tmp_path / "bad.cif").write_text("data_x")
    pairs = [(files[0], files[1]), (tmp_path / "bad.cif", files[1]), (files[0], tmp_path / "gone.cif")]
    found = dict(assess_pairs(pairs, REQUEST, 1))
    assert isinstance(found[0], Assessment)
    assert "not a structure file" in str(found[1])
    assert "there is no file" in str(found[2])


def test_workers_leave_the_environment_as_it_was(files: list[Path]):
    before = dict(os.environ)
    list(assess_pairs([(files[0], files[0])] * 3, REQUEST, 2))
    assert dict(os.environ) == before


def test_structure_files_of_a_folder(files: list[Path], tmp_path: Path):
    (tmp_path / "notes.txt").write_text("x")
    assert models_in(tmp_path) == files
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no structure file"):
        models_in(tmp_path / "empty")
