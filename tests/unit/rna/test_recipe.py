"""The package's recipes: each builds, has the size that its header states, and can take a step."""

from dataclasses import fields, replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from monosome.config import build, override, read_recipe, recipe_names
from monosome.rna.examples import ChainBatch
from monosome.rna.recipe import BetaRhoConfig, StructureLossConfig
from monosome.rna.task import BetaRhoTask
from monosome.train.savers import recomputed

MILLIONS = {
    "rna/micro": 0.34,
    "rna/micro-pairs": 0.86,
    "rna/micro-natural": 0.86,
    "rna/small": 2.0,
    "rna/base": 10.2,
    "rna/large": 54.3,
}


def _task(recipe: str) -> BetaRhoTask:
    return BetaRhoTask(build(BetaRhoConfig, read_recipe(recipe)))


def test_these_are_the_recipes() -> None:
    assert set(recipe_names("rna")) == set(MILLIONS)


@pytest.mark.parametrize("recipe", sorted(MILLIONS))
def test_a_recipe_has_its_size(recipe: str) -> None:
    with torch.device("meta"):
        model = _task(recipe).model()
    num_parameters = sum(weight.numel() for weight in model.parameters())
    assert num_parameters / 1e6 == pytest.approx(MILLIONS[recipe], rel=0.03)


@pytest.mark.parametrize("recipe", sorted(MILLIONS))
def test_a_recipe_takes_a_step_on_shapes_alone(recipe: str) -> None:
    task = _task(recipe)
    example = task.dummy(task.config.data.crop_length)
    batch = task.collate([example, example], [1, 2])
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        model = task.model()
        faked = {field.name: mode.from_tensor(getattr(batch, field.name)) for field in fields(ChainBatch)}
        with recomputed(task.blocks(model)):
            fake = replace(batch, **faked)
            task.loss(task.forward(model, fake), fake).weighted(task.config.loss.weights()).backward()
    places = task.config.loss.fape > 0  # a recipe for pairs alone leaves the structure module as it is
    learned = model.named_parameters() if places else model.trunk.named_parameters()
    assert all(isinstance(weight.grad, FakeTensor) for _, weight in learned)


def test_the_weights_name_every_term() -> None:
    weights = StructureLossConfig(fape=2.0).weights()
    assert weights["fape"] == 2.0
    terms = ("fape", "trace_fape", "distogram", "pairs", "plddt", "pae", "tm", "smooth_lddt", "torsion", "violation")
    assert tuple(weights) == terms


def test_a_day_may_stand_without_quotes() -> None:
    values = override(override({"domain": "rna"}, ["data.valid_after=2022-05-27"]), ["train.steps=3"])
    assert build(BetaRhoConfig, values).data.valid_after == "2022-05-27"
