import csv
import json
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest

from monosome.cli import app
from monosome.commands import assess
from monosome.errors import ConfigError, DataError
from monosome.rna.assessments import Request
from monosome.rna.files import read_structure, write_structure
from monosome.rna.geometry import hairpin
from monosome.rna.metrics import METRICS

NATIVE = hairpin("GGCACGAAAGUGCC", 5)


def request(metrics: str = "", atom: str = "C1'", *, details: bool = False) -> Request:
    return assess.make_request(metrics, mode=None, atom=atom, per_residue=details, per_motif=details)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    model, native = tmp_path / "model.cif", tmp_path / "native.pdb"
    write_structure(replace(NATIVE, atoms=NATIVE.atoms + np.float32(5)), model)
    write_structure(NATIVE, native, format="pdb")
    return model, native


def run(files: tuple[Path, Path], asked: Request, *, superposed: Path | None = None, json: bool = False) -> None:
    assess.run(files[0], [files[1]], request=asked, ensemble=False, superposed=superposed, json=json)


def test_json_is_one_object_with_every_score(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]):
    run(files, request(), json=True)
    values = json.loads(capsys.readouterr().out)
    assert list(values)[:17] == ["length", "mode", "atom", *METRICS]
    assert (values["length"], values["mode"], values["atom"], values["paired_by"]) == (14, "residue", "C1'", "number")
    assert values["tm_score"] == pytest.approx(1, abs=1e-3)
    assert values["rmsd"] == pytest.approx(0, abs=2e-3)
    assert values["inf_nwc"] is None
    assert np.allclose(values["translation"], -5, atol=0.01)
    assert "residues" not in values


def test_undefined_scores_are_null(tmp_path: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]):
    write_structure(NATIVE.subset([0, 1]), tmp_path / "part.cif")
    run((tmp_path / "part.cif", files[1]), request("tm_score"), json=True)
    values = json.loads(capsys.readouterr().out)
    assert (values["tm_score"], values["rotation"]) == (None, None)
    assert "rmsd" not in values


def test_details_on_request(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]):
    run(files, request(details=True), json=True)
    values = json.loads(capsys.readouterr().out)
    assert [one["base"] for one in values["residues"]] == list(NATIVE.sequence)
    assert {one["kind"] for one in values["motifs"]} == {"helix", "hairpin"}
    run(files, request(details=True))
    text = capsys.readouterr().out
    assert "A.G14" not in text
    assert "A.C14" in text
    assert "hairpin" in text


def test_a_table_for_people(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]):
    run(files, request("tm_score, rmsd_atom", atom="P"))
    text = capsys.readouterr().out
    assert "14 of 14 residues, paired by number" in text
    assert "TM-score, P" in text
    assert "RMSD, P" in text
    assert "heavy" not in text


def test_the_superposed_model_lies_on_the_native(files: tuple[Path, Path], tmp_path: Path):
    run(files, request("tm_score"), superposed=tmp_path / "moved.pdb")
    moved = read_structure(tmp_path / "moved.pdb").chains[0]
    assert np.allclose(moved.atoms, NATIVE.atoms, atol=0.01, equal_nan=True)
    with pytest.raises(DataError, match="is there already"):
        run(files, request("tm_score"), superposed=tmp_path / "moved.pdb")


def test_every_model_of_an_ensemble_is_a_reference(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    mirrored = tmp_path / "mirrored.pdb"
    write_structure(replace(NATIVE, atoms=NATIVE.atoms * np.float32([1, 1, -1])), mirrored, format="pdb")
    structure = gemmi.read_structure(str(mirrored))
    structure.add_model(gemmi.read_structure(str(files[1]))[0])
    structure.renumber_models()
    (tmp_path / "nmr.pdb").write_text(structure.make_pdb_string())
    scores = []
    for ensemble in (False, True):
        natives = [tmp_path / "nmr.pdb"]
        assess.run(files[0], natives, request=request("tm_score"), ensemble=ensemble, superposed=None, json=True)
        scores.append(json.loads(capsys.readouterr().out)["tm_score"])
    assert scores[0] < 0.7
    assert scores[1] == pytest.approx(1, abs=1e-3)


def test_an_unknown_metric_or_atom_is_refused_with_the_nearest():
    with pytest.raises(ConfigError) as caught:
        request("tm_scor")
    assert "tm_score" in caught.value.hint
    with pytest.raises(ConfigError):
        request(atom="C1*")


def test_a_table_of_pairs_comes_back_with_scores(files: tuple[Path, Path], tmp_path: Path):
    pairs, out = tmp_path / "pairs.csv", tmp_path / "scores.csv"
    pairs.write_text("name,model,native\nfirst,model.cif,native.pdb\nlost,gone.cif,native.pdb\n")
    assess.run_pairs(pairs, request=request("tm_score,rmsd"), many=assess.Many(out, None, 1, False))
    with out.open() as file:
        first, lost = csv.DictReader(file)
    assert (first["name"], first["model"], float(first["tm_score"])) == (
        "first",
        "model.cif",
        pytest.approx(1, abs=1e-3),
    )
    assert (first["error"], lost["tm_score"]) == ("", "")
    assert "there is no file" in lost["error"]
    with pytest.raises(DataError, match="is there already"):
        assess.run_pairs(pairs, request=request(), many=assess.Many(out, None, 1, False))


def test_a_folder_of_models_best_first(files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "models").mkdir()
    for shift in (0, 2, 1):
        noise = np.random.default_rng(0).normal(size=NATIVE.atoms.shape).astype(np.float32)
        write_structure(replace(NATIVE, atoms=NATIVE.atoms + shift * noise), tmp_path / "models" / f"m{shift}.cif")
    assess.run_folder(tmp_path / "models", files[1], request=request(), many=assess.Many(None, None, 1, False))
    text = capsys.readouterr().out
    assert text.index("m0.cif") < text.index("m1.cif") < text.index("m2.cif")
    assert "means of 3 models" in text
    assess.run_folder(tmp_path / "models", files[1], request=request(), many=assess.Many(None, None, 1, True))
    assert [one["length"] for one in json.loads(capsys.readouterr().out)["scores"]] == [14, 14, 14]


def test_when_nothing_can_be_scored_the_reason_is_said(tmp_path: Path):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("model,native\ngone.cif,native.pdb\n")
    with pytest.raises(DataError, match="none of 1 pairs"):
        assess.run_pairs(pairs, request=request(), many=assess.Many(None, None, 1, False))
    pairs.write_text("model,native\n")
    with pytest.raises(DataError, match="no rows"):
        assess.run_pairs(pairs, request=request(), many=assess.Many(None, None, 1, False))


def test_a_model_without_a_native_is_refused(files: tuple[Path, Path]):
    with pytest.raises(ConfigError, match="a model and a native"):
        app(["assess", str(files[0])], standalone_mode=False)
