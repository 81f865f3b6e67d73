from typing import Any

import pytest

from monosome.errors import DataError
from monosome.protein.decisions import Decision, by_ladder, by_threshold, decide, size_of

PLANNED = {
    "loss.temperature": 2.0,
    "loss.alpha": 0.5,
    "data.proportion": 0.1,
    "model.num_layers": 4,
    "model.num_heads": 4,
    "model.width": 256,
    "model.positions": 1024,
}


def report(ratio: float, teacher: float = 600.0, unigram: float = 5000.0) -> dict[str, Any]:
    values = {"perplexity_ratio": ratio, "teacher_perplexity": teacher, "unigram_perplexity": unigram}
    return {"metrics": {name: {"value": value} for name, value in values.items()}}


@pytest.mark.parametrize(("size", "limit"), [("tiny", 3.0), ("small", 2.5), ("medium", 2.0)])
def test_below_its_limit_a_student_is_released(size: str, limit: float):
    assert by_threshold(report(limit - 0.01), size, {}).action == "release"
    assert by_threshold(report(limit), size, {"data.proportion": 0.1}).action == "retrain"


def test_beyond_its_limit_it_is_trained_with_a_fifth_then_half_of_the_data_then_given_up():
    settings, found = {"data.proportion": 0.1, "loss.alpha": 0.3}, list[Decision]()
    while not found or found[-1].action == "retrain":
        found.append(by_threshold(report(3.5), "tiny", settings))
        settings = dict(found[-1].settings)
    assert [each.settings.get("data.proportion") for each in found] == [0.2, 0.5, None]
    assert [each.action for each in found] == ["retrain", "retrain", "keep"]
    assert found[0].settings["loss.alpha"] == 0.3, "what was set stays"
    assert "3.5" in found[2].reason
    assert "50%" in found[2].reason


def test_the_ladder_is_climbed_rung_by_rung():
    settings, found = dict(PLANNED), list[Decision]()
    while not found or found[-1].action == "retrain":
        found.append(by_ladder(report(3.5), report(2.9), "tiny", settings))
        settings = {**settings, **found[-1].settings}
    changes = [
        {key: value for key, value in after.settings.items() if value != before.get(key)}
        for before, after in zip([PLANNED, *(each.settings for each in found)], found, strict=False)
    ]
    assert changes == [
        {"loss.temperature": 10.0},
        {"loss.alpha": 0.1},
        {"model.width": 512},
        {"data.proportion": 0.2},
        {"data.proportion": 0.5},
        {},
    ]
    assert found[-1].action == "keep"


def test_what_was_reached_is_passed_over():
    settings = {**PLANNED, "loss.temperature": 10.0, "loss.alpha": 0.05, "model.width": 512}
    assert by_ladder(report(3.5), report(2.9), "tiny", settings).settings["data.proportion"] == 0.2


def test_a_student_that_is_no_worse_is_released():
    assert by_ladder(report(2.9), report(2.9), "tiny", PLANNED).action == "release"


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(DataError, match="nothing was measured"):
        by_threshold(report(1.0, teacher=5000.0), "tiny", {})
    with pytest.raises(DataError, match="no perplexity ratio"):
        by_threshold({"metrics": {}}, "tiny", {})
    with pytest.raises(DataError, match="no student size"):
        by_threshold(report(1.0), "huge", {})
    with pytest.raises(DataError, match="same proteins and teacher"):
        by_ladder(report(3.0), report(3.0, teacher=610.0), "tiny", PLANNED)
    assert by_ladder(report(3.0), report(3.0, unigram=4900.0), "tiny", PLANNED).action == "release"


def test_a_student_is_released_that_beats_the_existing_one_and_its_limit():
    assert decide(report(2.9), report(2.95), "tiny", PLANNED).action == "release"
    assert decide(report(2.9), None, "tiny", PLANNED).action == "release"
    climbs = decide(report(2.9), report(2.8), "tiny", PLANNED)
    assert climbs.settings["loss.temperature"] == 10.0
    more = decide(report(3.2), report(3.3), "tiny", PLANNED)
    assert (more.action, more.settings["data.proportion"]) == ("retrain", 0.2)


@pytest.mark.parametrize(
    ("parameters", "size"), [(130_000, "tiny"), (45e6, "tiny"), (82e6, "small"), (774e6, "medium")]
)
def test_a_model_has_the_limit_of_the_nearest_size(parameters: float, size: str):
    assert size_of(int(parameters)) == size
