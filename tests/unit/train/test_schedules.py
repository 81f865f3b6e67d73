import math

import pytest

from monosome.config import OptimConfig
from monosome.train.schedules import average_decay, learning_rate


def rates(**settings: object) -> list[float]:
    """Learning rates of a run of 20 steps, as shares of the peak."""
    config = OptimConfig.model_validate({"learning_rate": 2.0, "warmup_steps": 4, "final_ratio": 0.1, **settings})
    return [learning_rate(config, 20, step) / 2.0 for step in range(20)]


@pytest.mark.parametrize("schedule", ["cosine", "wsd", "constant"])
def test_warm_up_is_linear_from_zero(schedule: str) -> None:
    assert rates(schedule=schedule)[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_cosine_is_halfway_down_in_the_middle_and_ends_at_the_final_ratio() -> None:
    found = rates(schedule="cosine")
    assert found[11] == pytest.approx(0.55)  # 8 of 16 steps after the warm-up
    assert found[7] == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 4)) / 2)
    assert found[19] == pytest.approx(0.1)
    assert found[3:] == sorted(found[3:], reverse=True)


def test_wsd_is_constant_then_falls_linearly() -> None:
    found = rates(schedule="wsd", decay_share=0.25)
    assert found[3:15] == pytest.approx([1.0] * 12)
    assert found[15:] == pytest.approx([0.82, 0.64, 0.46, 0.28, 0.1])


def test_constant_stays() -> None:
    assert rates(schedule="constant")[3:] == pytest.approx([1.0] * 17)


@pytest.mark.parametrize("schedule", ["cosine", "wsd", "constant"])
def test_a_warm_up_longer_than_the_run_never_passes_the_peak(schedule: str) -> None:
    found = rates(schedule=schedule, warmup_steps=50)
    assert all(0 < rate < 1 for rate in found)


def test_without_warm_up_the_first_step_is_the_largest() -> None:
    assert rates(schedule="cosine", warmup_steps=0)[0] == pytest.approx(1.0, rel=0.01)


def test_the_average_forgets_its_beginning() -> None:
    """Share of the first weights left after 1,000 steps at 0.999: 37 % with a constant decay, next to nothing here."""
    left = math.prod(average_decay(0.999, step) for step in range(1000))
    assert 0.999**1000 > 0.36
    assert left < 1e-5
    assert average_decay(0.999, 10**6) == 0.999
