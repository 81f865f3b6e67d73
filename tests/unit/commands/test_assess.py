import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monosome.commands import assess
from monosome.errors import ConfigError
from monosome.rna.files import write_structure
from monosome.rna.geometry import hairpin

NATIVE = hairpin("GGCACGAAAGUGCC", 5)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    model, native = tmp_path / "model.cif", tmp_path / "native.pdb"
    write_structure(replace(NATIVE, atoms=NATIVE.atoms + np.float32(5)), model)
    write_structure(NATIVE, native, format="pdb")
    return model, native


def test_json_is_one_object_with_every_score(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]):
    assess.run(*files, mode="residue", atom="C1'", metrics="", json=True)
    values = json.loads(capsys.readouterr().out)
    assert list(values) == ["length", "mode", "atom", "tm_score", "rmsd", "rmsd_atom"]
    assert (values["length"], values["mode"], values["atom"]) == (14, "residue", "C1'")
    assert values["tm_score"] == pytest.approx(1, abs=1e-3)
    assert values["rmsd"] == pytest.approx(0, abs=2e-3)


def test_undefined_scores_are_null(tmp_path: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]):
    write_structure(NATIVE.subset([0, 1]), tmp_path / "part.cif")
    assess.run(tmp_path / "part.cif", files[1], mode="residue", atom="C1'", metrics="tm_score", json=True)
    assert json.loads(capsys.readouterr().out) == {"length": 14, "mode": "residue", "atom": "C1'", "tm_score": None}


def test_a_table_for_people(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]):
    assess.run(*files, mode="residue", atom="P", metrics="tm_score, rmsd_atom", json=False)
    text = capsys.readouterr().out
    assert "14 of 14 residues, paired by number" in text
    assert "TM-score" in text
    assert "RMSD, P (Å)" in text
    assert "heavy" not in text


def test_an_unknown_metric_is_refused_with_the_nearest(files: tuple[Path, Path]):
    with pytest.raises(ConfigError) as caught:
        assess.run(*files, mode="residue", atom="C1'", metrics="tm_scor", json=False)
    assert "tm_score" in caught.value.hint
