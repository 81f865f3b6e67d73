import pytest
import torch
from toy import ToyTask, toy_task

from monosome.config import Config, fill_auto
from monosome.fit.allocations import cpu_allocations, mark
from monosome.fit.estimate import Estimate, Step, prediction, training_step
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset_named
from monosome.train.savers import recomputed
from monosome.train.step import Learner, MicroBatch

WIDE = ("model.width=96", "model.num_blocks=3", "data.crop=200")


def resolved(task: ToyTask) -> Config:
    return fill_auto(task.config, preset_named("cpu").values())


def estimated(*settings: str, step: Step) -> Estimate:
    task = toy_task(*WIDE, *settings)
    return training_step(task, resolved(task), step)


def measured(task: ToyTask, step: Step) -> int:
    """What the allocator was asked for in a real second step."""
    config, batch = resolved(task), task.collate([task.dummy(step.length)] * step.micro_batch)
    with cpu_allocations() as found:
        learner = Learner(task, task.model().train(), config, detect("cpu"))
        blocks = task.blocks(learner.model)
        for number in range(2):
            mark("step")
            with recomputed(blocks, bool(config.execution.checkpoint_blocks)):
                learner.step(number, [MicroBatch(batch, 0)] * (2 if step.accumulates else 1))
    return found.peaks_between_marks()[-1]


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("execution.checkpoint_blocks=true",),
        ("numerics.precision=bf16",),
        ("numerics.precision=fp16",),
        ("optim.name=lion", "train.ema_decay=0"),
        ("execution.offload_optimizer=true",),
        ("optim.frozen_until.blocks=1000",),
    ],
    ids=["plain", "recomputed", "bf16", "fp16", "lion", "offloaded", "frozen"],
)
@pytest.mark.parametrize("accumulates", [False, True])
def test_the_estimate_is_what_is_allocated(settings: tuple[str, ...], accumulates: bool):
    step = Step(150, 8, accumulates)
    task = toy_task(*WIDE, *settings)
    assert training_step(task, resolved(task), step).peak_bytes == pytest.approx(measured(task, step), rel=0.15)


def test_the_parts_add_up_and_the_weights_are_exact():
    found = estimated("train.ema_decay=0", step=Step(60, 2))
    assert sum(found.parts.values()) == found.peak_bytes
    assert found.parts["parameters"] == pytest.approx(4 * found.num_parameters, rel=0.01)
    assert found.parts["optimizer"] == pytest.approx(8 * found.num_parameters, rel=0.01)


def test_work_grows_with_the_examples_and_recomputing_adds_to_it():
    one, two = (estimated(step=Step(60, num)).flops for num in (1, 2))
    assert two == 2 * one > 0
    assert estimated("execution.checkpoint_blocks=true", step=Step(60, 1)).flops > one


@pytest.mark.parametrize("balance", ["uncertainty", "gradient_norm"])
def test_balances_and_plateaus_read_no_numbers(balance: str):
    found = estimated(f"loss.balance={balance}", "optim.schedule=plateau", step=Step(60, 2))
    assert found.peak_bytes > estimated(step=Step(60, 2)).peak_bytes * 0.9


def test_terms_that_come_later_count_now():
    later = estimated("loss.ramps.next_letter=[5,50]", step=Step(60, 2))
    assert later.peak_bytes == estimated(step=Step(60, 2)).peak_bytes


def test_a_prediction_holds_no_gradients():
    task = toy_task(*WIDE)
    found = prediction(task, resolved(task), Step(150, 8))
    assert found.peak_bytes < training_step(task, resolved(task), Step(150, 8)).peak_bytes / 2
    assert set(found.parts) <= {"parameters", "inputs", "activations"}


def test_nothing_is_computed_for_real():
    task = toy_task(*WIDE)
    with cpu_allocations() as found:
        training_step(task, resolved(task), Step(150, 64))
    assert found.peak() < 2**20
    assert torch.empty(0).device.type == "cpu"


def test_on_a_card_offloaded_states_are_in_the_peak_by_portions_only(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("monosome.train.offload.PORTION_BYTES", 50_000)
    task = toy_task(*WIDE, "execution.device=cuda", "train.ema_decay=0")
    offloaded = toy_task(*WIDE, "execution.device=cuda", "train.ema_decay=0", "execution.offload_optimizer=true")
    here, home = (training_step(each, resolved(each), Step(8, 1)) for each in (task, offloaded))
    assert "optimizer" not in home.parts or home.parts["optimizer"] < 100, "counters alone stay"
    assert home.peak_bytes < here.peak_bytes - here.parts["optimizer"] / 2
