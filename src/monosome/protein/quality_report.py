"""The report of designed proteins: figures beside natural ones, distances, distributions, every protein."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from monosome.evaluate.figures import svg
from monosome.evaluate.intervals import Interval
from monosome.evaluate.page import Chapter, Picture, Report, Table
from monosome.evaluate.rows import Measure, as_json, interval_text, number, row_as_json
from monosome.protein.likeness import Likeness
from monosome.protein.quality import LIKENESS, METRICS, Quality
from monosome.row import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 200
"""Proteins that the page lists; all are in report.json."""
DRAWN = ("length", "gravy", "isoelectric_point", "charge", "helix", "strand", "low_complexity", "rep_2")


def quality_cells(found: Quality) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the table of figures: designs beside natural proteins."""
    natural = {each.metric.name: each for each in found.natural_measures}
    columns = ["figure", "designs [95 % interval]", "n", "natural [95 % interval]", "n", "unit"]
    rows = [
        [each.metric.title, *_pair(each, natural.get(each.metric.name)), each.metric.unit] for each in found.measures
    ]
    for name, (title, unit) in LIKENESS.items():
        if found.designs and found.natural:
            cells = [_cells(getattr(side, name)) for side in (found.designs, found.natural)]
            rows.append([title, *cells[0], *cells[1], unit])
    return columns, rows


def _pair(ours: Measure, theirs: Measure | None) -> list[str]:
    return [*_cells(ours.interval), *(_cells(theirs.interval) if theirs else ["–", "–"])]


def _cells(found: Interval) -> list[str]:
    return [interval_text(found), str(found.num_examples)]


def quality_data(found: Quality) -> dict[str, Any]:
    """The same for other programs."""
    return {
        "designs": {**as_json(found.measures), **_distances(found.designs)},
        "natural": {**as_json(found.natural_measures), **_distances(found.natural)},
        "num_compared": found.num_compared,
        "num_reference": found.num_reference,
        "caveats": list(found.caveats),
    }


def _distances(found: Likeness | None) -> dict[str, Any]:
    if found is None:
        return {}
    return {name: {**asdict(getattr(found, name)), "unit": unit} for name, (_, unit) in LIKENESS.items()}


def quality_report(found: Quality, command: str, methods: Sequence[str]) -> Report:
    """The page; `methods` are sentences on how novelty, family and fold were measured."""
    shown = "" if len(found.rows) <= SHOWN else f" The first {SHOWN} of {len(found.rows)}; all are in report.json."
    metrics = [metric for metric in METRICS if any(metric.value in row.values for row in found.rows)]
    listed = [[row.id, str(row.length), *(number(metric.of(row)) for metric in metrics)] for row in found.rows[:SHOWN]]
    text = (
        "Means over proteins with 95 % bootstrap intervals, beside those of an equal-size sample of natural proteins. "
        f"Distances of {found.num_compared} of each are from {found.num_reference} other natural proteins: what the "
        "natural sample reaches is as near as a sample of this size can be. " + " ".join(methods)
    )
    columns, rows = quality_cells(found)
    return Report(
        title=f"{len(found.rows)} designed proteins",
        summary=". ".join([_headline(found), *found.caveats]) + ".",
        command=command,
        chapters=[
            Chapter("Figures", text, [Table(columns, rows)]),
            Chapter(
                "Distributions",
                "Designs and natural proteins side by side; the areas are equal.",
                [Picture(histograms(found.rows, found.natural_rows), "Share of proteins by property.", wide=True)],
            ),
            Chapter(
                "Proteins",
                f"Every protein as it was measured.{shown}",
                [Table(["id", "residues", *(metric.title for metric in metrics)], listed)],
            ),
        ],
        data={**quality_data(found), "rows": [row_as_json(row) for row in found.rows]},
    )


def _headline(found: Quality) -> str:
    values = {each.metric.name: number(each.interval.value) for each in found.measures}
    words = [
        f"valid {values['valid']}",
        f"clusters at 50 % identity per protein {values['clusters_50']}",
        f"identity to the nearest natural one {values['nearest_identity']}",
    ]
    if found.designs and found.natural:
        ours, theirs = number(found.designs.residue_kl.value), number(found.natural.residue_kl.value)
        words.append(f"KL of amino acids {ours} nats, of a natural sample {theirs}")
    return "; ".join(words)


def histograms(rows: Sequence[Row], natural: Sequence[Row]) -> str:
    """Histograms of some figures of designs and natural proteins."""

    def draw(figure: "Figure") -> None:
        titles = {metric.value: f"{metric.title}, {metric.unit}".removesuffix(", ") for metric in METRICS}
        axes = figure.subplots(2, len(DRAWN) // 2).flat
        for name, axis in zip(DRAWN, axes, strict=True):
            sides = [[value for row in side if (value := row.values[name]) is not None] for side in (rows, natural)]
            low, high = min(map(min, filter(None, sides))), max(map(max, filter(None, sides)))
            axis.hist(
                sides,
                bins=20,
                range=(low, high if high > low else low + 1),
                density=True,
                histtype="step",
                label=["designs", "natural"],
            )
            axis.set(xlabel=titles[name], yticks=[])
        figure.legend(*axis.get_legend_handles_labels(), loc="upper right")

    return svg(draw, width_inches=11.0, height_inches=5.0, name="distributions")
