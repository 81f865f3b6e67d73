import pytest
import torch
from runs import gradient_of, learner_for, micro_batch
from toy import toy_task

from monosome.task import Loss
from monosome.train.schedules import learning_rate
from monosome.train.step import Sums


@pytest.mark.parametrize("count", [2.0, torch.tensor(2), torch.tensor(2.0)])
def test_figures_are_means_over_all_units(count: float) -> None:
    """Two micro-batches of 2 and 4 units: a mean of means would weigh the first's terms double."""
    sums = Sums()
    for scale in (1, 2):
        loss = Loss({"one": torch.tensor(3.0 * scale), "two": torch.tensor(1.0)}, count * scale)
        sums.add(loss, loss.weighted({"one": 1.0, "two": 0.5}))
    figures = sums.read()
    assert figures.count == 6
    assert figures.losses == [3.5, 6.5]
    assert figures.loss == pytest.approx(10 / 6)
    assert figures.means == pytest.approx({"one": 1.5, "two": 1 / 3})


def test_terms_of_weight_zero_are_measured_and_not_learned() -> None:
    task = toy_task("loss.calm=0")
    figures = learner_for(task).step(0, [micro_batch(task, [0, 1])]).read()
    assert figures.means["calm"] > 0
    assert figures.loss == pytest.approx(figures.means["next_letter"])


def test_a_step_sets_its_learning_rate_and_leaves_no_gradient() -> None:
    task = toy_task()
    learner = learner_for(task)
    learner.step(7, [micro_batch(task, [0])])
    expected = learning_rate(task.config.optim, task.config.train.steps, 7)
    assert [group["lr"] for group in learner.optimizers[0].param_groups] == [expected, expected]
    assert all(weight.grad is None for weight in learner.trainable)


def test_the_evaluated_model_is_the_average_where_there_is_one() -> None:
    plain, averaged = learner_for(toy_task("train.ema_decay=0")), learner_for(toy_task())
    assert plain.evaluated is plain.model
    assert averaged.evaluated is not averaged.model
    assert plain.states().keys() == {"model", "optimizer"}
    assert averaged.states(with_optimizer=False).keys() == {"model", "ema"}


def test_a_frozen_part_has_no_gradient_and_does_not_move_until_its_step() -> None:
    task = toy_task("optim.frozen_until.blocks=2")
    learner = learner_for(task)
    before = {name: weight.detach().clone() for name, weight in learner.model.named_parameters()}
    batch = micro_batch(task, [0, 1])
    early = gradient_of(learner, lambda: learner.step(1, [batch]))
    assert early
    assert not any(name.startswith("blocks.") for name in early)
    for name, weight in learner.model.named_parameters():
        assert torch.equal(weight, before[name]) == name.startswith("blocks."), name
    late = gradient_of(learner, lambda: learner.step(2, [batch]))
    assert late.keys() == before.keys()
