"""Bootstrap intervals that resample clusters, not rows: members of a cluster are not independent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from monosome.errors import DataError
from monosome.row import Row

Array = np.ndarray


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval; `low` and `high` are None when fewer than two clusters were measured."""

    value: float
    low: float | None
    high: float | None
    num_examples: int
    num_groups: int


def interval(
    rows: Sequence[Row], name: str, *, exponential: bool = False, num_resamples: int = 2000
) -> Interval | None:
    """Weighted mean of a row value with its percentile bootstrap interval; None where no row defines it.

    Efron & Tibshirani 1993, chapter 13, with whole clusters (`Row.group`, else the row itself) drawn with
    replacement. With `exponential` the mean is taken in nats and reported through exp. The draw is seeded: the
    same rows give the same interval.
    """
    defined = [row for row in rows if row.values.get(name) is not None]
    if not defined:
        return None
    transform = np.exp if exponential else np.asarray
    found = resampled(
        _sums_by_group(defined, name),
        lambda sums: transform(sums[:, 0] / sums[:, 1]),
        len(defined),
        num_resamples=num_resamples,
    )
    if not np.isfinite(found.value):
        raise DataError(f"{name} is not finite over {len(defined)} examples")
    return found


def resampled(
    sums: Float64[Array, "groups terms"],
    statistic: Callable[[Float64[Array, "draws terms"]], Float64[Array, "draws"]],
    num_examples: int,
    *,
    centred: bool = False,
    num_resamples: int = 2000,
) -> Interval:
    """The statistic of the terms' sums over all clusters, with its percentile bootstrap interval.

    `sums` holds those of each cluster. `centred` moves the draws so that their mean is the value, and none below 0: for
    a distance, such as a sum of absolute gaps, to which resampling adds a bias as large as the noise in it.
    """
    value = float(statistic(sums.sum(0, keepdims=True))[0])
    if len(sums) < 2:
        return Interval(value, None, None, num_examples, len(sums))
    draws = np.random.default_rng(0).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=num_resamples)
    values = statistic(draws @ sums)
    if centred:
        values = np.maximum(values + (value - values.mean()), 0)
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(value, float(low), float(high), num_examples, len(sums))


def _sums_by_group(rows: Sequence[Row], name: str) -> Float64[Array, "groups 2"]:
    sums: dict[str, tuple[float, float]] = {}
    for row in rows:
        value = row.values[name]
        assert value is not None
        total, weight = sums.get(row.group or row.id, (0.0, 0.0))
        own = row.weight_of(name)
        sums[row.group or row.id] = total + own * value, weight + own
    return np.array(list(sums.values()), dtype=np.float64)
