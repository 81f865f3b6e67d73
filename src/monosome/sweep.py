"""A grid of settings over a recipe: every point a trial, the winner named, resumable after a kill.

The grid is enumerated here and each finished trial is stored once, whole, with Optuna. Optuna's GridSampler is not
used: after a kill it leaves the running point in the storage as running for good, and draws points by trial number, so
that a point could run twice. A trial that was killed is simply not stored; it goes on in its own folder.
"""

import hashlib
import itertools
import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from monosome.atomic import write_text
from monosome.config import Section, Values, override, read_recipe, toml_value
from monosome.errors import ConfigError, MonosomeError, nearest

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

RunTrial = Callable[[list[str], Path], Mapping[str, float]]
"""Trains with "key=value" settings in a folder, going on where the folder was left, and returns what was measured."""


def _flattened(values: Any) -> Any:
    """TOML reads a.b = 1 as a table in a table; settings are written "a.b"."""
    if not isinstance(values, dict):
        return values
    flat: Values = {}
    for key, value in values.items():
        inner = _flattened(value)
        flat |= {f"{key}.{below}": each for below, each in inner.items()} if isinstance(inner, dict) else {key: inner}
    return flat


class Sweep(Section):
    """Which settings are tried over which recipe, and what decides."""

    recipe: str
    """The recipe that every trial trains."""
    objective: str = "loss"
    """The measured value that decides."""
    direction: Literal["minimize", "maximize"] = "minimize"
    """Whether the smallest or the largest objective wins."""
    settings: Annotated[dict[str, Any], BeforeValidator(_flattened), Field(default_factory=dict)]
    """Settings over the recipe that all trials share."""
    grid: Annotated[
        dict[str, Annotated[list[Any], Field(min_length=1)]], Field(min_length=1), BeforeValidator(_flattened)
    ]
    """The values to try for each setting; the trials are all their combinations."""

    def points(self) -> list[Values]:
        """The settings of every trial, the last key of the grid turning fastest."""
        return [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]

    def assignments(self, point: Values) -> list[str]:
        """The shared settings and those of one point, as "key=value" over the recipe."""
        return [f"{key}={toml_value(value)}" for key, value in {**self.settings, **point}.items()]


@dataclass(frozen=True)
class Trial:
    """A finished trial: its settings, what was measured, the seconds since it was last taken up, or why it failed."""

    name: str
    settings: Values
    values: Mapping[str, float]
    seconds: float
    failure: str = ""


@dataclass(frozen=True)
class SweepResult:
    """The finished trials in the order of the grid, and the best; no winner where every trial failed."""

    sweep: Sweep
    trials: Sequence[Trial]
    winner: Trial | None

    def as_json(self) -> Values:
        """The result as JSON values; undefined figures are None."""
        trials = [
            {**asdict(trial), "values": {k: _defined(v) for k, v in trial.values.items()}} for trial in self.trials
        ]
        winner = self.winner.name if self.winner else None
        return {"sweep": self.sweep.model_dump(), "winner": winner, "trials": trials}

    def figures(self) -> list[str]:
        """Names of what was measured, the objective first."""
        measured = dict.fromkeys(name for trial in self.trials for name in trial.values)
        return sorted(measured, key=lambda name: name != self.sweep.objective)

    def table(self, figures: Sequence[str]) -> tuple[list[str], list[list[str]]]:
        """Column names, and a row of text for each trial: settings, these figures, seconds, winner or failure."""
        rows = [
            [
                *(str(value) for value in trial.settings.values()),
                *(f"{trial.values[name]:.4g}" if name in trial.values else "" for name in figures),
                f"{trial.seconds:.0f}",
                trial.failure or ("winner" if trial == self.winner else ""),
            ]
            for trial in self.trials
        ]
        return [*self.sweep.grid, *figures, "seconds", ""], rows


def read_sweep(name: str, settings: Sequence[str] = ()) -> Sweep:
    """The sweep of the package ("sweeps/temperature") or of a .toml file, with "key=value" settings for all trials.

    Raises ConfigError for an unknown name or key, an empty grid, and a value that is listed twice.
    """
    values = read_recipe(name)
    try:
        sweep = Sweep.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        hint = nearest(key, list(Sweep.model_fields)) if first["type"] == "extra_forbidden" else ""
        raise ConfigError(f"{name}: {key}: {first['msg'].lower()}", hint) from error
    for key, choices in sweep.grid.items():
        if len({_category(value) for value in choices}) < len(choices):
            raise ConfigError(f"{name}: grid: {key} lists a value twice", "list every value once")
    return sweep.model_copy(update={"settings": {**sweep.settings, **_flattened(override({}, settings))}})


def run_sweep(sweep: Sweep, folder: Path, run_trial: RunTrial) -> SweepResult:
    """Run every point of the grid that `folder` holds no finished trial of, and name the winner.

    Trials are runs in folder/trials/NAME; sweep.json and sweep.md are renewed after each. A trial that fails with a
    MonosomeError is kept with its reason, and the sweep goes on. Raises ConfigError when the folder holds another
    sweep, or when a trial measures no objective of that name.
    """
    points = {_name(point): point for point in sweep.points()}
    with _study(sweep, folder) as study:
        done = {trial.user_attrs["name"]: _stored(trial) for trial in study.trials}
        for name, point in points.items():
            if name not in done:
                done[name] = _run(sweep, name, point, folder / "trials" / name, run_trial)
                study.add_trial(_as_optuna(sweep, done[name]))
            result = _result(sweep, [done[name] for name in points if name in done])
            write_text(folder / "sweep.json", json.dumps(result.as_json(), indent=2) + "\n")
            write_text(folder / "sweep.md", _markdown(result))
    return result


def _run(sweep: Sweep, name: str, point: Values, folder: Path, run_trial: RunTrial) -> Trial:
    start = time.perf_counter()
    values: dict[str, float] = {}
    failure = ""
    try:
        values = dict(run_trial(sweep.assignments(point), folder))
    except MonosomeError as error:
        failure = error.message
    if not failure and sweep.objective not in values:
        raise ConfigError(f"the trials measure no {sweep.objective!r}", nearest(sweep.objective, list(values)))
    if not failure and not math.isfinite(values[sweep.objective]):
        failure = f"{sweep.objective} is {values[sweep.objective]}"
    return Trial(name, point, values, time.perf_counter() - start, failure)


def _result(sweep: Sweep, trials: Sequence[Trial]) -> SweepResult:
    sign = 1 if sweep.direction == "minimize" else -1
    finished = [trial for trial in trials if not trial.failure]
    winner = min(finished, key=lambda trial: sign * trial.values[sweep.objective], default=None)
    return SweepResult(sweep, trials, winner)


@contextmanager
def _study(sweep: Sweep, folder: Path) -> Iterator["Study"]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder.resolve() / 'sweep.db'}")
    try:
        definition = sweep.model_dump(mode="json")
        study = optuna.create_study(storage=storage, study_name="sweep", direction=sweep.direction, load_if_exists=True)
        if study.trials and study.user_attrs["sweep"] != definition:
            raise ConfigError(f"{folder} holds trials of another sweep", "give another folder with --out")
        study.set_user_attr("sweep", definition)
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _as_optuna(sweep: Sweep, trial: Trial) -> "FrozenTrial":
    import optuna

    state = optuna.trial.TrialState.FAIL if trial.failure else optuna.trial.TrialState.COMPLETE
    choices = {key: [_category(value) for value in values] for key, values in sweep.grid.items()}
    return optuna.trial.create_trial(
        state=state,
        value=None if trial.failure else trial.values[sweep.objective],
        params={key: _category(value) for key, value in trial.settings.items()},
        distributions={key: optuna.distributions.CategoricalDistribution(each) for key, each in choices.items()},
        user_attrs=asdict(trial),
    )


def _stored(trial: "FrozenTrial") -> Trial:
    return Trial(**trial.user_attrs)


def _category(value: Any) -> str | int | float | bool:
    """A value as Optuna stores choices: lists as JSON text."""
    return value if isinstance(value, str | int | float | bool) else json.dumps(value)


def _name(point: Values) -> str:
    """A folder name that says the settings; where characters or length forbid that, a digest makes it unique."""
    plain = ",".join(f"{key}={value}" for key, value in point.items())
    safe = re.sub(r"[^\w.=,+-]", "-", plain, flags=re.ASCII)[:100]
    digest = hashlib.sha256(json.dumps(point).encode()).hexdigest()[:8]
    return safe if safe == plain else f"{safe}-{digest}"


def _defined(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _markdown(result: SweepResult) -> str:
    columns, rows = result.table(result.figures())
    lines = [columns, ["---"] * len(columns), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    winner = f"Winner: {result.winner.name}" if result.winner else "No trial has finished."
    best = "smallest" if result.sweep.direction == "minimize" else "largest"
    head = f"# Sweep over {result.sweep.recipe}\n\n{winner} (by the {best} {result.sweep.objective})\n\n"
    return head + "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"
