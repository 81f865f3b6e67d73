from functools import cached_property

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from toy import ToyConfig, ToyModel, ToyTask, WordBatch

from monosome.config import build, fill_auto
from monosome.fit.allocations import cpu_allocations
from monosome.fit.estimate import Step, prediction, training_step
from monosome.fit.shapes import on_the_cpu, shapes_alone, shapes_are_enough
from monosome.hardware.presets import preset_named


class Taught(ToyTask):
    """The toy beside a frozen network of its own kind; `weighs` says whether it has weights while a step is traced."""

    weighs = False

    @cached_property
    def _whole(self) -> nn.Module:
        return ToyModel(self.config.model)

    @cached_property
    def _shape(self) -> nn.Module:
        with torch.device("meta"):
            return ToyModel(self.config.model)

    def frozen(self) -> nn.Module:
        return self._shape if shapes_are_enough() and not self.weighs else self._whole

    def forward(self, model: nn.Module, batch: WordBatch) -> Tensor:
        return super().forward(model, batch) + super().forward(self.frozen(), batch)


class Loaded(Taught):
    weighs = True


def taught(kind: type[Taught]) -> Taught:
    return kind(build(ToyConfig, {"domain": "toy", "model": {"width": 96}, "data": {"crop": 200}}))


@pytest.mark.parametrize("trace", [training_step, prediction])
def test_a_frozen_network_without_weights_is_traced_as_one_with_them(trace):
    with_weights, without = taught(Loaded), taught(Taught)
    config = fill_auto(without.config, preset_named("cpu").values())
    found = [trace(without, config, Step(150, num)) for num in (2, 4, 2)]
    assert found[0] == found[2] == trace(with_weights, config, Step(150, 2))
    assert found[1].peak_bytes > found[0].peak_bytes


def test_it_is_left_as_it_was_and_its_weights_are_there_when_they_are_wanted():
    task = taught(Taught)
    training_step(task, fill_auto(task.config, preset_named("cpu").values()), Step(40, 1))
    with shapes_alone():
        assert all(weight.is_meta for weight in task.frozen().parameters())
    assert not any(weight.is_meta or isinstance(weight, FakeTensor) for weight in task.frozen().parameters())
    assert not shapes_are_enough()


def test_tied_weights_are_one_and_nothing_is_allocated():
    with torch.device("meta"):
        network = ToyModel(build(ToyConfig, {"domain": "toy", "model": {"width": 2048}}).model)
    with cpu_allocations() as found, FakeTensorMode(), on_the_cpu(network):
        assert network.head.weight is network.embedding.weight
        assert network.head.weight.device.type == network.calls.device.type == "cpu"
    assert found.peak() < 2**20
    assert network.head.weight is network.embedding.weight
    assert network.head.weight.is_meta
    assert network.calls.is_meta
