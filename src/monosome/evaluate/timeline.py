"""A picture of memory over time: all that is held, and beneath it when each of the largest blocks is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monosome.evaluate.figures import PALETTE, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LATE = 0.85
"""Share of the time after which a moment's name stands before it, where there is room."""


@dataclass(frozen=True)
class Bar:
    """A block that is held from one second to another, with what it is called."""

    name: str
    start: float
    end: float
    size_text: str


def draw_timeline(
    moments: Sequence[tuple[float, float]], phases: Sequence[tuple[str, float]], bars: Sequence[Bar], *, y: str
) -> str:
    """The SVG of (seconds, amount) points with named moments; bars lie beneath on the same axis of time."""

    def draw(figure: "Figure") -> None:
        above, below = figure.subplots(2, sharex=True, height_ratios=(1, max(0.6, len(bars) / 10)))
        above.plot(*zip(*moments, strict=True), drawstyle="steps-post")
        above.set(ylabel=y, title="Held in the course of a step")
        for name, at in phases:
            for axes in (above, below):
                axes.axvline(at, color=PALETTE[5], linewidth=0.8, linestyle=":")
            late = at > LATE * moments[-1][0]
            above.annotate(
                name,
                (at, 1),
                (-3 if late else 3, -2),
                ("data", "axes fraction"),
                "offset points",
                ha="right" if late else "left",
                va="top",
            )
        above.margins(y=0.15)
        for place, bar in enumerate(bars):
            below.barh(place, bar.end - bar.start, left=bar.start, color=PALETTE[0], height=0.7)
            below.annotate(bar.size_text, (bar.end, place), (3, 0), textcoords="offset points", va="center", fontsize=7)
        below.set_yticks(range(len(bars)), [bar.name for bar in bars], fontsize=7)
        below.invert_yaxis()
        below.set(xlabel="seconds")

    return svg(draw, width_inches=9.6, height_inches=2.6 + 0.22 * len(bars), name="timeline")
