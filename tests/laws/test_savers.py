"""Laws of what saves memory: with it, a step learns the same, and a prediction is the same."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from rnas import rna_task
from runs import SHORT, AnyTask, gradient_of, learner_for, micro_batch, states, stop_at, train
from test_steps import UNCLIPPED, distance, one_step, uneven
from torch import Tensor
from toy import toy_task

from monosome.train.savers import recomputed, work_in_pieces

TaskFactory = Callable[..., AnyTask]
EVERYTHING = (
    "model.dropout=0.2",
    "model.triangle_attention=true",
    "model.num_recycles=1",
    "model.num_trunk_blocks=2",
    "train.ema_decay=0.9",
)


def bent(task: AnyTask) -> AnyTask:
    """The task, whose networks begin with no layer zero: fresh ones end in zeros, and would obey any law."""
    fresh = task.model

    def model() -> torch.nn.Module:
        made = fresh()
        generator = torch.Generator().manual_seed(1)
        for weight in made.parameters():
            weight.data.add_(0.1 * torch.randn(weight.shape, generator=generator))
        return made

    task.model = model  # type: ignore[method-assign]
    return task


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("num_rows", [1, 5, 64])
def test_pieces_change_neither_loss_nor_gradient(num_rows: int, again: bool) -> None:
    whole_task, task = (
        bent(rna_task(UNCLIPPED, *EVERYTHING, f"execution.rows_at_once={rows}")) for rows in (0, num_rows)
    )
    indices = uneven(task)[:3]
    whole, gradient = one_step(learner_for(whole_task), whole_task, [indices])
    learner = learner_for(task)
    with recomputed(task.blocks(learner.model), again):
        cut, cut_gradient = one_step(learner, task, [indices])
    assert cut.loss == pytest.approx(whole.loss, rel=1e-6)
    assert cut.means == pytest.approx(whole.means, rel=1e-6)
    assert distance(gradient, cut_gradient) < 1e-6


@torch.no_grad()
@pytest.mark.parametrize("num_rows", [1, 5, 64])
def test_pieces_change_no_prediction(num_rows: int) -> None:
    task = bent(rna_task(*EVERYTHING))
    model, examples = task.model().eval(), task.examples("train")
    batch = task.collate([examples[0], examples[1]])
    whole = task.forward(model, batch)
    work_in_pieces(model, num_rows)
    cut = task.forward(model, batch)
    for name in ("pair", "last", "distogram_logits", "pair_logits", "pae_logits"):
        one, other = getattr(whole, name), getattr(cut, name)
        assert (one - other).norm() < 1e-6 * one.norm(), name
    assert (whole.frames.translations - cut.frames.translations).norm() < 1e-6 * whole.frames.translations.norm()


def test_a_run_goes_on_with_its_states_elsewhere(tmp_path: Path) -> None:
    """A checkpoint does not know where the states were."""
    whole = states(train(toy_task(*SHORT), tmp_path / "whole").checkpoint)
    train(stop_at(toy_task(*SHORT), 9, signal.SIGTERM), tmp_path / "stopped")
    resumed = states(train(toy_task(*SHORT, "execution.offload_optimizer=true"), tmp_path / "stopped").checkpoint)
    for kind, state in whole.items():
        assert all(torch.equal(value, resumed[kind][name]) for name, value in state.items()), kind


@pytest.mark.parametrize("name", ["adamw", "adam", "lion", "muon"])
def test_states_at_home_learn_the_same_to_the_bit(
    task_factory: TaskFactory, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In portions of some weights each."""
    monkeypatch.setattr("monosome.train.offload.PORTION_BYTES", 3000)
    found = [
        _learned(task_factory(f"optim.name={name}", f"execution.offload_optimizer={home}"))
        for home in ("false", "true")
    ]
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


def _learned(task: AnyTask) -> dict[str, Tensor]:
    batches = [micro_batch(task, uneven(task)[:2])]
    learner = learner_for(task)
    learner.step(0, batches)
    learner.step(1, batches)
    return {f"{kind}/{key}": value for kind, state in learner.states().items() for key, value in state.items()}


def test_a_gradient_beyond_half_precision_is_made_again_with_a_smaller_scale() -> None:
    """At 2^60 each gradient is infinite in fp16, and nothing is learned; in the end the step is that of fp32."""
    half, whole = toy_task("numerics.precision=fp16", UNCLIPPED), toy_task(UNCLIPPED)
    _, expected = one_step(learner_for(whole), whole, [uneven(whole)])
    learner, batches = learner_for(half), [micro_batch(half, uneven(half))]
    before = {name: weight.clone() for name, weight in learner.model.named_parameters()}
    learner.scale.value = 2.0**60
    assert learner.step(0, batches).overflowed
    assert all(torch.equal(before[name], weight) for name, weight in learner.model.named_parameters())

    def retake() -> None:
        while learner.step(0, batches).overflowed:
            pass

    found = gradient_of(learner, retake)
    assert 1 < learner.scale.value < 2.0**60
    assert distance(expected, found) < 1e-2


def test_a_run_in_half_precision_goes_on_to_the_end(tmp_path: Path) -> None:
    assert train(toy_task(*SHORT, "numerics.precision=fp16"), tmp_path / "run").step == 8


def test_states_in_eight_bits_go_on_as_they_were_saved(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="needs the extra `bits`")
    wide = ("model.width=64", "optim.name=adamw8bit", *SHORT)  # weights of 4,096 numbers and more have 8 bits
    whole = train(toy_task(*wide), tmp_path / "whole")
    states_there = states(whole.checkpoint)
    assert any(value.dtype == torch.uint8 for value in states_there["optimizer"].values())
    stopped = train(stop_at(toy_task(*wide), 9, signal.SIGTERM), tmp_path / "stopped")
    assert stopped.interrupted
    resumed = states(train(toy_task(*wide), tmp_path / "stopped").checkpoint)
    for kind, state in states_there.items():
        assert all(torch.equal(value, resumed[kind][name]) for name, value in state.items()), kind
    plain = states(train(toy_task("model.width=64", *SHORT), tmp_path / "plain").checkpoint)
    assert 0 < distance(plain["model"], {k: resumed["model"][k] for k in plain["model"]}) < 0.05
