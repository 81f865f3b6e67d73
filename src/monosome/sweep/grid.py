"""What a sweep is: the recipe, the values to try, and what decides."""

import hashlib
import itertools
import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from monosome.config import Section, Values, override, read_recipe, toml_value
from monosome.errors import ConfigError, nearest


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
        if len({category(value) for value in choices}) < len(choices):
            raise ConfigError(f"{name}: grid: {key} lists a value twice", "list every value once")
    return sweep.model_copy(update={"settings": {**sweep.settings, **_flattened(override({}, settings))}})


def category(value: Any) -> str | int | float | bool:
    """A value as Optuna stores choices: lists as JSON text."""
    return value if isinstance(value, str | int | float | bool) else json.dumps(value)


def trial_name(point: Values) -> str:
    """A folder name that says the settings; where characters or length forbid that, a digest makes it unique."""
    plain = ",".join(f"{key}={value}" for key, value in point.items())
    safe = re.sub(r"[^\w.=,+-]", "-", plain, flags=re.ASCII)[:100]
    digest = hashlib.sha256(json.dumps(point).encode()).hexdigest()[:8]
    return safe if safe == plain else f"{safe}-{digest}"
