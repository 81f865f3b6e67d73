"""Evaluations beside each other: paired differences on the same examples, with intervals and a verdict in words."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from monosome.errors import DataError
from monosome.evaluate.figures import scatter
from monosome.evaluate.intervals import Interval, interval, resampled
from monosome.evaluate.page import Chapter, Picture, Report, Table
from monosome.evaluate.rows import interval_text, number, row_from_json
from monosome.row import Metric, Row

Array = np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """What `monosome evaluate` found: a row per example, and the metrics that are made of them."""

    name: str
    split: str
    data_hash: str
    metrics: Sequence[Metric]
    rows: Sequence[Row]

    @cached_property
    def by_id(self) -> dict[str, Row]:
        """The rows by their example."""
        return {row.id: row for row in self.rows}


def read_evaluation(path: Path, split: str) -> Evaluation:
    """The evaluation in a report.json, in its folder, or of a run.

    Raises DataError where there is none, or one that is no evaluation.
    """
    places = [path, path / "report.json", path / f"evaluation-{split}" / "report.json"]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise DataError(f"{path} holds no evaluation on {split}", f"monosome evaluate {path} --split {split}")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        metrics = [Metric(**each) for each in found["definitions"]]
        rows = [row_from_json(each) for each in found["rows"]]
        return Evaluation(str(path), found["split"], found["data_hash"], metrics, rows)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} is no evaluation, or one of an older version", "monosome evaluate RUN") from error


@dataclass(frozen=True)
class Difference:
    """How a metric of an evaluation differs from that of the first: `gap` is later minus first, on the same rows."""

    metric: Metric
    first: Interval
    other: Interval
    gap: Interval

    @property
    def verdict(self) -> str:
        """ "better", "worse" or "no difference shown", by whether the interval of the gap leaves out 0."""
        low, high = self.gap.low, self.gap.high
        if low is None or high is None or low <= 0 <= high:
            return "no difference shown"
        return "better" if (low > 0) == self.metric.higher_is_better else "worse"


def compare(first: Evaluation, other: Evaluation) -> list[Difference]:
    """Every metric that both have, but floors, in the first one's order.

    Intervals resample clusters, the same ones for both sides (paired bootstrap; Efron & Tibshirani 1993, chapter 13).
    Raises DataError where they were measured on different data.
    """
    _require_same_data(first, other)
    floors = {metric.floor for metric in first.metrics}
    names = {metric.name for metric in other.metrics}
    metrics = [metric for metric in first.metrics if metric.name in names and metric.name not in floors]
    found = [_difference(metric, first, other) for metric in metrics]
    return [each for each in found if each is not None]


def _require_same_data(first: Evaluation, other: Evaluation) -> None:
    if first.by_id.keys() != other.by_id.keys():
        only = sorted(first.by_id.keys() ^ other.by_id.keys())
        what = f"{len(only)} examples are in one of them alone, such as {only[0]}"
    elif first.split != other.split or first.data_hash != other.data_hash:
        what = f"the contents of {first.split} and {other.split} differ"
    else:
        return
    hint = f"monosome evaluate {other.name} --set data.path=…, the data of {first.name}"
    raise DataError(f"{first.name} and {other.name} were measured on different data: {what}", hint)


def _difference(metric: Metric, first: Evaluation, other: Evaluation) -> Difference | None:
    pairs = [(row, other.by_id[row.id]) for row in first.rows]
    both = [pair for pair in pairs if all(row.values.get(metric.value) is not None for row in pair)]
    if not both:
        return None
    sides = [interval(list(rows), metric.value, exponential=metric.exponential) for rows in zip(*both, strict=True)]
    assert sides[0] is not None
    assert sides[1] is not None
    transform = np.exp if metric.exponential else np.asarray

    def gap(sums: Float64[Array, "draws 4"]) -> Float64[Array, "draws"]:
        return transform(sums[:, 2] / sums[:, 3]) - transform(sums[:, 0] / sums[:, 1])

    return Difference(metric, sides[0], sides[1], resampled(_sums(both, metric.value), gap, len(both)))


def _sums(pairs: Sequence[tuple[Row, Row]], name: str) -> Float64[Array, "groups 4"]:
    sums: dict[str, Array] = {}
    for pair in pairs:
        terms = [
            term for row in pair for term in (row.weight_of(name) * (row.values[name] or 0.0), row.weight_of(name))
        ]
        group = pair[0].group or pair[0].id
        sums[group] = sums.get(group, np.zeros(4)) + terms
    return np.array(list(sums.values()), dtype=np.float64)


def report(evaluations: Sequence[Evaluation], found: Sequence[Sequence[Difference]], command: str) -> Report:
    """The page of several evaluations; `found` holds the differences of each after the first."""
    first, others = evaluations[0], evaluations[1:]
    words = [sentence(other.name, differences) for other, differences in zip(others, found, strict=True)]
    return Report(
        title=f"{first.name} and {', '.join(other.name for other in others)}",
        summary=" ".join(words),
        command=command,
        chapters=[chapter(first, other, differences) for other, differences in zip(others, found, strict=True)],
        data={
            "data_hash": first.data_hash,
            "comparisons": [as_json(other, each) for other, each in zip(others, found, strict=True)],
        },
    )


def sentence(name: str, found: Sequence[Difference]) -> str:
    """The verdict on the first metric, in words."""
    if not found:
        return f"{name} shares no metric with the first."
    one = found[0]
    title = f"{one.metric.title} {number(one.other.value)} against {number(one.first.value)}"
    if one.verdict == "no difference shown":
        return f"{name}: no difference shown in {title}, over {one.gap.num_groups} clusters."
    return f"{name} is {one.verdict}: {title}, difference {interval_text(one.gap)} over {one.gap.num_groups} clusters."


def rows_of(found: Sequence[Difference]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the table of differences."""
    columns = ["metric", "first", "this", "difference [95 % interval]", "verdict", "n", "clusters"]
    return columns, [
        [
            f"{one.metric.title} ({one.metric.unit})" if one.metric.unit else one.metric.title,
            number(one.first.value),
            number(one.other.value),
            interval_text(one.gap),
            one.verdict,
            str(one.gap.num_examples),
            str(one.gap.num_groups),
        ]
        for one in found
    ]


def chapter(first: Evaluation, other: Evaluation, found: Sequence[Difference]) -> Chapter:
    """One evaluation beside the first: the table, and each example's gap in the first metric."""
    columns, cells = rows_of(found)
    blocks: list[Table | Picture] = [Table(columns, cells, caption=f"First: {first.name}. This: {other.name}.")]
    if found:
        metric = found[0].metric
        values = [(metric.of(row), metric.of(other.by_id[row.id])) for row in first.rows]
        points = [(x, y) for x, y in values if x is not None and y is not None]
        picture = scatter({"": points}, x=first.name, y=other.name, title=metric.title, diagonal=True)
        side = "above" if metric.higher_is_better else "below"
        blocks.append(Picture(picture, f"One point per example: {side} the line, {other.name} is better."))
    text = (
        f"{sentence(other.name, found)} Differences are paired: both are scored on the same examples, and intervals "
        "resample clusters of them. With many metrics some intervals leave out 0 by chance: one in twenty."
    )
    return Chapter(other.name, text, blocks)


def as_json(other: Evaluation, found: Sequence[Difference]) -> dict[str, Any]:
    """The comparison for other programs."""
    return {
        "name": other.name,
        "metrics": {
            one.metric.name: {
                "first": one.first.value,
                "this": one.other.value,
                "difference": one.gap.value,
                "low": one.gap.low,
                "high": one.gap.high,
                "verdict": one.verdict,
                "num_examples": one.gap.num_examples,
                "num_groups": one.gap.num_groups,
            }
            for one in found
        },
    }
