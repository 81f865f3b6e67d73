"""`monosome evaluate`: a run scored on held-out data, with intervals, floors and a report."""

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monosome.commands.domain import task_for
from monosome.commands.output import print_json, print_measures, print_table
from monosome.config import fill_auto, override
from monosome.errors import ConfigError
from monosome.evaluate.figures import scatter
from monosome.evaluate.importance import as_json as importance_as_json
from monosome.evaluate.importance import chapter as importance_chapter
from monosome.evaluate.importance import importance as measure_importance
from monosome.evaluate.importance import table as importance_table
from monosome.evaluate.page import Chapter, Picture, Report, Table, write_report
from monosome.evaluate.rows import Measure, as_json, measure_cells, measures, number, row_as_json
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset
from monosome.task import Row, Task
from monosome.train.checkpoint import Manifest, find, load_manifest, load_weights
from monosome.train.precision import autocast, process_settings


@dataclass(frozen=True)
class Wishes:
    """What to measure besides the figures: the worth of each input, generated proteins, speed."""

    importance: bool = False
    samples: int = 0
    speed: bool = False

    def words(self) -> list[str]:
        """The options that say so."""
        return [
            *(["--importance"] if self.importance else []),
            *([f"--samples={self.samples}"] if self.samples else []),
            *(["--speed"] if self.speed else []),
        ]


@dataclass(frozen=True)
class Judged:
    """Rows and figures, with what a domain adds to them."""

    rows: Sequence[Row]
    measures: Sequence[Measure]
    chapters: Sequence[Chapter] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    caveats: Sequence[str] = ()


def run(run: Path, *, split: str, settings: Sequence[str], wishes: Wishes, out: Path | None, json: bool) -> None:
    """Score a run, with what is wished for besides; write the report and print the figures.

    Raises DataError where a teacher is no better than a floor, and ConfigError for what a domain cannot be asked.
    """
    checkpoint = find(run)
    manifest = load_manifest(checkpoint)
    with _scorer(checkpoint, settings) as (task, model):
        examples = task.examples(split)
        worth = measure_importance(task, examples, lambda each: task.evaluate(model, each)) if wishes.importance else []
        judged = _judged(task, model, split, wishes)
    found = judged.measures
    words = ["monosome", "evaluate", str(run), "--split", split, *(f"--set={s}" for s in settings), *wishes.words()]
    report = _report(task, manifest, judged, split, shlex.join(words))
    report = replace(report, data={"data_hash": examples.content_hash, **report.data})
    if worth:
        chapters = [report.chapters[0], importance_chapter(worth), *report.chapters[1:]]
        report = replace(report, chapters=chapters, data={**report.data, "importance": importance_as_json(worth)})
    page = write_report(report, out or run / f"evaluation-{split}")
    if json:
        more = {"importance": importance_as_json(worth)} if worth else {}
        head = {"checkpoint": str(checkpoint), "split": split, "report": str(page)}
        print_json({**head, "metrics": as_json(found), **judged.data, **more})
    else:
        print_measures(found, title=f"{checkpoint}, {len(judged.rows)} examples of {split}")
        if worth:
            table = importance_table(worth)
            print_table(table.columns, table.rows, title="\nworth of each input")
        print(f"\nreport: {page}")
    for caveat in judged.caveats:
        print(f"warning: {caveat}", file=sys.stderr)


def _judged(task: Any, model: nn.Module, split: str, wishes: Wishes) -> Judged:
    """The domain's own judgement."""
    match task.config.domain:
        case "protein":
            from monosome.protein.report import judge
            from monosome.protein.speed import Load

            found = judge(task, model, split, num_samples=wishes.samples, load=Load() if wishes.speed else None)
            return Judged(
                found.evaluation.rows, found.evaluation.measures, found.chapters(), found.data(), found.caveats
            )
        case _:
            if wishes.samples or wishes.speed:
                raise ConfigError("only a protein language model generates", "leave --samples and --speed out")
            rows = task.evaluate(model, task.examples(split))
            return Judged(rows, measures(rows, task.metrics))


@contextmanager
def _scorer(checkpoint: Path, settings: Sequence[str]) -> Iterator[tuple[Task[Any, Any, Any], nn.Module]]:
    """The checkpoint's task and its network with the best weights, on the device, under the settings of the run."""
    task = task_for(override(load_manifest(checkpoint).config, settings))
    model = task.model()
    load_weights(model, checkpoint)
    device = detect(task.config.execution.device)
    config = fill_auto(task.config, preset(device).values())
    frozen = task.frozen()
    if frozen is not None:
        frozen.to(device.torch_device)
    with process_settings(config.execution, config.numerics), autocast(device, config.numerics), torch.no_grad():
        yield task, model.to(device.torch_device).eval()


def _report(
    task: Task[Any, Any, Any],
    manifest: Manifest,
    judged: Judged,
    split: str,
    command: str,
) -> Report:
    rows, found = judged.rows, judged.measures
    first = found[0]
    headline = f"{first.metric.title} {number(first.interval.value)} {first.metric.unit}".strip()
    versus = f", floor {number(first.floor.value)}" if first.floor else ""
    columns = ["id", "length", *(metric.title for metric in task.metrics)]
    table = [[row.id, str(row.length), *(number(m.of(row)) for m in task.metrics)] for row in rows[:200]]
    shown = "" if len(rows) <= 200 else f" The first 200 of {len(rows)}; all are in report.json."
    values = [(float(row.length), first.metric.of(row)) for row in rows]
    points = [(length, value) for length, value in values if value is not None]
    sample = f"on {first.interval.num_examples} examples of {first.interval.num_groups} clusters"
    summary = ". ".join([f"{headline}{versus}, {sample}", *judged.caveats])
    return Report(
        title=f"{task.config.domain}: {len(rows)} held-out examples",
        summary=f"{summary}.",
        command=command,
        chapters=[
            Chapter(
                "Figures",
                "Each figure is a mean over examples with a 95 % bootstrap interval that resamples clusters; the floor "
                "is what a model that learned nothing reaches on the same examples.",
                [
                    Table(*measure_cells(found)),
                    Picture(
                        scatter({"": points}, x="length", y=first.metric.title, title="By length"),
                        "One point per example.",
                    ),
                ],
            ),
            *judged.chapters,
            Chapter("Examples", f"Every example as it was measured.{shown}", [Table(columns, table)]),
            Chapter("Model", "What was measured.", [Table(["setting", "value"], _facts(manifest))]),
        ],
        data={
            "split": split,
            "definitions": [asdict(metric) for metric in task.metrics],
            "metrics": as_json(found),
            **judged.data,
            "rows": [row_as_json(row) for row in rows],
        },
    )


def _facts(manifest: Manifest) -> list[list[str]]:
    settings = [
        [f"{name}.{key}", str(value)]
        for name, section in manifest.config.items()
        if isinstance(section, dict)
        for key, value in section.items()
    ]
    return [["fingerprint", manifest.fingerprint], ["step", str(manifest.step)], *settings]
