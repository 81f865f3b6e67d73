import json
from dataclasses import replace
from pathlib import Path

import pytest

from monosome.commands import plan, train
from monosome.commands.domain import task_for
from monosome.config import override, read_recipe
from monosome.errors import HardwareError
from monosome.fit.tuning import Memory

OPTIONS = {"device": "rtx-4070-ti-super", "lengths": "16:48:16", "max_length": False, "budget": None} | {
    "measure": False,
    "optimise": False,
    "json": True,
}
TINY = ("model.num_trunk_blocks=1", "model.num_ipa_blocks=1", "data.num_synthetic=16", "train.batch_size=2")


def planned(capsys: pytest.CaptureFixture[str], *settings: str, **changed: object) -> dict:
    plan.run("rna/micro", [*TINY, *settings], **{**OPTIONS, **changed})
    return json.loads(capsys.readouterr().out)


def test_the_plan_of_a_card_that_is_not_here(capsys: pytest.CaptureFixture[str]):
    found = planned(capsys, budget=20.0)
    assert found["device"] == "rtx-4070-ti-super"
    assert [row["length"] for row in found["table"]] == [16, 32, 48]
    assert all(row["micro_batch"] == 2 and row["accumulation"] == 1 for row in found["table"])
    peaks = [row["peak_bytes"] for row in found["table"]]
    assert peaks == sorted(peaks)
    assert sum(found["parts"].values()) < found["memory_bytes"]
    assert found["savers"][0]["other_peak_bytes"] > found["savers"][0]["peak_bytes"]  # without recomputation: more
    assert found["work"]["hours"] is None
    assert {each["name"]: each["within_budget"] for each in found["instances"]}["g4dn.xlarge"]


def test_without_recipe_data_the_work_is_that_of_the_longest(capsys: pytest.CaptureFixture[str], tmp_path):
    found = planned(capsys, f"data.path={tmp_path / 'nothing'}", lengths="16")
    assert "length 16" in found["work"]["basis"]


def test_an_unknown_card_is_answered_with_the_nearest():
    with pytest.raises(HardwareError) as raised:
        plan.run("rna/micro", [], **{**OPTIONS, "device": "rtx-4070"})
    assert raised.value.hint == "did you mean 'rtx-4070-ti-super'?"


def test_what_is_measured_here_is_kept_and_gives_the_hours(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    found = planned(capsys, device="cpu", lengths="16", measure=True)
    (row,) = found["measured"]["table"]
    assert (row["length"], row["micro_batch"]) == (16, 2)
    assert json.loads(Path(found["measured"]["file"]).read_text())["table"] == [row]
    assert found["work"]["hours"] > 0
    again = planned(capsys, device="cpu", lengths="16")
    assert again["work"]["hours"] == found["work"]["hours"]
    assert "measured" not in again


def test_what_a_run_took_on_this_machine_gives_the_hours(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    settings = [*TINY, "train.steps=2"]
    train.train("rna/micro", settings, out=None, progress=False)
    found = planned(capsys, "train.steps=2", device="cpu", lengths="16")
    assert "2 steps of runs/rna-micro-" in found["work"]["throughput"]
    assert found["work"]["hours"] > 0


def test_nothing_is_measured_on_a_card_that_is_not_here():
    with pytest.raises(HardwareError, match="nothing can be measured"):
        plan.run("rna/micro", TINY, **{**OPTIONS, "measure": True})


def test_the_fewest_savers_that_fit():
    """The CPU's settings recompute nothing: memory just below what they need leaves but the saver."""
    task = task_for(override(read_recipe("rna/micro"), TINY))
    found = plan.plan_for(task, "cpu", [48])
    off = ["execution.rows_at_once=0", "execution.checkpoint_blocks=false", "execution.micro_batch=2"]
    assert plan.optimised(found)["settings"] == off
    tight = replace(found, memory=Memory(round(found.one[48].peak_bytes) - 1, 0, 0.0))
    saved = plan.optimised(tight)
    assert [each["micro_batch"] > 0 for each in saved["tried"]] == [False, True]
    assert saved["settings"][1] == "execution.checkpoint_blocks=true"
    none = plan.optimised(replace(found, memory=Memory(1, 0, 0.0)))
    assert (none["settings"], len(none["tried"])) == ([], 4)


def test_the_table_for_people(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "120")
    plan.run("rna/micro", TINY, **{**OPTIONS, "lengths": "16", "budget": 20.0, "json": False})
    out = capsys.readouterr().out
    assert "rna/micro on rtx-4070-ti-super" in out
    assert "execution.checkpoint_blocks" in out
    assert "p3.2xlarge" in out
