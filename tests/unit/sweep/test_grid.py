"""Sweeps as they are written: read from TOML, refused in one line, of settings that exist."""

from pathlib import Path

import pytest

from monosome.commands.domain import config_type
from monosome.config import build, fingerprint, override, read_recipe, recipe_names
from monosome.errors import ConfigError
from monosome.sweep.grid import Sweep, read_sweep


@pytest.mark.parametrize(
    "values",
    [1, 0.5, 1e-9, True, "helix", 'a "quoted" = word', [0.9, 0.99], ["å", "b"]],
    ids=str,
)
def test_values_reach_the_recipe_as_they_were_written(values: object):
    sweep = Sweep.model_validate({"recipe": "rna/micro", "grid": {"a.b": [values]}})
    (point,) = sweep.points()
    assert override({}, sweep.assignments(point)) == {"a": {"b": values}}


def write(folder: Path, text: str) -> str:
    file = folder / "sweep.toml"
    file.write_text(text)
    return str(file)


def test_a_sweep_is_read_with_keys_quoted_or_nested(tmp_path: Path):
    quoted = write(tmp_path, 'recipe = "rna/micro"\n[settings]\n"a.b" = 1\n[grid]\n"model.x" = [1, 2]\n')
    first = read_sweep(quoted, ["train.steps=7"])
    nested = write(tmp_path, 'recipe = "rna/micro"\n[settings.a]\nb = 1\n[grid]\nmodel.x = [1, 2]\n')
    assert read_sweep(nested, ["train.steps=7"]) == first
    assert first.assignments({"model.x": 2}) == ["a.b=1", "train.steps=7", "model.x=2"]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('recipe = "r"\n', "grid: field required", ""),
        ('recipe = "r"\n[grid]\n', "grid: dictionary should have at least 1 item", ""),
        ('recipe = "r"\n[grid]\nx = []\n', "grid.x: list should have at least 1 item", ""),
        ('recipe = "r"\n[grid]\nx = 1\n', "grid.x: input should be a valid list", ""),
        ('recipe = "r"\n[grid]\nx = [1, 1.0]\n', "grid: x lists a value twice", "list every value once"),
        ('recipe = "r"\nobjectiv = "loss"\n[grid]\nx = [1]\n', "objectiv: extra inputs", "did you mean 'objective'?"),
        ('recipe = "r"\ndirection = "up"\n[grid]\nx = [1]\n', "direction: input should be 'minimize' or", ""),
    ],
)
def test_a_wrong_sweep_is_refused_in_one_line(tmp_path: Path, text: str, message: str, hint: str):
    with pytest.raises(ConfigError) as raised:
        read_sweep(write(tmp_path, text))
    assert message in raised.value.message
    assert raised.value.hint == hint


@pytest.mark.parametrize("name", recipe_names("sweeps"))
def test_the_sweeps_of_the_package_are_of_settings_that_exist(name: str):
    sweep = read_sweep(name)
    recipe = read_recipe(sweep.recipe)
    configs = [
        build(config_type(recipe["domain"]), override(recipe, sweep.assignments(point))) for point in sweep.points()
    ]
    assert len({fingerprint(config, "") for config in configs}) == len(configs)


@pytest.mark.parametrize("name", ["sweeps/temperature", "sweeps/alpha"])
def test_temperature_and_alpha_are_swept_with_a_teacher(name: str):
    sweep = read_sweep(name)
    values = override(read_recipe(sweep.recipe), sweep.assignments(sweep.points()[0]))
    assert build(config_type("protein"), values).loss.weights().keys() == {"hard", "soft"}


@pytest.mark.parametrize("form", ["published", "corrected"])
def test_the_regularisers_are_crossed_at_one_rate_and_warm_up(form: str):
    name = "sweeps/regularisers" + ("" if form == "published" else "-corrected")
    sweep = read_sweep(name)
    recipe = read_recipe(sweep.recipe)
    configs = [build(config_type("protein"), override(recipe, sweep.assignments(each))) for each in sweep.points()]
    crossed = {(c.loss.uncertainty_weighting, c.loss.calibration_smoothing) for c in configs}
    assert crossed == {(one, other) for one in ("off", form) for other in ("off", form)}
    assert len({str((c.optim, c.train, c.data, c.model)) for c in configs}) == 1
    assert len({c.seed for c in configs}) >= 3
