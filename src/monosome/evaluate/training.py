"""The page of a training run: what its journal says, live or afterwards."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monosome.evaluate.figures import curves
from monosome.evaluate.page import Chapter, Picture, Report, Table
from monosome.evaluate.rows import number

Line = Mapping[str, Any]
Points = list[tuple[float, float]]


def page(name: str, lines: Sequence[Line], recipe: Mapping[str, Any], fingerprint: str, command: str) -> Report:
    """The report on a run: losses by term, their weights, learning rate, gradient, speed, memory, and its recipe."""
    steps = [line for line in lines if "loss" in line]
    held_out = [line for line in lines if "evaluation" in line]
    total = recipe["train"]["steps"]
    if not steps:
        return Report(name, f"No step of {total:,} is done yet.", command, [_settings(recipe, fingerprint)])
    last = steps[-1]
    return Report(
        title=name,
        summary=_summary(last, held_out, total),
        command=command,
        chapters=[
            _losses(steps, held_out),
            _terms(steps),
            _pace(steps),
            *([_held_out(held_out)] if held_out else []),
            _settings(recipe, fingerprint),
        ],
        data={"fingerprint": fingerprint, "last": dict(last), "evaluations": [dict(line) for line in held_out]},
    )


def _summary(last: Line, held_out: Sequence[Line], total: int) -> str:
    done = f"Step {last['step']:,} of {total:,} after {_duration(last['seconds'])}, loss {number(last['loss'])}."
    if not held_out:
        return f"{done} Nothing has been measured on held-out data yet."
    best = min(held_out, key=lambda line: line["evaluation"].get("loss", float("inf")))
    return f"{done} Lowest loss on held-out data {number(best['evaluation']['loss'])}, at step {best['step']:,}."


def _losses(steps: Sequence[Line], held_out: Sequence[Line]) -> Chapter:
    series = {"training": _points(steps, lambda line: line["loss"])}
    if held_out:
        series["held out"] = _points(held_out, lambda line: line["evaluation"]["loss"])
    picture = curves(series, x="step", y="loss", title="Loss")
    caption = "Training: mean over the examples of one step. Held out: mean over all held-out examples."
    return Chapter("Loss", "Weighted sum of its terms, per unit of the task.", [Picture(picture, caption, wide=True)])


def _terms(steps: Sequence[Line]) -> Chapter:
    blocks = [
        Picture(
            curves(_by_name(steps, "terms"), x="step", y="mean per unit", title="Terms"),
            "Each term of the loss before its weight.",
        ),
        Picture(
            curves(_by_name(steps, "weights"), x="step", y="weight", title="Weights"),
            "What each term counts; a line that moves is a schedule or a balance.",
        ),
    ]
    return Chapter("Terms of the loss", f"At step {steps[-1]['step']:,}: {_shares(steps[-1])}.", blocks)


def _shares(line: Line) -> str:
    parts = {name: line["weights"].get(name, 0.0) * value for name, value in line["terms"].items()}
    shown = sorted(parts.items(), key=lambda part: -abs(part[1]))
    return ", ".join(f"{name} {number(value)}" for name, value in shown) or "none"


def _pace(steps: Sequence[Line]) -> Chapter:
    columns = {
        "learning_rate": ("Learning rate", "learning rate", 1.0),
        "grad_norm": ("Gradient norm, before clipping", "norm", 1.0),
        "units_per_second": ("Speed", "units a second", 1.0),
        "memory_bytes": ("Memory, highest so far", "GiB", 2**-30),
    }
    pictures = [
        Picture(
            curves({y: _points(steps, lambda line, key=key, by=by: by * line[key])}, x="step", y=y, title=title),  # type: ignore[misc]
            f"{title}: {number(by * steps[-1][key])} at the last step shown.",
        )
        for key, (title, y, by) in columns.items()
    ]
    return Chapter("How it runs", f"{_duration(steps[-1]['seconds'])} so far, all stretches together.", pictures)


def _held_out(held_out: Sequence[Line]) -> Chapter:
    names = list(held_out[-1]["evaluation"])
    rows = [[f"{line['step']:,}", *(number(line["evaluation"].get(name)) for name in names)] for line in held_out[-20:]]
    text = "Means over the held-out examples, the latest twenty measurements; `monosome evaluate` gives intervals."
    return Chapter("Held-out data", text, [Table(["step", *names], rows)])


def _settings(recipe: Mapping[str, Any], fingerprint: str) -> Chapter:
    rows = [["fingerprint", fingerprint]] + [
        [f"{section}.{key}", str(value)]
        for section, values in recipe.items()
        if isinstance(values, Mapping)
        for key, value in values.items()
    ]
    return Chapter("Recipe", "Every setting as it was resolved.", [Table(["setting", "value"], rows)])


def _points(lines: Sequence[Line], value: Callable[[Line], float]) -> Points:
    return [(float(line["step"]), float(value(line))) for line in lines]


def _by_name(steps: Sequence[Line], key: str) -> dict[str, Points]:
    names = dict.fromkeys(name for line in steps for name in line[key])
    return {
        name: [(float(line["step"]), float(line[key][name])) for line in steps if name in line[key]] for name in names
    }


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
