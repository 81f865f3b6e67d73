"""`monosome evaluate`: a run scored on held-out data, with intervals, floors and a report."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from monosome.commands.domain import task_for
from monosome.commands.output import print_json, print_measures, print_table
from monosome.config import fill_auto, override
from monosome.evaluate.figures import scatter
from monosome.evaluate.importance import Evaluate
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


def run(run: Path, *, split: str, settings: Sequence[str], importance: bool, out: Path | None, json: bool) -> None:
    """Score a run, with `importance` the worth of each input too; write the report and print the figures."""
    checkpoint = find(run)
    manifest = load_manifest(checkpoint)
    with _scorer(checkpoint, settings) as (task, score):
        examples = task.examples(split)
        worth = measure_importance(task, examples, score) if importance else []
        rows = score(examples)
    found = measures(rows, task.metrics)
    words = ["monosome", "evaluate", str(run), "--split", split, *(f"--set={s}" for s in settings)]
    report = _report(
        task, manifest, rows, found, split, shlex.join([*words, *(["--importance"] if importance else [])])
    )
    if importance:
        chapters = [report.chapters[0], importance_chapter(worth), *report.chapters[1:]]
        report = replace(report, chapters=chapters, data={**report.data, "importance": importance_as_json(worth)})
    page = write_report(report, out or run / f"evaluation-{split}")
    if json:
        more = {"importance": importance_as_json(worth)} if importance else {}
        head = {"checkpoint": str(checkpoint), "split": split, "report": str(page)}
        print_json({**head, "metrics": as_json(found), **more})
    else:
        print_measures(found, title=f"{checkpoint}, {len(rows)} examples of {split}")
        if importance:
            table = importance_table(worth)
            print_table(table.columns, table.rows, title="\nworth of each input")
        print(f"\nreport: {page}")


@contextmanager
def _scorer(checkpoint: Path, settings: Sequence[str]) -> Iterator[tuple[Task[Any, Any, Any], Evaluate]]:
    """The checkpoint's task, and what makes a row of each example with its best weights."""
    task = task_for(override(load_manifest(checkpoint).config, settings))
    model = task.model()
    load_weights(model, checkpoint)
    device = detect(task.config.execution.device)
    config = fill_auto(task.config, preset(device).values())
    frozen = task.frozen()
    if frozen is not None:
        frozen.to(device.torch_device)
    with process_settings(config.execution, config.numerics), autocast(device, config.numerics), torch.no_grad():
        model = model.to(device.torch_device).eval()
        yield task, lambda examples: task.evaluate(model, examples)


def _report(
    task: Task[Any, Any, Any],
    manifest: Manifest,
    rows: Sequence[Row],
    found: Sequence[Measure],
    split: str,
    command: str,
) -> Report:
    first = found[0]
    headline = f"{first.metric.title} {number(first.interval.value)} {first.metric.unit}".strip()
    versus = f", floor {number(first.floor.value)}" if first.floor else ""
    columns = ["id", "length", *(metric.title for metric in task.metrics)]
    table = [[row.id, str(row.length), *(number(m.of(row)) for m in task.metrics)] for row in rows[:200]]
    shown = "" if len(rows) <= 200 else f" The first 200 of {len(rows)}; all are in report.json."
    values = [(float(row.length), first.metric.of(row)) for row in rows]
    points = [(length, value) for length, value in values if value is not None]
    sample = f"on {first.interval.num_examples} examples of {first.interval.num_groups} clusters"
    return Report(
        title=f"{task.config.domain}: {len(rows)} held-out examples",
        summary=f"{headline}{versus}, {sample}.",
        command=command,
        chapters=[
            Chapter(
                "Figures",
                "Each figure is a mean over examples with a 95 % bootstrap interval that resamples clusters; the floor "
                "is what a model that learned nothing reaches on the same examples.",
                [
                    Table(*measure_cells(found)),
                    Picture(
                        scatter(points, x="length", y=first.metric.title, title="By length"),
                        "One point per example.",
                    ),
                ],
            ),
            Chapter("Examples", f"Every example as it was measured.{shown}", [Table(columns, table)]),
            Chapter("Model", "What was measured.", [Table(["setting", "value"], _facts(manifest))]),
        ],
        data={"split": split, "metrics": as_json(found), "rows": [row_as_json(row) for row in rows]},
    )


def _facts(manifest: Manifest) -> list[list[str]]:
    settings = [
        [f"{name}.{key}", str(value)]
        for name, section in manifest.config.items()
        if isinstance(section, dict)
        for key, value in section.items()
    ]
    return [["fingerprint", manifest.fingerprint], ["step", str(manifest.step)], *settings]
