"""What came of a sweep: its trials, its arms over seeds, the winner, tables and pictures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from monosome.config import Values
from monosome.evaluate.figures import svg
from monosome.evaluate.intervals import Interval
from monosome.evaluate.rows import interval_text
from monosome.sweep.grid import Sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEED = "seed"
"""The setting that repeats a measurement, and is none to choose by."""


@dataclass(frozen=True)
class Trial:
    """A finished trial: its settings, what was measured, the seconds since it was last taken up, or why it failed."""

    name: str
    settings: Values
    values: Mapping[str, float]
    seconds: float
    failure: str = ""


def over_seeds(values: Sequence[float]) -> Interval:
    """Mean with its 95 % interval by Student's t; no interval for one value."""
    number, mean = len(values), float(np.mean(values))
    if number < 2:
        return Interval(mean, None, None, number, number)
    half = float(stdtrit(number - 1, 0.975) * np.std(values, ddof=1) / math.sqrt(number))
    return Interval(mean, mean - half, mean + half, number, number)


@dataclass(frozen=True)
class Arm:
    """The trials that succeeded with the same settings but for their seed."""

    settings: Values
    trials: Sequence[Trial]

    def interval(self, figure: str) -> Interval:
        """Mean over the seeds."""
        return over_seeds([trial.values[figure] for trial in self.trials])


@dataclass(frozen=True)
class SweepResult:
    """The finished trials in the order of the grid."""

    sweep: Sweep
    trials: Sequence[Trial]

    @property
    def arms(self) -> list[Arm]:
        """The trials that succeeded, those of one setting and several seeds together."""
        arms: dict[str, list[Trial]] = {}
        for trial in self.trials:
            if not trial.failure:
                arms.setdefault(str(_without_seed(trial.settings)), []).append(trial)
        return [Arm(_without_seed(trials[0].settings), trials) for trials in arms.values()]

    @property
    def winner(self) -> Trial | None:
        """The best trial of the arm that is best in the mean over its seeds; None where every trial failed."""
        sign, objective = 1 if self.sweep.direction == "minimize" else -1, self.sweep.objective
        best = min(self.arms, key=lambda arm: sign * arm.interval(objective).value, default=None)
        return min(best.trials, key=lambda trial: sign * trial.values[objective]) if best else None

    @property
    def repeats(self) -> bool:
        """Whether there are several seeds."""
        return len(self.sweep.grid.get(SEED, [])) > 1

    def as_json(self) -> Values:
        """The result as JSON values; undefined figures are None."""
        winner = self.winner
        return {
            "sweep": self.sweep.model_dump(),
            "winner": winner.name if winner else None,
            "trials": [
                {**asdict(trial), "values": {k: v if math.isfinite(v) else None for k, v in trial.values.items()}}
                for trial in self.trials
            ],
            "arms": [
                {"settings": arm.settings, self.sweep.objective: asdict(arm.interval(self.sweep.objective))}
                for arm in self.arms
            ],
        }

    def figures(self) -> list[str]:
        """Names of what was measured, the objective first."""
        measured = dict.fromkeys(name for trial in self.trials for name in trial.values)
        return sorted(measured, key=lambda name: name != self.sweep.objective)

    def table(self, figures: Sequence[str]) -> tuple[list[str], list[list[str]]]:
        """Column names, and a row of text for each trial: settings, these figures, seconds, winner or failure."""
        winner = self.winner
        rows = [
            [
                *(str(value) for value in trial.settings.values()),
                *(f"{trial.values[name]:.4g}" if name in trial.values else "" for name in figures),
                f"{trial.seconds:.0f}",
                trial.failure or ("winner" if trial == winner else ""),
            ]
            for trial in self.trials
        ]
        return [*self.sweep.grid, *figures, "seconds", ""], rows

    def arms_table(self, figures: Sequence[str]) -> tuple[list[str], list[list[str]]]:
        """Column names, and a row of text for each arm: settings, these figures over seeds with intervals, seeds."""
        measured = [name for name in figures if all(name in t.values for arm in self.arms for t in arm.trials)]
        rows = [
            [
                *map(str, arm.settings.values()),
                *(interval_text(arm.interval(name)) for name in measured),
                str(len(arm.trials)),
            ]
            for arm in self.arms
        ]
        return [*_without_seed(self.sweep.grid), *measured, "seeds"], rows

    def pictures(self) -> dict[str, str]:
        """An SVG for each setting of numbers, by its name: the objective against it, a line for each other setting."""
        keys = [
            key
            for key, values in _without_seed(self.sweep.grid).items()
            if len(values) > 1 and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        ]
        return {key: self._picture(key) for key in keys if self.arms}

    def _picture(self, key: str) -> str:
        lines: dict[str, list[tuple[float, Interval]]] = {}
        for arm in self.arms:
            others = ", ".join(f"{name}={value}" for name, value in arm.settings.items() if name != key)
            lines.setdefault(others, []).append((float(arm.settings[key]), arm.interval(self.sweep.objective)))

        def draw(figure: "Figure") -> None:
            axes = figure.subplots()
            for others, points in lines.items():
                places, found = zip(*sorted(points, key=lambda point: point[0]), strict=True)
                heights = [each.value for each in found]
                halves = [0.0 if each.high is None else each.high - each.value for each in found]
                axes.errorbar(places, heights, halves if self.repeats else None, marker="o", capsize=4, label=others)
            axes.set(xlabel=key, ylabel=self.sweep.objective.replace("_", " "))
            if len(lines) > 1:
                axes.legend()

        return svg(draw, name=key)

    def markdown(self) -> str:
        """The result for people: the winner, the arms where there are several seeds, every trial."""
        winner = self.winner
        head = f"Winner: {winner.name}" if winner else "No trial has finished."
        best = "smallest" if self.sweep.direction == "minimize" else "largest"
        over = " in the mean over seeds" if self.repeats else ""
        parts = [f"# Sweep over {self.sweep.recipe}", f"{head} (by the {best} {self.sweep.objective}{over})"]
        if self.repeats:
            parts.append("Mean over seeds with its 95 % interval (Student's t):")
            parts.append(_markdown(*self.arms_table(self.figures())))
        return "\n\n".join([*parts, _markdown(*self.table(self.figures()))]) + "\n"


def _without_seed(settings: Values) -> Values:
    return {key: value for key, value in settings.items() if key != SEED}


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
