"""`monosome sweep`: every point of a grid over a recipe, and the winner; the same command again goes on."""

import hashlib
import json as json_text
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import TypeVar

from monosome.commands.domain import config_type, task_for
from monosome.commands.output import print_json, print_table
from monosome.config import Values, build, override, read_recipe
from monosome.errors import ConfigError, HardwareError
from monosome.evaluate.rows import measures
from monosome.processes import num_processors, worker_pool
from monosome.sweep.grid import Sweep, read_sweep
from monosome.sweep.trials import run_sweep
from monosome.train.loop import Trainer

T = TypeVar("T")


def run(sweep: str, settings: Sequence[str], *, out: Path | None, jobs: int, json: bool) -> None:
    """Run the trials that are not finished, print the table and the winner."""
    plan = read_sweep(sweep, settings)
    _check(plan)
    folder = out or default_folder(sweep, plan)
    result = shared(jobs, run_sweep, plan, folder, partial(train_trial, plan.recipe, progress=jobs == 1))
    winner = result.winner
    if json:
        print_json({"folder": str(folder), **result.as_json()})
    else:
        print_table(*result.table([plan.objective]), title=f"{plan.recipe}, by {plan.objective}")
        if result.repeats:
            print_table(*result.arms_table([plan.objective]), title="\nmeans over seeds [95 % interval]")
    if winner is None:
        reasons = dict.fromkeys(trial.failure for trial in result.trials)
        raise ConfigError(f"no trial succeeded: {'; '.join(reasons)}", f"see {folder / 'sweep.md'}")
    if not json:
        command = shlex.join(["monosome", "train", plan.recipe, *plan.assignments(winner.settings)])
        print(f"\nwinner: {winner.name}\nnext: {command}\nall figures: {folder / 'sweep.md'}")


def shared(jobs: int, work: Callable[..., T], *arguments: object) -> T:
    """What `work` returns, done by that many processes that claim its parts of each other; 0 is every core.

    Raises HardwareError when the system ends one of them, as one that is short of memory does.
    """
    if jobs == 1:
        return work(*arguments)
    number = jobs or num_processors()
    try:
        with worker_pool(number, __name__) as pool:
            futures = [pool.submit(work, *arguments) for _ in range(number)]
            return next(iter([future.result() for future in futures]))
    except BrokenProcessPool as error:
        raise HardwareError("one of the processes was killed", "the same command goes on; try fewer --jobs") from error


def train_trial(recipe: str, assignments: Sequence[str], folder: Path, *, progress: bool) -> Mapping[str, float]:
    """What the trained trial reaches on held-out data: means of the rows' values, and the figures that reports show.

    An interrupt ends the sweep, to go on with this trial.
    """
    print(f"trial {folder.name}", file=sys.stderr)
    task = task_for(override(read_recipe(recipe), assignments))
    outcome = Trainer(task, folder, progress=progress).fit()
    if outcome.interrupted:
        sys.exit(130)
    figures = {measure.metric.name: measure.interval.value for measure in measures(outcome.rows, task.metrics)}
    return {**outcome.evaluation, **figures}


def default_folder(name: str, plan: Sweep) -> Path:
    """runs/sweep-NAME-DIGEST: the same sweep lands in the same folder and goes on there."""
    stem = Path(name).stem if name.endswith(".toml") else name.rpartition("/")[2]
    digest = hashlib.sha256(json_text.dumps(plan.model_dump(), sort_keys=True).encode()).hexdigest()[:8]
    return Path("runs") / f"sweep-{stem}-{digest}"


def _check(plan: Sweep) -> None:
    """Refuse a setting that does not exist before the first trial, not at the last."""
    for point in plan.points():
        values: Values = override(read_recipe(plan.recipe), plan.assignments(point))
        build(config_type(str(values.get("domain"))), values)
