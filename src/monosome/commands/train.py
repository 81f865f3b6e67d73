"""`monosome train`: a recipe, trained; the same command again goes on where it was stopped."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monosome.commands.domain import task_for
from monosome.commands.output import print_json, print_measures
from monosome.commands.report import made
from monosome.config import fingerprint, override, read_recipe
from monosome.evaluate.page import write_report
from monosome.evaluate.rows import Measure, as_json, measures
from monosome.task import Task
from monosome.train.loop import Outcome, Trainer


@dataclass(frozen=True)
class Trained:
    """A finished or interrupted run: what the Trainer says of it, its figures on held-out data, and its page."""

    task: Task[Any, Any, Any]
    outcome: Outcome
    measures: Sequence[Measure]
    page: Path


def run(recipe: str, settings: Sequence[str], *, out: Path | None, json: bool) -> None:
    """Train and say what came of it."""
    trained = train(recipe, settings, out=out)
    outcome = trained.outcome
    if json:
        print_json(
            {
                "run": str(outcome.folder),
                "step": outcome.step,
                "seconds": outcome.seconds,
                "resumed_from": outcome.resumed_from,
                "interrupted": outcome.interrupted,
                "report": str(trained.page),
                "metrics": as_json(trained.measures),
            }
        )
    elif not outcome.interrupted:
        print_measures(trained.measures, title=f"{recipe}, step {outcome.step}, held-out examples")
        print(f"\nrun: {outcome.folder}\nopen: {trained.page}\nnext: monosome evaluate {outcome.folder}")
    if outcome.interrupted:
        sys.exit(130)


def train(recipe: str, settings: Sequence[str], *, out: Path | None, progress: bool = True) -> Trained:
    """Train a recipe in `out`, else in runs/NAME-FINGERPRINT, and export the model in its field's own form."""
    task = task_for(override(read_recipe(recipe), settings))
    folder = out or default_folder(recipe, task)
    trainer = Trainer(task, folder, progress=progress)
    outcome = trainer.fit()
    page = write_report(made(folder, shlex.join(["monosome", "report", str(folder)])), folder / "report")
    if outcome.interrupted:
        return Trained(task, outcome, [], page)
    trainer.use_best()
    task.export(trainer.model, str(folder / "model"))
    return Trained(task, outcome, measures(outcome.rows, task.metrics), page)


def default_folder(recipe: str, task: Task[Any, Any, Any]) -> Path:
    """runs/NAME-FINGERPRINT: the same recipe, settings and data land in the same folder and go on there."""
    name = Path(recipe).stem if recipe.endswith(".toml") else recipe.replace("/", "-")
    return Path("runs") / f"{name}-{fingerprint(task.config, task.examples('train').content_hash)[:8]}"
