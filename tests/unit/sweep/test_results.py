"""Arms over seeds, the winner among them, tables and pictures."""

import math

import pytest
from scipy import stats

from monosome.sweep.grid import Sweep, trial_name
from monosome.sweep.results import SweepResult, Trial, over_seeds

SWEEP = Sweep.model_validate({"recipe": "r", "grid": {"loss.t": [1, 2], "seed": [0, 1, 2]}})
LOSSES = {1: [1.0, 1.2, 0.2], 2: [0.7, 0.75, 0.8]}


def result(sweep: Sweep = SWEEP) -> SweepResult:
    trials = [
        Trial(trial_name(point), point, {"loss": LOSSES[point["loss.t"]][point["seed"]], "kl": 0.5}, 1.0)
        for point in sweep.points()
    ]
    return SweepResult(sweep, trials)


def test_an_interval_over_seeds_is_students():
    values = [0.7, 0.75, 0.8]
    found = over_seeds(values)
    low, high = stats.t.interval(0.95, 2, loc=0.75, scale=stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((0.75, low, high))
    assert over_seeds([3.0]).low is None


def test_the_arm_that_is_best_in_the_mean_wins_not_the_luckiest_seed():
    found = result()
    assert [arm.settings for arm in found.arms] == [{"loss.t": 1}, {"loss.t": 2}]
    assert found.winner is not None
    assert found.winner.name == "loss.t=2,seed=0"
    assert [arm["loss"]["num_examples"] for arm in found.as_json()["arms"]] == [3, 3]
    assert "| 2 | 0.750 [0.626, 0.874] | 0.500 [0.500, 0.500] | 3 |" in found.markdown()


def test_without_seeds_there_are_no_intervals():
    found = SweepResult(SWEEP.model_copy(update={"grid": {"loss.t": [1, 2]}}), [])
    assert not found.repeats
    assert found.pictures() == {}
    assert "No trial has finished" in found.markdown()


def test_numbers_are_drawn_with_a_line_for_each_other_setting():
    grid = {"loss.t": [1, 2], "loss.kind": ["a", "b"], "seed": [0, 1, 2]}
    pictures = result(SWEEP.model_copy(update={"grid": grid})).pictures()
    assert pictures.keys() == {"loss.t"}
    assert "loss.kind=a" in pictures["loss.t"]
    assert "loss.kind=b" in pictures["loss.t"]


def test_failed_trials_are_in_no_arm():
    trials = [Trial("a", {"loss.t": 1, "seed": 0}, {}, 1.0, "memory ended"), *result().trials[1:]]
    found = SweepResult(SWEEP, trials)
    assert [len(arm.trials) for arm in found.arms] == [2, 3]
    assert math.isclose(found.arms[0].interval("loss").value, 0.7)
