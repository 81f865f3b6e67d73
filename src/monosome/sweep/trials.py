"""Running a sweep: every point of the grid once, however many processes there are and however often one is killed.

The grid is enumerated here and each finished trial is stored once, whole, with Optuna. Optuna's GridSampler is not
used: after a kill it leaves the running point in the storage as running for good, and draws points by trial number, so
that a point could run twice. A trial that was killed is simply not stored; it goes on in its own folder.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from monosome.atomic import write_text
from monosome.config import Values
from monosome.errors import ConfigError, MonosomeError, nearest
from monosome.sweep.claims import claim, share
from monosome.sweep.grid import Sweep, category, trial_name
from monosome.sweep.results import SweepResult, Trial

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

RunTrial = Callable[[list[str], Path], Mapping[str, float]]
"""Trains with "key=value" settings in a folder, going on where the folder was left, and returns what was measured."""
CLAIMS = "claims"
STORAGE = "storage"
"""The claim on the table of finished trials."""


def run_sweep(sweep: Sweep, folder: Path, run_trial: RunTrial) -> SweepResult:
    """Run every point of the grid that `folder` holds no finished trial of, and say what came of all.

    Trials are runs in folder/trials/NAME; sweep.json and sweep.md are renewed after each, pictures drawn after the
    last. Several processes may run one sweep in one folder at a time. A trial that fails with a MonosomeError is kept
    with its reason, and the sweep goes on. Raises ConfigError when the folder holds another sweep, or when a trial
    measures no objective of that name.
    """
    points = {trial_name(point): point for point in sweep.points()}
    with _study(sweep, folder) as study:

        def finished() -> dict[str, Trial]:
            return {trial.user_attrs["name"]: Trial(**trial.user_attrs) for trial in study.trials}

        def write() -> SweepResult:
            done = finished()
            result = SweepResult(sweep, [done[name] for name in points if name in done])
            write_text(folder / "sweep.json", json.dumps(result.as_json(), indent=2) + "\n")
            write_text(folder / "sweep.md", result.markdown())
            return result

        def work(name: str) -> None:
            trial = _run(sweep, name, points[name], folder / "trials" / name, run_trial)
            with claim(folder / CLAIMS / STORAGE, wait=True):
                study.add_trial(_as_optuna(sweep, trial))
                write()

        share(list(points), folder / CLAIMS, lambda name: name in finished(), work)
        result = write()
    for name, picture in result.pictures().items():
        write_text(folder / f"{name}.svg", picture)
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


@contextmanager
def _study(sweep: Sweep, folder: Path) -> Iterator["Study"]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    with claim(folder / CLAIMS / STORAGE, wait=True):
        storage = optuna.storages.RDBStorage(f"sqlite:///{folder.resolve() / 'sweep.db'}")
        study = optuna.create_study(storage=storage, study_name="sweep", direction=sweep.direction, load_if_exists=True)
    try:
        definition = sweep.model_dump(mode="json")
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
    choices = {key: [category(value) for value in values] for key, values in sweep.grid.items()}
    return optuna.trial.create_trial(
        state=state,
        value=None if trial.failure else trial.values[sweep.objective],
        params={key: category(value) for key, value in trial.settings.items()},
        distributions={key: optuna.distributions.CategoricalDistribution(each) for key, each in choices.items()},
        user_attrs=asdict(trial),
    )
