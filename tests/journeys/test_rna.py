"""BetaRho end to end as a user types it: train, kill, resume, fold, assess, evaluate."""

import json
import signal
import time
from pathlib import Path

import pytest

from tests.journeys.command import monosome, refused, start

QUICK = [
    "train.steps=60",
    "train.batch_size=4",
    "data.num_synthetic=24",
    "execution.save_every=20",
    "optim.warmup_steps=5",
]
TRNA = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA"


def _wait_for(path: Path, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)


@pytest.mark.slow
def test_train_killed_and_resumed_then_fold_and_assess(tmp_path: Path) -> None:
    whole = json.loads(monosome("train", "rna/micro", *QUICK, "-o", "whole", "--json", cwd=tmp_path).stdout)

    process = start("train", "rna/micro", *QUICK, "-o", "killed", cwd=tmp_path)
    _wait_for(tmp_path / "killed/checkpoints/step_00000020/manifest.json")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    resumed = json.loads(monosome("train", "rna/micro", *QUICK, "-o", "killed", "--json", cwd=tmp_path).stdout)
    assert resumed["resumed_from"] >= 20
    assert resumed["metrics"] == whole["metrics"], "a killed and resumed run must end where an undisturbed one does"

    monosome("checkpoint", "verify", "killed", cwd=tmp_path)
    monosome("fold", TRNA, "-o", "out", "--checkpoint", "killed", "--num-models", "2", cwd=tmp_path)
    target = next((tmp_path / "out").iterdir())
    confidence = json.loads((target / "confidence.json").read_text())
    assert len(confidence["models"]) == 2
    assert all(len(model["plddt"]) == len(TRNA) for model in confidence["models"])
    model = target / "model_1.cif"
    scores = json.loads(monosome("assess", model, model, "--json", cwd=tmp_path).stdout)
    assert scores["length"] == len(TRNA)
    assert scores["tm_score"] == pytest.approx(1.0)
    assert scores["rmsd"] == pytest.approx(0.0, abs=1e-4)
    assert (target / "report.html").stat().st_size > 10_000

    scored = json.loads(monosome("evaluate", "killed", "--json", cwd=tmp_path).stdout)
    assert scored["metrics"] == whole["metrics"]
    assert Path(tmp_path, scored["report"]).exists()


def test_bad_input_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "empty.fasta").write_text("")
    (tmp_path / "letters.fasta").write_text(">a\nGGGNAACCC\n")
    (tmp_path / "noise.pdb").write_bytes(bytes(range(256)))
    assert "empty" in refused("fold", "empty.fasta", "-o", "out", "--checkpoint", "c", cwd=tmp_path)
    assert "N" in refused("fold", "letters.fasta", "-o", "out", "--checkpoint", "c", cwd=tmp_path)
    assert "checkpoint" in refused("fold", "GGGAAACCC", "-o", "out", "--checkpoint", "nowhere", cwd=tmp_path)
    assert "noise.pdb" in refused("assess", "noise.pdb", "noise.pdb", cwd=tmp_path)
    assert "rna/micro" in refused("train", "rna/mirco", cwd=tmp_path)
    assert "learning_rate" in refused("train", "rna/micro", "optim.learning_rat=1", cwd=tmp_path)
    assert not (tmp_path / "out").exists(), "nothing is written for input that was refused"
    assert not (tmp_path / "runs").exists()
