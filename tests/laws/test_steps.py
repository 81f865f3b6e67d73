"""Laws of one step: how a batch is cut, padded or recomputed changes neither loss nor gradient."""

from collections.abc import Callable, Mapping

import pytest
import torch
from runs import AnyTask, gradient_of, learner_for, micro_batch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from monosome.train.batches import split
from monosome.train.savers import recomputed
from monosome.train.step import Figures, Learner

TaskFactory = Callable[..., AnyTask]
UNCLIPPED = "optim.clip_norm=1e9"


def uneven(task: AnyTask) -> list[int]:
    """Up to six training examples in the order of the data, so of mixed lengths."""
    return list(range(min(6, len(task.examples("train")))))


def one_step(learner: Learner, task: AnyTask, parts: list[list[int]]) -> tuple[Figures, dict[str, Tensor]]:
    figures: list[Figures] = []
    batches = [micro_batch(task, part) for part in parts]
    gradient = gradient_of(learner, lambda: figures.append(learner.step(0, batches).read()))
    return figures[0], gradient


def distance(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """Norm of the difference of two gradients, as a share of the norm of the first."""
    assert one.keys() == other.keys()
    difference = sum(float((one[name].double() - other[name].double()).square().sum()) for name in one)
    return float((difference / sum(float(value.double().square().sum()) for value in one.values())) ** 0.5)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_micro_batches_of_any_size_give_one_gradient(task_factory: TaskFactory, size: int) -> None:
    task = task_factory(UNCLIPPED)
    indices = uneven(task)
    whole, gradient = one_step(learner_for(task), task, [indices])
    cut, cut_gradient = one_step(learner_for(task), task, split(indices, lambda piece: len(piece) <= size))
    assert cut.count == whole.count
    assert cut.loss == pytest.approx(whole.loss, rel=1e-6)
    assert cut.means == pytest.approx(whole.means, rel=1e-6)
    assert distance(gradient, cut_gradient) < 1e-6


def test_padding_changes_nothing(task_factory: TaskFactory) -> None:
    """The terms of the shortest example are the same alone and beside a longer one."""
    task = task_factory()
    model, examples = task.model().eval(), task.examples("train")
    short = min((examples[index] for index in range(len(examples))), key=task.length)
    long = task.dummy(2 * task.length(short))

    def sums(*each: object) -> dict[str, float]:
        batch = task.collate(each)
        with torch.no_grad():
            loss = task.loss(task.forward(model, batch), batch)
        return {"count": float(loss.count), **{name: float(value) for name, value in loss.sums.items()}}

    def shapes(*each: object) -> list[torch.Size]:
        return [tensor.shape[1:] for tensor in vars(task.collate(each)).values() if isinstance(tensor, Tensor)]

    assert shapes(short) != shapes(short, long), "nothing was padded"
    alone, beside, both = sums(short), sums(long), sums(short, long)
    assert both == pytest.approx({name: alone[name] + beside[name] for name in alone}, rel=1e-5, abs=1e-6)


def test_recomputed_blocks_change_neither_loss_nor_gradient(task_factory: TaskFactory) -> None:
    task = task_factory(UNCLIPPED)
    indices = uneven(task)
    plain, gradient = one_step(learner_for(task), task, [indices])
    learner = learner_for(task)
    with recomputed(task.blocks(learner.model)):
        saved, saved_gradient = one_step(learner, task, [indices])
    assert saved == plain
    assert all(torch.equal(gradient[name], saved_gradient[name]) for name in gradient)


def test_a_step_runs_on_fake_tensors(task_factory: TaskFactory) -> None:
    """Shapes alone carry a whole step: that is how memory is estimated for cards that are not here."""
    task = task_factory("train.ema_decay=0.9")
    batches = [micro_batch(task, part) for part in split(uneven(task), lambda piece: len(piece) <= 3)]
    with FakeTensorMode(allow_non_fake_inputs=True):
        learner = learner_for(task)
        with recomputed(task.blocks(learner.model)):
            sums = learner.step(0, batches)
    assert isinstance(sums.grad_norm, FakeTensor)
    assert all(isinstance(weight, FakeTensor) for weight in learner.trainable)
