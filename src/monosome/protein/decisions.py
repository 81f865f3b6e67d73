"""What to do with a trained student: release it, train it again with more data, or keep the model that is there.

Pure functions on the reports of `monosome evaluate --json`; `study` calls them until no settings come back.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from monosome.config import read_recipe
from monosome.errors import DataError, nearest

MAX_RATIO = {"tiny": 3.0, "small": 2.5, "medium": 2.0}
"""Limits on student / teacher perplexity, set before any student was trained."""
PARAMETERS = {"tiny": 38.9e6, "small": 81.9e6, "medium": 203.7e6}
"""Parameters of the recipes of these names, with ProtGPT2's vocabulary."""
PROPORTIONS = (0.2, 0.5)
"""Shares of the training proteins that a student beyond its limit is trained again with."""
LADDER: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("a higher temperature", {"loss.temperature": 10.0}),
    ("a lower alpha", {"loss.alpha": 0.1}),
    ("the layers, heads and width of the model that is there", {}),
    ("20 % of the data", {"data.proportion": 0.2}),
    ("50 % of the data", {"data.proportion": 0.5}),
)
"""What is tried, one after the other, when a new student is worse than the one that is there."""
Report = Mapping[str, Any]
"""What `monosome evaluate --json` prints."""


@dataclass(frozen=True)
class Decision:
    """What to do and why; `settings` are those of the next training, empty unless there is one."""

    action: Literal["release", "retrain", "keep"]
    reason: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def size_of(parameters: int) -> str:
    """The size whose parameters are nearest in ratio."""
    return min(PARAMETERS, key=lambda size: abs(math.log(parameters / PARAMETERS[size])))


def decide(report: Report, existing: Report | None, size: str, settings: Mapping[str, Any]) -> Decision:
    """The ladder as long as the student is worse than the existing one, where there is one; then the threshold."""
    if existing is not None:
        climbed = by_ladder(report, existing, size, settings)
        if climbed.action != "release":
            return climbed
    return by_threshold(report, size, settings)


def by_threshold(report: Report, size: str, settings: Mapping[str, Any]) -> Decision:
    """Release a student below its limit; else train it with 20 %, then with 50 % of the data; else keep the old one.

    `settings` are those that the student was trained with; what comes back holds them, changed. Raises DataError for an
    unknown size and for a report without a ratio that means anything.
    """
    if size not in MAX_RATIO:
        raise DataError(f"there is no student size {size!r}", nearest(size, list(MAX_RATIO)))
    ratio, limit = _ratio(report), MAX_RATIO[size]
    found = f"perplexity ratio {ratio:.3g}, limit {limit:g}"
    if ratio < limit:
        return Decision("release", found)
    used = settings.get("data.proportion", 1.0)
    for proportion in PROPORTIONS:
        if used < proportion:
            more = {**settings, "data.proportion": proportion}
            return Decision("retrain", f"{found}: train with {proportion:.0%} of the data", more)
    return Decision("keep", f"{found}, with {used:.0%} of the data: keep the model that is there, and say so")


def by_ladder(report: Report, existing: Report, size: str, settings: Mapping[str, Any]) -> Decision:
    """Release a student that is no worse than the existing one; else the next rung of the ladder; else keep that one.

    Both reports must be of one protocol: the same proteins and the same teacher. `settings` says what the student was
    trained with; a rung that would change nothing is passed over, and what was climbed before stays. The existing
    models, littleworth/protgpt2-distilled-SIZE, have the sizes of the recipes of that name. Raises DataError where the
    two reports cannot be compared.
    """
    ours, theirs = _ratio(report), _ratio(existing)
    _require_one_protocol(report, existing)
    same_size = {f"model.{key}": value for key, value in read_recipe(f"protein/{size}")["model"].items()}
    found = f"perplexity ratio {ours:.3g}, the existing model's {theirs:.3g}"
    if ours <= theirs:
        return Decision("release", found)
    for words, rung in LADDER:
        changed = {key: value for key, value in (rung or same_size).items() if _gains(key, settings, value)}
        if changed:
            return Decision("retrain", f"{found}: try {words}", {**settings, **changed})
    return Decision("keep", f"{found}, and every rung was tried: keep the existing model, and report both")


def _gains(key: str, settings: Mapping[str, Any], value: int | float) -> bool:
    """Whether a setting is short of a rung; one that was never set is."""
    if key not in settings:
        return True
    return bool(settings[key] > value if key == "loss.alpha" else settings[key] < value)


def _ratio(report: Report) -> float:
    metrics = report.get("metrics", {})
    if "perplexity_ratio" not in metrics:
        raise DataError("the report holds no perplexity ratio", "evaluate the student beside its teacher")
    teacher, floor = _value(report, "teacher_perplexity"), _value(report, "unigram_perplexity")
    if teacher >= floor:
        raise DataError(
            f"the report's teacher has perplexity {teacher:,.1f}, the token unigram {floor:,.1f}: nothing was measured",
            "evaluate with the teacher's own tokenizer and text format",
        )
    return _value(report, "perplexity_ratio")


def _require_one_protocol(report: Report, existing: Report) -> None:
    """The teacher tells: its perplexity is the same on the same proteins. Floors are fitted to what a student saw."""
    ours, theirs = _value(report, "teacher_perplexity"), _value(existing, "teacher_perplexity")
    if abs(ours - theirs) > 1e-3 * theirs:
        raise DataError(
            f"the two reports are not of the same proteins and teacher: perplexity {ours:,.2f} and {theirs:,.2f}",
            "evaluate both students on the same proteins, beside the same teacher",
        )


def _value(report: Report, name: str) -> float:
    return float(report["metrics"][name]["value"])
