"""From rows to figures: each metric of a task with its interval and the floor beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from monosome.evaluate.intervals import Interval, interval
from monosome.row import Metric, Row


@dataclass(frozen=True)
class Measure:
    """A metric as it was measured, with the floor that it must beat."""

    metric: Metric
    interval: Interval
    floor: Interval | None

    @property
    def beats_floor(self) -> bool | None:
        """Whether the figure is on the right side of its floor; None where there is none."""
        if self.floor is None:
            return None
        gain = self.interval.value - self.floor.value
        return gain > 0 if self.metric.higher_is_better else gain < 0


def measures(rows: Sequence[Row], metrics: Sequence[Metric]) -> list[Measure]:
    """Every metric that the rows define, in the task's order."""
    intervals = {m.name: interval(rows, m.value, exponential=m.exponential) for m in metrics}
    return [
        Measure(metric, found, intervals.get(metric.floor))
        for metric in metrics
        if (found := intervals[metric.name]) is not None
    ]


def as_json(found: Sequence[Measure]) -> dict[str, Any]:
    """The measures by name: value, low, high, num_examples, num_groups, unit."""
    return {measure.metric.name: {**asdict(measure.interval), "unit": measure.metric.unit} for measure in found}


def row_as_json(row: Row) -> dict[str, Any]:
    """One row as a flat object."""
    known = {"id": row.id, "group": row.group, "length": row.length, "weight": row.weight}
    return {**known, **({"weights": dict(row.weights)} if row.weights else {}), **row.values}


def row_from_json(values: Mapping[str, Any]) -> Row:
    """The row that `row_as_json` made that object of."""
    known = {name: values[name] for name in ("id", "group", "length", "weight")}
    figures = {name: value for name, value in values.items() if name not in (*known, "weights")}
    return Row(values=figures, weights=values.get("weights", {}), **known)


def number(value: float | None, *, digits: int = 3) -> str:
    """A figure for people: `digits` significant digits, thousands separated, a dash where undefined."""
    if value is None:
        return "–"
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        decimals = max(0, digits - 1 - _magnitude(value))
        return f"{value:,.{decimals}f}"
    return f"{value:.{digits - 1}e}"


def _magnitude(value: float) -> int:
    return int(f"{abs(value):e}".partition("e")[2])


def interval_text(found: Interval) -> str:
    """The figure with its interval: "0.412 [0.380, 0.447]"."""
    if found.low is None:
        return number(found.value)
    return f"{number(found.value)} [{number(found.low)}, {number(found.high)}]"


def measure_cells(found: Sequence[Measure]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the table that every report shows: the figure, its interval, n, and its floor if any has."""
    floors = {measure.metric.floor for measure in found}
    columns = ["metric", "value [95 % interval]", "floor", "unit", "n", "clusters"]
    rows = [
        [
            m.metric.title,
            interval_text(m.interval),
            interval_text(m.floor) if m.floor else "–",
            m.metric.unit,
            str(m.interval.num_examples),
            str(m.interval.num_groups),
        ]
        for m in found
        if m.metric.name not in floors
    ]
    if any(measure.floor for measure in found):
        return columns, rows
    place = columns.index("floor")
    return [name for name in columns if name != "floor"], [row[:place] + row[place + 1 :] for row in rows]
