"""`monosome sweep`: every point of a grid over a recipe, and the winner; the same command again goes on."""

import hashlib
import json as json_text
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from monosome.commands.domain import config_type, task_for
from monosome.commands.output import print_json, print_table
from monosome.config import Values, build, override, read_recipe
from monosome.errors import ConfigError
from monosome.sweep import Sweep, read_sweep, run_sweep
from monosome.train.loop import Trainer


def run(sweep: str, settings: Sequence[str], *, out: Path | None, json: bool) -> None:
    """Run the trials that are not finished, print the table and the winner."""
    plan = read_sweep(sweep, settings)
    _check(plan)
    folder = out or default_folder(sweep, plan)
    result = run_sweep(plan, folder, lambda assignments, trial: train_trial(plan, assignments, trial))
    if json:
        print_json({"folder": str(folder), **result.as_json()})
    else:
        print_table(*result.table([plan.objective]), title=f"{plan.recipe}, by {plan.objective}")
    if result.winner is None:
        reasons = dict.fromkeys(trial.failure for trial in result.trials)
        raise ConfigError(f"no trial succeeded: {'; '.join(reasons)}", f"see {folder / 'sweep.md'}")
    if not json:
        command = shlex.join(["monosome", "train", plan.recipe, *plan.assignments(result.winner.settings)])
        print(f"\nwinner: {result.winner.name}\nnext: {command}\nall figures: {folder / 'sweep.md'}")


def train_trial(plan: Sweep, assignments: Sequence[str], folder: Path) -> dict[str, float]:
    """What the trained trial reaches on held-out data; an interrupt ends the sweep, to go on with this trial."""
    print(f"trial {folder.name}", file=sys.stderr)
    outcome = Trainer(task_for(_values(plan, assignments)), folder).fit()
    if outcome.interrupted:
        sys.exit(130)
    return outcome.evaluation


def default_folder(name: str, plan: Sweep) -> Path:
    """runs/sweep-NAME-DIGEST: the same sweep lands in the same folder and goes on there."""
    stem = Path(name).stem if name.endswith(".toml") else name.rpartition("/")[2]
    digest = hashlib.sha256(json_text.dumps(plan.model_dump(), sort_keys=True).encode()).hexdigest()[:8]
    return Path("runs") / f"sweep-{stem}-{digest}"


def _check(plan: Sweep) -> None:
    """Refuse a setting that does not exist before the first trial, not at the last."""
    for point in plan.points():
        values = _values(plan, plan.assignments(point))
        build(config_type(str(values.get("domain"))), values)


def _values(plan: Sweep, assignments: Sequence[str]) -> Values:
    return override(read_recipe(plan.recipe), assignments)
