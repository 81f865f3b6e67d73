"""What is measured on one example, and the figures that reports make of many."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """What was measured on one example; undefined values are None.

    `weight` is what the values are averaged with (tokens, or 1), `weights` names the values that have another
    (residues, for a figure per residue); `group` is the cluster that intervals resample.
    """

    id: str
    values: Mapping[str, float | None]
    length: int
    group: str = ""
    weight: float = 1.0
    weights: Mapping[str, float] = field(default_factory=dict)

    def weight_of(self, name: str) -> float:
        """What the value of that name is averaged with."""
        return self.weights.get(name, self.weight)


@dataclass(frozen=True)
class Metric:
    """One figure of a report: the mean of a row value, as is or through exp (perplexity is exp of mean nats)."""

    name: str
    value: str
    title: str
    unit: str = ""
    exponential: bool = False
    higher_is_better: bool = False
    floor: str = ""
    """Name of the metric that a model which learned nothing reaches, shown beside this one."""

    def of(self, row: Row) -> float | None:
        """The metric of one row alone; None where the row does not define it."""
        value = row.values.get(self.value)
        return math.exp(value) if self.exponential and value is not None else value


def mean_values(rows: Sequence[Row]) -> dict[str, float]:
    """Weighted mean of each value over the rows that define it; a value that no row defines is left out."""
    totals: dict[str, tuple[float, float]] = {}
    for row in rows:
        for name, value in row.values.items():
            if value is not None:
                total, weight = totals.get(name, (0.0, 0.0))
                totals[name] = total + row.weight_of(name) * value, weight + row.weight_of(name)
    return {name: total / weight for name, (total, weight) in totals.items()}
