"""The report on many models: methods beside each other, clusters of natives, confidence, the worst on their natives."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monosome.commands import assess
from monosome.errors import DataError
from monosome.rna.files import read_b_factors, read_structure, write_structure
from monosome.rna.geometry import random_hairpin
from monosome.rna.metrics import assess as assess_one
from monosome.rna.validation import Validated, confidence, scene


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three hairpins, each by a good method that knows how sure it is, and by a bad one."""
    rows = ["model,native,method"]
    draw = np.random.default_rng(0)
    for number in range(3):
        native = random_hairpin(number)
        write_structure([native], tmp_path / f"native_{number}.cif")
        for method, noise in (("good", 0.3), ("bad", 4.0)):
            errors = draw.normal(size=native.atoms.shape) * noise * np.linspace(0.2, 2, len(native))[:, None, None]
            model = replace(native, atoms=(native.atoms + errors).astype(np.float32))
            sure = [np.linspace(95, 40, len(native))] if method == "good" else None
            write_structure([model], tmp_path / f"{method}_{number}.cif", b_factors=sure and sure[0])
            rows.append(f"{method}_{number}.cif,native_{number}.cif,{method}")
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_methods_stand_beside_each_other(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = assess.make_request("tm_score,lddt", mode=None, atom="C1'", per_residue=False, per_motif=False)
    many = assess.Many(None, tmp_path / "report", 1, False)
    assess.run_pairs(table, request=request, many=many)
    assert f"open: {tmp_path / 'report' / 'report.html'}" in capsys.readouterr().out
    found = json.loads((tmp_path / "report" / "report.json").read_text())
    assert "Best of 2 methods by TM-score, C1': good" in found["summary"]
    assert len(found["models"]) == 6
    first = found["tables"][0]
    assert first["columns"] == ["metric", "good", "bad"]
    assert first["rows"][-1] == ["models", "3", "3"]
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "By class of motif" in page
    assert page.count('id="scene-') == 5, "the worst five"
    assert "Is the confidence right?" in page
    with pytest.raises(DataError, match="is there already"):
        assess.run_pairs(table, request=request, many=many)


def test_a_scene_lays_the_model_on_its_native(table: Path) -> None:
    model, native = table.parent / "good_1.cif", table.parent / "native_1.cif"
    found = assess_one(model, native)
    made = scene(Validated(model, native, "good", "0", found), "a note")
    assert made.native is not None
    gaps = np.linalg.norm(made.models[0].atoms - made.native.atoms, axis=-1)
    assert np.nanmedian(gaps) < 1
    assert made.native.pairs
    assert made.models[0].confidence is not None


def test_confidence_is_read_where_it_is_one(table: Path, tmp_path: Path) -> None:
    good, bad = table.parent / "good_0.cif", table.parent / "bad_0.cif"
    chains = read_structure(good).chains
    found = confidence(good, chains)
    assert found is not None
    assert found == pytest.approx(np.linspace(95, 40, len(chains[0])), abs=0.01)
    assert len(read_b_factors(good)) == len(chains[0])
    assert confidence(bad, read_structure(bad).chains) is None, "the same for all says nothing"
    write_structure(list(chains), tmp_path / "share.cif", b_factors=np.linspace(0.1, 0.9, len(chains[0])))
    shares = confidence(tmp_path / "share.cif", chains)
    assert shares is not None
    assert shares == pytest.approx(np.linspace(10, 90, len(chains[0])), abs=1)
