import math

import pytest

from monosome.config import OptimConfig
from monosome.train.schedules import Plateau, average_decay, learning_rate


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


def test_a_plateau_halves_the_rate_after_three_stretches_without_a_gain() -> None:
    plateau = Plateau(2)
    factors = []
    for mean in (5.0, 4.0, 4.1, 3.9999, 4.0, 3.0, 3.0, 3.0, 3.0):  # one ten-thousandth is no gain
        plateau.observe(mean - 1)
        plateau.observe(mean + 1)
        factors.append(plateau.factor)
    assert factors == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25]


def test_a_plateau_goes_on_in_the_middle_of_a_stretch() -> None:
    whole, stopped = Plateau(3), Plateau(3)
    losses = [3.0, 2.0, 2.5, 2.0, 2.2, 2.1, 2.4]
    for loss in losses:
        whole.observe(loss)
    for loss in losses[:4]:
        stopped.observe(loss)
    resumed = Plateau(3)
    resumed.restore(stopped.state())
    for loss in losses[4:]:
        resumed.observe(loss)
    assert (resumed.means, resumed.stretch) == (whole.means, whole.stretch)


def test_a_plateau_never_falls_below_the_final_ratio() -> None:
    config = OptimConfig(schedule="plateau", learning_rate=1.0, warmup_steps=2, final_ratio=0.1)
    assert learning_rate(config, 100, 0) == 0.5
    assert learning_rate(config, 100, 50, plateau=0.25) == 0.25
    assert learning_rate(config, 100, 50, plateau=0.01) == 0.1
