"""Bootstrap intervals: hand-computed means, and coverage as a law."""

import math

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.evaluate.intervals import interval
from monosome.task import Row


def _row(number: int, value: float | None, group: str = "", weight: float = 1.0) -> Row:
    return Row(f"r{number}", {"x": value}, length=10, group=group, weight=weight)


def test_mean_is_weighted_and_skips_undefined_values() -> None:
    found = interval([_row(0, 1.0, weight=3.0), _row(1, 5.0), _row(2, None, weight=100.0)], "x")
    assert found is not None
    assert found.value == pytest.approx(2.0)
    assert (found.num_examples, found.num_groups) == (2, 2)


def test_exponential_is_the_perplexity_of_the_weighted_mean() -> None:
    found = interval([_row(0, 2.0, weight=1.0), _row(1, 4.0, weight=3.0)], "x", exponential=True)
    assert found is not None
    assert found.value == pytest.approx(math.exp(3.5))
    assert found.low is not None
    assert found.low <= found.value


def test_one_cluster_has_no_interval() -> None:
    found = interval([_row(n, float(n), group="same") for n in range(10)], "x")
    assert found is not None
    assert found.low is None
    assert found.num_groups == 1


def test_absent_value_gives_none_and_an_infinite_one_an_error() -> None:
    assert interval([_row(0, None)], "x") is None
    with pytest.raises(DataError, match="not finite"):
        interval([_row(0, math.inf)], "x")


def test_interval_covers_the_true_mean_nineteen_times_in_twenty() -> None:
    """Clusters of three correlated rows: resampling rows instead of clusters would cover only about 75 %."""
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        centres = random.normal(size=40)
        rows = [
            _row(3 * g + k, float(centre + 0.1 * random.normal()), group=str(g))
            for g, centre in enumerate(centres)
            for k in range(3)
        ]
        found = interval(rows, "x", num_resamples=400)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0 <= found.high
    assert 0.89 <= covered / 200 <= 0.99
