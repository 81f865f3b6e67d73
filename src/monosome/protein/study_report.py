"""The study for people: what temperature and alpha do, what the teacher is worth, what becomes of each size."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monosome.errors import DataError
from monosome.evaluate.intervals import Interval
from monosome.evaluate.page import Chapter, Picture, Report, Table
from monosome.evaluate.rows import interval_text, number
from monosome.protein.decisions import MAX_RATIO
from monosome.protein.study import ALPHA, NO_TEACHER, TEMPERATURE, StudyResult
from monosome.sweep.results import SweepResult, over_seeds

FIGURES = ("perplexity_ratio", "perplexity", "kl", "gap_closed")
"""Columns of every table of a sweep."""


def study_report(result: StudyResult, command: str) -> Report:
    """The report; its data holds every trial and every attempt."""
    chosen = result.chosen
    ends = "; ".join(f"{size}: {attempts[-1]['decision']['action']}" for size, attempts in result.sizes.items())
    gain = teacher_gain(result.control)
    caveats = dict.fromkeys(each for attempts in result.sizes.values() for one in attempts for each in one["caveats"])
    return Report(
        title="Students of one teacher",
        summary=f"Temperature {chosen[TEMPERATURE]:g} and alpha {chosen[ALPHA]:g} won. {ends}. "
        f"The teacher lowers the loss by {interval_text(gain)} nats per token (mean over {gain.num_examples} seeds). "
        + " ".join(f"{each}." for each in caveats),
        command=command,
        chapters=[
            _swept(
                "Temperature",
                "Which temperature teaches best, alpha the same for all. One seed each.",
                result.temperature,
            ),
            _swept(
                "Alpha",
                "How much the true token counts beside the teacher, at the best temperature. One seed each.",
                result.alpha,
            ),
            Chapter(
                "With and without the teacher",
                f"The winner beside alpha {NO_TEACHER:g}, cross-entropy alone, at equal tokens, learning rate and "
                "seeds. Intervals are Student's t over the seeds: smaller differences above are chance.",
                [Table(*result.control.arms_table(FIGURES))],
            ),
            Chapter("Sizes", "What was trained of each size, and what was decided.", [sizes_table(result.sizes)]),
        ],
        data={
            "chosen": chosen,
            "teacher_gain": {"value": gain.value, "low": gain.low, "high": gain.high},
            **{stage: getattr(result, stage).as_json() for stage in ("temperature", "alpha", "control")},
            "sizes": result.sizes,
        },
        next_steps=list(_next_steps(result)),
    )


def teacher_gain(control: SweepResult) -> Interval:
    """Nats per token by which the teacher lowers the held-out loss: the mean of the differences at equal seeds."""
    nats = {
        (trial.settings[ALPHA] == NO_TEACHER, trial.settings["seed"]): math.log(trial.values["perplexity"])
        for trial in control.trials
        if not trial.failure
    }
    seeds = [seed for alone, seed in nats if alone and (False, seed) in nats]
    if not seeds:
        raise DataError("no seed was trained both with the teacher and without", "see control/sweep.md of the study")
    return over_seeds([nats[True, seed] - nats[False, seed] for seed in seeds])


def _swept(title: str, text: str, result: SweepResult) -> Chapter:
    pictures = [Picture(svg, f"Perplexity ratio against {key}.") for key, svg in result.pictures().items()]
    return Chapter(title, text, [Table(*result.arms_table(FIGURES)), *pictures])


def sizes_table(sizes: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    """A row for each attempt at each size."""
    columns = ["size", "T", "alpha", "data", "perplexity ratio", "limit", "gap closed", "ECE", "decision", "why"]
    rows = [
        [
            size,
            number(attempt["settings"][TEMPERATURE]),
            number(attempt["settings"][ALPHA]),
            f"{attempt['settings']['data.proportion']:.0%}",
            _figure(attempt, "perplexity_ratio"),
            number(MAX_RATIO[size]),
            _figure(attempt, "gap_closed"),
            _figure(attempt, "ece"),
            attempt["decision"]["action"],
            attempt["decision"]["reason"],
        ]
        for size, attempts in sizes.items()
        for attempt in attempts
    ]
    return Table(columns, rows)


def _figure(attempt: Mapping[str, Any], name: str) -> str:
    found = attempt["metrics"][name]
    return interval_text(Interval(**{key: found[key] for key in Interval.__dataclass_fields__}))


def _next_steps(result: StudyResult) -> Iterator[tuple[str, str]]:
    for size, attempts in result.sizes.items():
        last = attempts[-1]
        if last["decision"]["action"] == "release":
            what = f"Judge the {size} student whole: what it writes, its speed"
            yield what, shlex.join(["monosome", "evaluate", last["run"], "--samples", "1000", "--speed"])
