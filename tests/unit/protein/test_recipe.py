from pathlib import Path

import pytest
import torch

from monosome.config import build, override, read_recipe, recipe_names
from monosome.errors import ConfigError
from monosome.protein.recipe import DistillationLossConfig, ProteinConfig
from monosome.protein.student import build_student


def recipe(name: str, *assignments: str) -> ProteinConfig:
    return build(ProteinConfig, override(read_recipe(name), assignments))


def test_weights_follow_the_formula():
    loss = DistillationLossConfig(teacher="someone", temperature=4.0, alpha=0.25)
    assert loss.weights() == {"hard": 0.25, "soft": 0.75 * 16}
    assert DistillationLossConfig(temperature=4.0, alpha=0.25).weights() == {"hard": 1.0}


@pytest.mark.parametrize(
    ("assignment", "fault"),
    [
        ("data.block_length=2048", "exceeds model.positions"),
        ("model.num_heads=5", "no multiple of num_heads"),
        ("data.num_samples=10", "needs loss.teacher"),
        ("loss.alpha=1.5", "less than or equal to 1"),
        ("loss.temprature=2", "loss.temprature"),
    ],
)
def test_impossible_settings_are_refused(assignment: str, fault: str):
    with pytest.raises(ConfigError, match=fault):
        recipe("protein/tiny", assignment)


PARAMETERS = {
    "protein/tiny": 38_866_432,
    "protein/small": 81_912_576,
    "protein/medium": 203_668_480,
    "protein/baseline-tiny": 16_287_488,
    "protein/baseline-small": 45_171_200,
    "protein/baseline-medium": 124_439_808,
}
"""12 w² + 13 w weights a layer of width w, 50,257 w and 1,024 w for tokens and positions, 2 w for the last norm. The
last one is GPT-2 small, whose 124,439,808 is published."""


@pytest.mark.parametrize("name", PARAMETERS)
def test_recipes_have_the_sizes_that_they_say(name: str):
    with torch.device("meta"):
        model = build_student(recipe(name).model, 50_257, seed=0)
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[name]
    text = (Path(__file__).parents[3] / "src/monosome/recipes" / f"{name}.toml").read_text()
    assert f"{PARAMETERS[name] / 1e6:.1f}M parameters" in text


def test_every_recipe_builds():
    for name in recipe_names("protein"):
        assert recipe(name).domain == "protein"
