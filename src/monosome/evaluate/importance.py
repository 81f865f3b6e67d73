"""How much each input of a model is worth: what is lost when it is shuffled, or left out."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from statistics import fmean
from typing import Any, Generic, TypeVar

from monosome.errors import ConfigError
from monosome.evaluate.intervals import Interval, interval
from monosome.evaluate.page import Chapter, Table
from monosome.evaluate.rows import interval_text, number
from monosome.row import Metric, Row, mean_values
from monosome.task import Examples, Task

NUM_SEEDS = 5
"""Shuffles of each input."""
SHUFFLED, LEFT_OUT = "shuffled", "left out"

ExampleT = TypeVar("ExampleT")
Evaluate = Callable[[Examples[Any]], list[Row]]


@dataclass(frozen=True)
class Importance:
    """What a metric loses without an input; above 0 the input helps.

    `interval` is over clusters, of the mean over seeds; `seeds` are the least and the most that one seed gives, None
    where nothing is drawn.
    """

    input: str
    way: str
    metric: Metric
    interval: Interval
    seeds: tuple[float, float] | None


class Disturbed(Generic[ExampleT]):
    """Examples with one input shuffled or left out."""

    def __init__(self, task: Task[ExampleT, Any, Any], whole: Examples[ExampleT], name: str, seed: int | None) -> None:
        self.task, self.whole, self.name, self.seed = task, whole, name, seed

    @property
    def content_hash(self) -> str:
        """Digest of the whole examples, with what was done to them."""
        return f"{self.whole.content_hash}:{self.name}:{self.seed}"

    def __len__(self) -> int:
        return len(self.whole)

    def __getitem__(self, index: int, /) -> ExampleT:
        # Each example has its own shuffle, and the same one in every call.
        seed = None if self.seed is None else self.seed * len(self.whole) + index
        return self.task.disturbed(self.whole[index], self.name, seed)


def importance(
    task: Task[Any, Any, Any], examples: Examples[Any], evaluate: Evaluate, num_seeds: int = NUM_SEEDS
) -> list[Importance]:
    """The importance of every input of the task, for the loss and for the metric that it names first.

    Permutation importance (Breiman 2001; Fisher, Rudin & Dominici 2019, arXiv 1801.01489) and ablation, both of one
    trained model: they say what this model uses, not what another could learn without the input. Inputs that say the
    same thing share their worth. Raises ConfigError for a task that names no inputs.
    """
    if not task.inputs():
        raise ConfigError("this domain has one input: there is nothing to compare", "monosome evaluate RUN")
    metrics = [task.metrics[0], *(metric for metric in task.metrics[1:] if metric.value == "loss")]
    whole = evaluate(examples)
    found: list[Importance] = []
    for name in task.inputs():
        draws: list[tuple[str, list[int | None]]] = [(SHUFFLED, [*range(num_seeds)]), (LEFT_OUT, [None])]
        for way, seeds in draws:
            rows = [evaluate(Disturbed(task, examples, name, seed)) for seed in seeds]
            for metric in metrics:
                losses = [_losses(metric, whole, each) for each in rows]
                over_clusters = interval(_means(losses), "lost")
                if over_clusters is not None:
                    means = [mean_values(each)["lost"] for each in losses]
                    spread = (min(means), max(means)) if way == SHUFFLED else None
                    found.append(Importance(name, way, metric, over_clusters, spread))
    return found


def table(found: Sequence[Importance]) -> Table:
    """What each input is worth, the most important first."""
    order = sorted(found, key=lambda each: (each.metric.name, each.way, -each.interval.value))
    rows = [
        [
            each.metric.title,
            each.input,
            each.way,
            interval_text(each.interval),
            f"{number(each.seeds[0])} to {number(each.seeds[1])}" if each.seeds else "–",
            str(each.interval.num_examples),
            str(each.interval.num_groups),
        ]
        for each in order
    ]
    return Table(["metric", "input", "way", "lost [95 % interval]", "over seeds", "n", "clusters"], rows)


def chapter(found: Sequence[Importance], num_seeds: int = NUM_SEEDS) -> Chapter:
    """The part of a report that says what each input is worth."""
    text = (
        f"What this model loses when an input is shuffled over the positions of each example (mean of {num_seeds} "
        "shuffles, and the range over them) or left out; above 0 the input helps. Intervals resample clusters. It is "
        "what this model uses: inputs that say the same thing share their worth, and another model may learn to do "
        "without one."
    )
    return Chapter("Importance of inputs", text, [table(found)])


def as_json(found: Sequence[Importance]) -> list[dict[str, Any]]:
    """The importances as flat objects."""
    return [
        {"input": each.input, "way": each.way, "metric": each.metric.name, **asdict(each.interval)}
        | {"lowest_seed": each.seeds[0] if each.seeds else None, "highest_seed": each.seeds[1] if each.seeds else None}
        for each in found
    ]


def _losses(metric: Metric, whole: Sequence[Row], disturbed: Sequence[Row]) -> list[Row]:
    """Of each example by how much the metric is worse than with all inputs."""
    rows = []
    for before, after in zip(whole, disturbed, strict=True):
        one, other = before.values.get(metric.value), after.values.get(metric.value)
        if one is not None and other is not None:
            lost = one - other if metric.higher_is_better else other - one
            rows.append(replace(before, values={"lost": lost}, weight=before.weight_of(metric.value), weights={}))
    return rows


def _means(losses: Sequence[Sequence[Row]]) -> list[Row]:
    """Each example's mean over seeds."""
    by_example: dict[str, list[Row]] = {}
    for row in chain.from_iterable(losses):
        by_example.setdefault(row.id, []).append(row)
    return [
        replace(rows[0], values={"lost": fmean(row.values["lost"] or 0.0 for row in rows)})
        for rows in by_example.values()
    ]
