import json

import pytest

from monosome.commands import plan
from monosome.errors import HardwareError

OPTIONS = {"device": "rtx-4070-ti-super", "lengths": "16:48:16", "max_length": False, "budget": None, "json": True}
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


def test_the_table_for_people(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "120")
    plan.run("rna/micro", TINY, **{**OPTIONS, "lengths": "16", "budget": 20.0, "json": False})
    out = capsys.readouterr().out
    assert "rna/micro on rtx-4070-ti-super" in out
    assert "execution.checkpoint_blocks" in out
    assert "p3.2xlarge" in out
