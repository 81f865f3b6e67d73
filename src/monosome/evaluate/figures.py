"""One style for every figure: transparent SVG whose text takes the page's colour, readable without colour."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#010203"
"""Stands for the page's text colour: replaced by currentColor in the SVG."""
PALETTE = ("#2f6fde", "#d9662b", "#2a9d6f", "#9254c8", "#c23b5a", "#8a8f98")
"""Distinct in hue and lightness; blue and orange first, which most colour-blind readers tell apart."""

MAX_LETTERS = 60
"""More letters below the bars of one picture run into each other: then they are set aslant."""
FEW_POINTS = 20
"""So many points of a line are marked: one alone would not be seen."""

_STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": None,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 3.5,
    "svg.fonttype": "none",
    "figure.constrained_layout.use": True,
}


def svg(
    draw: Callable[["Figure"], None],
    *,
    width_inches: float = 6.4,
    height_inches: float = 3.6,
    name: str = "figure",
) -> str:
    """The SVG element that `draw` puts on a fresh figure; `name` keeps element ids apart on one page."""
    import matplotlib
    from cycler import cycler
    from matplotlib.figure import Figure

    style = {**_STYLE, "axes.prop_cycle": cycler(color=PALETTE), "svg.hashsalt": name}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(width_inches, height_inches))
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")


def curves(
    series: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str, title: str, log: bool = False
) -> str:
    """Lines of (x, y) points, one per name."""

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        styles = ("-", "--", ":", "-.")
        for number, (name, points) in enumerate(series.items()):
            marker = "o" if len(points) <= FEW_POINTS else ""
            axes.plot(*zip(*points, strict=True), label=name, linestyle=styles[number % len(styles)], marker=marker)
        axes.set(xlabel=x, ylabel=y, title=title, yscale="log" if log else "linear")
        if len(series) > 1:
            axes.legend()

    return svg(draw, name=title)


def scatter(
    series: Mapping[str, Sequence[tuple[float, float]]], *, x: str, y: str, title: str, diagonal: bool = False
) -> str:
    """One dot per (x, y) point, each name in its colour and shape; the `diagonal` is where both are equal."""

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        for number, (name, points) in enumerate(series.items()):
            marker = "os^Dvx"[number % 6]
            across, up = [point[0] for point in points], [point[1] for point in points]
            axes.scatter(across, up, s=18, alpha=0.7, linewidth=0.8, marker=marker, label=name)
        values = [value for points in series.values() for point in points for value in point]
        if diagonal and values:
            ends = [min(values), max(values)]
            axes.plot(ends, ends, color=INK, linewidth=1, linestyle=":")
        axes.set(xlabel=x, ylabel=y, title=title)
        if len(series) > 1:
            axes.legend()

    return svg(draw, name=title)


def bars(
    values: Mapping[str, tuple[float, float | None, float | None]],
    *,
    y: str,
    title: str,
    floors: Sequence[str] = (),
) -> str:
    """Bars of (value, low, high) with their intervals; the names in `floors` are drawn grey."""

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        for place, (name, (value, low, high)) in enumerate(values.items()):
            axes.bar(place, value, color=PALETTE[5] if name in floors else PALETTE[0], width=0.62)
            if low is not None and high is not None:
                axes.errorbar(
                    place,
                    value,
                    [[max(0, value - low)], [max(0, high - value)]],
                    color=INK,
                    capsize=4,
                    linewidth=1,
                )
            axes.annotate(
                f"{value:.3g}",
                (place, high or value),
                ha="center",
                va="bottom",
                xytext=(0, 3),
                textcoords="offset points",
            )
        crowded = sum(map(len, values)) > MAX_LETTERS
        axes.set_xticks(
            range(len(values)), list(values), rotation=30 if crowded else 0, ha="right" if crowded else "center"
        )
        axes.set(ylabel=y, title=title)
        axes.margins(y=0.15)

    return svg(draw, name=title)
