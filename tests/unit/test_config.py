"""Configuration with a toy domain: what is learned, how it runs, and what a user is told of a mistake."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from monosome.config import (
    Config,
    DataConfig,
    LossConfig,
    OptimConfig,
    Place,
    Section,
    TrainConfig,
    build,
    explain,
    fill_auto,
    fingerprint,
    override,
    read_recipe,
    recipe_names,
    to_toml,
)
from monosome.errors import ConfigError
from monosome.hardware.presets import presets


class ToyModel(Section):
    """A toy's size."""

    num_layers: Annotated[int, Field(gt=0)] = 2
    """Layers."""


class ToyLoss(LossConfig):
    """A toy's loss."""

    teacher: Place = ""
    """Where the teacher lies."""
    alpha: float = 0.5
    """Weight of the hard term."""

    def weights(self) -> Mapping[str, float]:
        return {"hard": self.alpha}


class ToyConfig(Config):
    """A toy's recipe."""

    data: DataConfig = DataConfig()
    """Data."""
    model: ToyModel = ToyModel()
    """Model."""
    loss: ToyLoss = ToyLoss()
    """Loss."""
    optim: OptimConfig = OptimConfig(weight_decay=0.1, warmup_steps=100)
    """Optimiser."""


def toy(*settings: str) -> ToyConfig:
    return build(ToyConfig, override({"domain": "toy"}, settings))


def test_settings_go_over_the_recipe_and_leave_it_unchanged():
    recipe = {"domain": "toy", "optim": {"learning_rate": 1e-3, "betas": [0.9, 0.99]}}
    changed = override(recipe, ["optim.learning_rate=3e-4", "model.num_layers=4", "loss.teacher=nferruz/ProtGPT2"])
    assert changed["optim"] == {"learning_rate": 3e-4, "betas": [0.9, 0.99]}
    assert changed["model"] == {"num_layers": 4}
    assert changed["loss"] == {"teacher": "nferruz/ProtGPT2"}
    assert recipe == {"domain": "toy", "optim": {"learning_rate": 1e-3, "betas": [0.9, 0.99]}}


@pytest.mark.parametrize(
    ("text", "value"), [("3", 3), ("1e-3", 1e-3), ("true", True), ("[1, 2]", [1, 2]), ("helix", "helix"), ("", "")]
)
def test_values_are_toml_and_bare_words_are_strings(text: str, value: object):
    assert override({}, [f"a.b={text}"]) == {"a": {"b": value}}


@pytest.mark.parametrize("assignment", ["optim.learning_rate", "=3", "seed.x.y=3"])
def test_what_is_no_assignment_is_refused(assignment: str):
    with pytest.raises(ConfigError):
        override({"seed": 0}, [assignment])


def test_one_key_of_a_section_leaves_the_domains_other_defaults():
    config = toy("optim.learning_rate=1e-2")
    assert (config.optim.learning_rate, config.optim.weight_decay, config.optim.warmup_steps) == (1e-2, 0.1, 100)
    assert toy("optim.weight_decay=0").optim.weight_decay == 0


@pytest.mark.parametrize(
    ("setting", "message", "hint"),
    [
        ("optim.learning_rat=1", "there is no setting 'optim.learning_rat'", "did you mean 'learning_rate'?"),
        ("optin.name=lion", "there is no setting 'optin'", "did you mean 'optim'?"),
        ("optim.learning_rate=-1", "optim.learning_rate: input should be greater than 0", "monosome explain optim"),
        (
            "optim.name=sgd",
            "optim.name: input should be 'adamw', 'adamw8bit', 'adam', 'lion' or 'muon' (got 'sgd')",
            "monosome explain optim",
        ),
        ("model.num_layers=two", "model.num_layers: input should be a valid integer", "monosome explain model"),
        ("execution.micro_batch=0", "execution.micro_batch: input should be", "monosome explain execution"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_type(setting: str, message: str, hint: str):
    with pytest.raises(ConfigError) as raised:
        toy(setting)
    assert message in raised.value.message
    assert "\n" not in raised.value.message
    assert raised.value.hint == hint


def test_a_preset_fills_auto_and_nothing_else():
    config = toy("execution.micro_batch=3")
    for preset in presets():
        filled = fill_auto(config, preset.values())
        assert filled.execution.micro_batch == 3
        assert filled.execution.device == preset.execution["device"]
        assert filled.numerics.precision == preset.numerics["precision"]
        assert filled.execution.evaluate_every == config.execution.evaluate_every
        for section in ("domain", "seed", "data", "model", "loss", "optim", "train"):
            assert getattr(filled, section) == getattr(config, section)


@pytest.mark.parametrize(
    "setting",
    ["execution.micro_batch=7", "execution.device=cpu", "numerics.precision=bf16", "data.path=/a", "loss.teacher=/b"],
)
def test_how_and_where_it_runs_is_not_in_the_fingerprint(setting: str):
    assert fingerprint(toy(setting), "abc") == fingerprint(toy(), "abc")


@pytest.mark.parametrize(
    "setting", ["seed=1", "model.num_layers=3", "loss.alpha=0.6", "optim.eps=1e-7", "train.batch_size=4"]
)
def test_what_is_learned_is_in_the_fingerprint(setting: str):
    assert fingerprint(toy(setting), "abc") != fingerprint(toy(), "abc")


def test_the_data_are_in_the_fingerprint_by_content():
    assert fingerprint(toy(), "abc") != fingerprint(toy(), "abd")
    assert len(fingerprint(toy(), "abc")) == 16


@given(
    st.builds(TrainConfig, steps=st.integers(1, 10**9), ema_decay=st.floats(0, 0.999)),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
def test_toml_reads_back_to_the_same_configuration(train: TrainConfig, path: str):
    config = ToyConfig(domain="toy", train=train, data=DataConfig(path=path))
    assert build(ToyConfig, tomllib.loads(to_toml(config))) == config


def test_every_setting_is_explained_with_the_default_it_has_in_that_domain():
    rows = {key: (kind, default, meaning) for key, kind, default, meaning in explain(ToyConfig)}
    assert rows["model.num_layers"] == ("int", "2", "Layers.")
    assert rows["optim.weight_decay"][1] == "0.1"
    assert rows["optim.name"][:2] == ("adamw | adamw8bit | adam | lion | muon", '"adamw"')
    assert rows["domain"][1] == "required"
    assert all(meaning for _, _, meaning in rows.values())


def test_a_recipe_is_read_by_path_and_an_unknown_one_is_answered_with_the_nearest(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text('domain = "rna"\n')
    assert read_recipe(str(file)) == {"domain": "rna"}
    with pytest.raises(ConfigError, match="cannot read the recipe"):
        read_recipe(str(tmp_path / "none.toml"))
    file.write_text("domain = rna\n")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        read_recipe(str(file))
    with pytest.raises(ConfigError) as raised:
        read_recipe("sweeps/temperatur")
    assert raised.value.hint == "did you mean 'sweeps/temperature'?"


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_of_the_package_is_valid_toml(name: str):
    assert read_recipe(name)
