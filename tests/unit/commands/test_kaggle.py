"""`monosome kaggle`: what is printed, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from monosome.commands import kaggle
from monosome.errors import DataError
from monosome.rna.kaggle import read_targets
from monosome.rna.submission import write_submission

SEQUENCES = "target_id,sequence,stoichiometry,all_sequences\n9AAA,GGACGGAC,A:2,\n9BBB,GGGGAAAACCCC,A:1,\n"


@pytest.fixture
def sequences(tmp_path: Path) -> Path:
    path = tmp_path / "test_sequences.csv"
    path.write_text(SEQUENCES)
    return path


@pytest.fixture
def submission(sequences: Path) -> Path:
    path = sequences.with_name("submission.csv")
    targets = read_targets(sequences)
    draw = np.random.default_rng(0)
    places = [draw.normal(size=(5, len(target.sites), 3)).astype(np.float32) * 9 for target in targets]
    write_submission(path, targets, places, 2)
    return path


def _check(submission: Path, sequences: Path, *, sample: Path | None = None, json: bool = False) -> None:
    kaggle.check(submission, sequences=sequences, sample=sample, part="auto", json=json)


def test_a_right_submission_is_said_to_be_right(submission: Path, sequences: Path, capsys: pytest.CaptureFixture[str]):
    _check(submission, sequences, sample=submission)
    assert "is right: 2 targets, 20 residues" in capsys.readouterr().out
    _check(submission, sequences, json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["valid"], found["num_rows"], found["faults"]) == (True, 20, [])


def test_a_wrong_one_is_refused_with_its_line(submission: Path, sequences: Path, capsys: pytest.CaptureFixture[str]):
    lines = submission.read_text().splitlines()
    del lines[4:6]
    submission.write_text("\n".join([*lines[:8], lines[8].replace(",", ",x", 3)]))
    with pytest.raises(DataError, match=r"submission\.csv, line 5: 9AAA_4, 9AAA_5 are missing before 9AAA_6") as found:
        _check(submission, sequences, json=True)
    assert "line 9: the resname" in found.value.hint
    told = json.loads(capsys.readouterr().out)
    assert not told["valid"]
    assert told["faults"][0] == {"line": 5, "fault": "9AAA_4, 9AAA_5 are missing before 9AAA_6"}


def test_many_faults_are_counted(submission: Path, sequences: Path):
    submission.write_text(submission.read_text().replace(",G,", ",A,").replace(",C,", ",A,").replace(".", ".x"))
    with pytest.raises(DataError) as found:
        _check(submission, sequences)
    assert "more: --json lists them" in found.value.hint


def test_scores_of_targets_and_their_mean_are_printed(submission: Path, capsys: pytest.CaptureFixture[str]):
    labels = submission.with_name("labels.csv")
    lines = [line.split(",") for line in submission.read_text().splitlines()]
    labels.write_text("".join(",".join([*cells[:6], *cells[18:]]) + "\n" for cells in lines))
    kaggle.score(submission, labels, part="auto", json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["part"] == 2
    assert found["metrics"]["best"]["value"] == pytest.approx(1.0)
    assert found["metrics"]["best"]["num_examples"] == 2
    assert [target["id"] for target in found["targets"]] == ["9AAA", "9BBB"]
    assert all(target["scores"][0] == target["best"] for target in found["targets"])
    kaggle.score(submission, labels, part="1", json=False)
    assert "paired by structure alone" in capsys.readouterr().out


def test_a_submission_that_is_there_is_not_written_over(submission: Path, sequences: Path):
    with pytest.raises(DataError, match="is there already"):
        kaggle.submit(
            sequences, submission, hours=1.0, checkpoint=None, template=None, before="cutoff", part="auto", json=False
        )


def test_a_submission_is_made_and_told(
    sequences: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "made.csv"
    kaggle.submit(sequences, out, hours=0.5, checkpoint=None, template=None, before="cutoff", part="auto", json=True)
    captured = capsys.readouterr()
    assert [line for line in captured.err.splitlines() if line.startswith("2/2 9BBB, 12 nt: ")]
    found = json.loads(captured.out)
    assert [target["num_strands"] for target in found["targets"]] == [2, 1]
    assert [target["why"] for target in found["targets"]] == ["", ""]
    assert all(target["num_folded"] >= 1 for target in found["targets"])
    _check(out, sequences)
    assert out.read_text().startswith("ID,resname,resid,x_1,y_1,z_1,x_2")
    assert out.read_text().splitlines()[0].endswith("z_5,chain,copy")
    out.unlink()
    kaggle.submit(sequences, out, hours=0.5, checkpoint=None, template=None, before="cutoff", part="1", json=False)
    captured = capsys.readouterr()
    assert "2 targets, 2 by the network, in " in captured.out
    assert "kaggle check" in captured.out
    assert out.read_text().splitlines()[0].endswith("z_5")
