"""A sweep killed in the middle of a trial ends as one that was not."""

import json
import time
from pathlib import Path

import pytest

from monosome.commands import sweep
from monosome.train.journal import read_journal
from tests.journeys.command import start

SWEEP = """
recipe = "protein/micro"
[settings]
train.steps = 40
model.num_layers = 1
model.width = 16
execution.save_every = 10
execution.threads = 1
execution.device = "cpu"
[grid]
seed = [0, 1]
"""


@pytest.mark.slow
def test_a_killed_sweep_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """SIGKILL while the second trial trains; the same sweep goes on within that trial."""
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "seeds.toml"
    file.write_text(SWEEP)
    process = start("sweep", file, "--out", "killed", "--json", cwd=tmp_path)
    second = tmp_path / "killed" / "trials" / "seed=1" / "checkpoints" / "step_00000020"
    while not second.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert len(json.loads((tmp_path / "killed" / "sweep.json").read_text())["trials"]) == 1
    before = len(read_journal(second.parents[1]))

    found = {}
    for name in ("killed", "whole"):
        sweep.run(str(file), [], out=tmp_path / name, jobs=1, json=True)
        printed = capsys.readouterr()
        assert ("trial seed=0" in printed.err) == (name == "whole")
        found[name] = {**json.loads(printed.out), "folder": ""}
        for trial in found[name]["trials"]:
            trial.pop("seconds")
    assert len(read_journal(second.parents[1])) > before
    assert found["killed"] == found["whole"]
