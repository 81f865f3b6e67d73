"""Figures of benchmarks over time, each beside its frozen baseline: what changed, and the page that shows it."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monosome.evaluate.figures import curves
from monosome.evaluate.page import Chapter, Picture, Report, Table
from monosome.evaluate.rows import number

NOTED = 0.2
"""A figure that changed by a larger share of its baseline is named."""
NUM_SHOWN = 4
"""Runs that a table shows, the latest; all are drawn."""
NUM_DRAWN = 6
"""Figures that are drawn, those that changed most: as many as the palette has colours."""
_NO_FIGURES = ("date", "commit", "machine")


@dataclass(frozen=True)
class Run:
    """What a benchmark measured once: figures by their path in its file."""

    at: str
    commit: str
    machine: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class History:
    """The runs of a benchmark, oldest first, beside its baseline, which is None where none was frozen."""

    name: str
    baseline: Run | None
    runs: Sequence[Run]

    @property
    def same_machine(self) -> bool:
        """Whether the last run was made on what the baseline was made on."""
        return self.baseline is not None and self.baseline.machine == self.runs[-1].machine

    def ratio(self, figure: str, run: Run) -> float | None:
        """The figure over its baseline; None where either is missing or the baseline is 0."""
        before, now = self.baseline.figures.get(figure) if self.baseline else None, run.figures.get(figure)
        return now / before if before and now is not None else None

    @property
    def by_change(self) -> list[str]:
        """The last run's figures, those that changed most first."""
        return sorted(self.runs[-1].figures, key=lambda figure: -_change(self.ratio(figure, self.runs[-1])))

    @property
    def noted(self) -> dict[str, float]:
        """The figures that changed by more than `NOTED`, with their ratio to the baseline, most changed first."""
        ratios = ((figure, self.ratio(figure, self.runs[-1])) for figure in self.by_change)
        return {figure: ratio for figure, ratio in ratios if ratio is not None and abs(ratio - 1) > NOTED}


def read_run(path: Path) -> Run:
    """What a benchmark wrote to a file; of the time a file of the history is named by, else the date in it."""
    found = json.loads(path.read_text(encoding="utf-8"))
    numbers = {name: value for name, value in found.items() if name not in _NO_FIGURES}
    at = path.stem if path.stem[:1].isdigit() else found["date"]
    return Run(at, found["commit"], _machine(found["machine"]), dict(_leaves(numbers, "")))


def page(histories: Sequence[History], command: str) -> Report:
    """The report on what was run, oldest to latest."""
    noted = {history.name: history.noted for history in histories}
    num_figures = sum(len(history.runs[-1].figures) for history in histories)
    num_noted = sum(map(len, noted.values()))
    summary = (
        f"{num_figures} figures of {', '.join(noted)}: {num_noted} differ from the baseline by more than {NOTED:.0%}."
    )
    data = {"noted": noted, "ratios": {history.name: _ratios(history) for history in histories}}
    return Report("Benchmarks over time", summary, command, [_chapter(history) for history in histories], data)


def _ratios(history: History) -> dict[str, float | None]:
    return {figure: history.ratio(figure, history.runs[-1]) for figure in history.runs[-1].figures}


def _chapter(history: History) -> Chapter:
    base, last, shown = history.baseline, history.runs[-1], history.runs[-NUM_SHOWN:]
    text = f"Last run at commit {last.commit} on {last.machine}. "
    text += f"Baseline of {base.at}, commit {base.commit}, on {base.machine}." if base else "There is no baseline yet."
    if base and not history.same_machine:
        text += " Another machine: its times are no comparison."
    rows = [
        [
            figure,
            number(base.figures.get(figure) if base else None),
            *(number(run.figures.get(figure)) for run in shown),
            _percent(history.ratio(figure, last)),
        ]
        for figure in history.by_change
    ]
    table = Table(["figure", "baseline", *(_clock(run.at) for run in shown), "last ÷ baseline"], rows)
    return Chapter(history.name, text, [*_drawn(history), table])


def _drawn(history: History) -> Iterator[Picture]:
    """The ratios of the figures that changed most, where there is more than one run to draw."""
    series = {
        figure: [
            (float(place), ratio) for place, run in enumerate(history.runs, 1) if (ratio := history.ratio(figure, run))
        ]
        for figure in history.by_change[:NUM_DRAWN]
    }
    drawn = {figure: points for figure, points in series.items() if len(points) > 1}
    if drawn:
        caption = f"{history.name}: run over baseline, of the figures that changed most, oldest run first"
        svg = curves(drawn, x="run", y="run ÷ baseline", title=history.name)
        yield Picture(svg, caption, wide=True)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, float]]:
    """Every number with its path; of a value with its interval the value."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        inside = value[:1] if _has_interval(value) else value
        for place, inner in enumerate(inside, 1):
            yield from _leaves(inner, path if inside is not value else f"{path}.{place}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)


def _has_interval(value: Sequence[Any]) -> bool:
    """Whether these are a figure and the ends of its interval."""
    return len(value) == 3 and all(isinstance(each, float) for each in value) and value[1] <= value[0] <= value[2]


def _clock(at: str) -> str:
    """A time as people write it, to the minute."""
    return at[:16].replace("T", " ").replace(".", ":")


def _machine(found: Mapping[str, Any]) -> str:
    return ", ".join([found["processor"], f"{found['cores']} cores", *found.get("cards", [])])


def _change(ratio: float | None) -> float:
    if ratio is None:
        return -1.0
    return abs(math.log(ratio)) if ratio > 0 else math.inf


def _percent(ratio: float | None) -> str:
    return "–" if ratio is None else f"{100 * ratio:.0f} %"
