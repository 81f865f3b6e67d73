"""A submission to Kaggle as a user makes it: killed, made to the end, checked, scored; and one that has no time."""

import csv
import json
import random
import signal
import time
from pathlib import Path

import pytest

from tests.journeys.command import monosome, refused, start

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
TARGETS = {
    "9AAA": ("GGGGAAAACCCC", "A:1"),
    "9BBB": ("GGCGCAUCGCGGCGCAUCGC", "A:2"),
    "9CCC": ("GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA", "A:1"),
    "9DDD": ("".join(random.Random(0).choices("ACGU", k=2000)), "A:1"),
}


def _sequences(folder: Path) -> Path:
    path = folder / "test_sequences.csv"
    rows = [
        f"{name},{sequence},2025-01-01,x,{stoichiometry},,,\n" for name, (sequence, stoichiometry) in TARGETS.items()
    ]
    header = "target_id,sequence,temporal_cutoff,description,stoichiometry,all_sequences,ligand_ids,ligand_SMILES\n"
    path.write_text(header + "".join(rows))
    return path


@pytest.mark.slow
def test_killed_and_gone_on_with_then_checked_and_scored(tmp_path: Path) -> None:
    _sequences(tmp_path)
    words = ("kaggle", "submit", "test_sequences.csv", "-o", "submission.csv", "--hours", "0.02")
    process = start(*words, cwd=tmp_path)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("submission.csv.targets/9AAA.folded.*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "submission.csv").exists()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("submission.csv.targets/*.npz")}

    made = json.loads(monosome(*words, "--json", cwd=tmp_path).stdout)
    assert made["seconds"] < 72, "the run ends inside its hours"
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "nothing is done twice"
    by_id = {target["id"]: target for target in made["targets"]}
    assert list(by_id) == list(TARGETS)
    assert by_id["9CCC"]["num_folded"] >= 1
    assert by_id["9DDD"]["num_folded"] == 0, "2,000 nt take the network longer than a minute"
    assert by_id["9DDD"]["why"]

    monosome("kaggle", "check", "submission.csv", "--sequences", "test_sequences.csv", cwd=tmp_path)
    with (tmp_path / "submission.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if not row["ID"].startswith("9DDD")]
    axes = ["x_1", "y_1", "z_1"]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["ID", "resname", "resid", *axes, "chain", "copy"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    scores = json.loads(monosome("kaggle", "score", "submission.csv", "labels.csv", "--json", cwd=tmp_path).stdout)
    assert scores["metrics"]["best"]["value"] == pytest.approx(1.0)

    lines = (tmp_path / "submission.csv").read_text().splitlines(keepends=True)
    (tmp_path / "spoiled.csv").write_text("".join(lines[:9] + lines[10:]))
    message = refused("kaggle", "check", "spoiled.csv", "--sequences", "test_sequences.csv", cwd=tmp_path)
    assert "spoiled.csv, line 10: 9AAA_9 is missing before 9AAA_10" in message


def test_with_no_time_every_row_is_filled_all_the_same(tmp_path: Path) -> None:
    _sequences(tmp_path)
    words = ("kaggle", "submit", "test_sequences.csv", "-o", "submission.csv", "--hours", "0.001")
    made = json.loads(monosome(*words, "--json", cwd=tmp_path).stdout)
    assert made["targets"][-1]["num_helices"] == 5
    monosome("kaggle", "check", "submission.csv", "--sequences", "test_sequences.csv", cwd=tmp_path)


def test_bad_input_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "sequences.csv").write_text("target_id,sequence\n")
    (tmp_path / "fasta.csv").write_text(">a\nGGAC\n")
    assert "has no targets" in refused("kaggle", "submit", "sequences.csv", cwd=tmp_path)
    assert "has no column 'target_id'" in refused("kaggle", "submit", "fasta.csv", cwd=tmp_path)
    assert "nowhere.csv" in refused("kaggle", "submit", "nowhere.csv", cwd=tmp_path)
    _sequences(tmp_path)
    words = ("kaggle", "submit", "test_sequences.csv", "--checkpoint", "nowhere")
    assert "checkpoint" in refused(*words, cwd=tmp_path).split("error:")[1]


@pytest.mark.slow
def test_the_notebook_runs_without_internet(tmp_path: Path) -> None:
    """Its cells one after the other, as Jupyter runs them; pip alone is left out, as wheels are not here."""
    data = tmp_path / "data"
    data.mkdir()
    _sequences(data).write_text("target_id,sequence,stoichiometry,all_sequences\n9AAA,GGGGAAAACCCC,A:1,\n")
    axes = [f"{axis}_{number}" for number in range(1, 6) for axis in "xyz"]
    rows = [f"9AAA_{number},{base},{number}{',0' * 15}" for number, base in enumerate("GGGGAAAACCCC", start=1)]
    (data / "sample_submission.csv").write_text("\n".join([",".join(["ID", "resname", "resid", *axes]), *rows]) + "\n")
    notebook = json.loads((GUIDES / "kaggle.ipynb").read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    told = ""
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and not source.startswith("!"):
            exec(source, names)
            names |= {"DATA": data, "HOURS": 0.05}
        elif source.startswith("!monosome "):
            told += monosome(*source.removeprefix("!monosome ").format(**names).split(), cwd=tmp_path).stdout
    assert "submission.csv is right: 1 targets, 12 residues" in told
    assert "--no-index" in "".join(notebook["cells"][2]["source"])
