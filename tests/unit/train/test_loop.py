import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import SHORT, AnyTask, checkpoints, contents, journal, poisoned, stop_at, train
from toy import toy_task

from monosome.config import read_recipe
from monosome.errors import ConfigError, DataError, HardwareError
from monosome.task import Loss
from monosome.train.checkpoint import latest, load_manifest, load_tensors
from monosome.train.loop import Trainer
from monosome.train.micro_batches import Held, MicroBatches, Place


def test_a_run_learns_and_leaves_what_it_says(tmp_path: Path) -> None:
    task = toy_task("train.steps=60", "execution.evaluate_every=20", "execution.save_every=25", "execution.threads=1")
    outcome = train(task, tmp_path)
    lines = journal(tmp_path)
    steps = [line for line in lines if "loss" in line]
    assert [line["step"] for line in steps] == [1, 10, 20, 30, 40, 50, 60]
    assert [line["step"] for line in lines if "evaluation" in line] == [20, 40, 60]
    assert steps[-1]["loss"] < 1.0 < 2.4 < steps[0]["loss"]  # ln 12 is 2.48
    weights = task.config.loss.weights()
    for line in steps:
        assert line["loss"] == pytest.approx(sum(weights[name] * value for name, value in line["terms"].items()))
    assert checkpoints(tmp_path) == ["best", "step_00000050", "step_00000060"]
    assert outcome.step == 60
    assert outcome.checkpoint == tmp_path / "checkpoints" / "step_00000060"
    assert outcome.best == tmp_path / "checkpoints" / "best"
    assert outcome.evaluation == load_manifest(outcome.best).evaluation
    assert outcome.evaluation["loss"] == min(line["evaluation"]["loss"] for line in lines if "evaluation" in line)
    assert len(outcome.rows) == 5
    assert not outcome.interrupted


def test_the_recipe_in_the_folder_is_resolved_and_the_manifest_keeps_both(tmp_path: Path) -> None:
    outcome = train(toy_task(*SHORT), tmp_path)
    values = read_recipe(str(tmp_path / "recipe.toml"))
    assert "auto" not in [*values["execution"].values(), *values["numerics"].values()]
    manifest = load_manifest(outcome.checkpoint)
    assert manifest.config["numerics"]["precision"] == "auto"
    assert manifest.numerics["precision"] == "fp32"
    assert manifest.execution["micro_batch"] == 2
    assert manifest.cursor == {"epoch": 1, "position": 2}  # 21 examples are 6 batches of 4
    assert manifest.versions["torch"] == torch.__version__
    (stretch,) = manifest.stretches
    assert (stretch.first, stretch.last) == (1, 8)
    assert stretch.numerics == manifest.numerics


def test_a_finished_run_is_returned_at_once(tmp_path: Path) -> None:
    first = train(toy_task(*SHORT), tmp_path)
    before = contents(tmp_path)
    task = toy_task(*SHORT)
    task.model = pytest.fail  # type: ignore[assignment]
    again = train(task, tmp_path)
    assert contents(tmp_path) == before
    assert again.resumed_from == again.step == 8
    assert (again.evaluation, again.rows, again.best) == (first.evaluation, first.rows, first.best)


def test_the_best_weights_are_the_moving_average_where_there_is_one(tmp_path: Path) -> None:
    trainer = Trainer(toy_task(*SHORT), tmp_path, progress=False)
    outcome = trainer.fit()
    trainer.use_best()
    assert outcome.best is not None
    average = load_tensors(outcome.best, "ema")
    assert all(torch.equal(tensor, average[name]) for name, tensor in trainer.model.state_dict().items())
    assert not trainer.model.training
    assert not (outcome.best / "optimizer.safetensors").exists()
    assert trainer.task.evaluate(trainer.model, trainer.task.examples("valid")) == outcome.rows


def test_without_held_out_examples_nothing_is_evaluated(tmp_path: Path) -> None:
    task = toy_task(*SHORT)
    train_split = task.examples("train")
    task.examples = lambda split: train_split if split == "train" else type(train_split)(())  # type: ignore[method-assign,call-arg]
    trainer = Trainer(task, tmp_path, progress=False)
    outcome = trainer.fit()
    assert (outcome.best, outcome.evaluation, outcome.rows) == (None, {}, [])
    trainer.use_best()
    assert not any("evaluation" in line for line in journal(tmp_path))


@pytest.mark.parametrize(
    ("poison", "message"),
    [
        (lambda sums: {name: value * float("nan") for name, value in sums.items()}, "the loss is not finite"),
        (lambda sums: {name: (value * 0).sqrt() for name, value in sums.items()}, "the gradient is not finite"),
    ],
)
def test_a_number_that_is_not_finite_stops_the_run_and_names_the_examples(
    tmp_path: Path, poison: Callable[[Any], Any], message: str
) -> None:
    """Micro-batches of 2: number 10 is the second of step 5, two steps past the checkpoint of step 3."""
    calls = []

    def tenth(loss: Loss) -> Loss:
        calls.append(loss.sums["calm"].requires_grad)
        return Loss(poison(loss.sums), loss.count) if sum(calls) == 10 and calls[-1] else loss

    with pytest.raises(DataError, match=rf"{message} in step 5, examples train_\d+, train_\d+") as caught:
        train(poisoned(toy_task(*SHORT), tenth), tmp_path)
    named = caught.value.message.count("train_")
    assert named == (2 if "loss" in message else 4)
    assert "step_00000003" in caught.value.hint
    assert checkpoints(tmp_path) == ["best", "step_00000003"]
    assert train(toy_task(*SHORT), tmp_path).resumed_from == 3


def test_a_batch_in_which_nothing_counts_is_named(tmp_path: Path) -> None:
    empty = poisoned(toy_task(*SHORT), lambda loss: Loss({name: value * 0 for name, value in loss.sums.items()}, 0.0))
    with pytest.raises(DataError, match="nothing counts in step 1, examples train_"):
        train(empty, tmp_path)


def test_a_loss_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="every term of the loss has weight 0"):
        train(toy_task("loss.next_letter=0", "loss.calm=0"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("training", [True, False])
def test_out_of_memory_names_the_length_and_what_to_type(tmp_path: Path, training: bool) -> None:
    task, forward = toy_task(*SHORT, "data.crop=40"), toy_task().forward

    def hungry(model: torch.nn.Module, batch: Any) -> Any:
        if batch.letters.shape[1] > 36 and model.training == training:
            torch.empty(2**50)
        return forward(model, batch)

    task.forward = hungry  # type: ignore[method-assign]
    fitted = "the longest that fitted so far is" if training else "nothing has fitted so far"
    with pytest.raises(HardwareError, match=rf"out of memory in .* of length 3[789]; {fitted}") as e:
        train(task, tmp_path)
    assert ("in step" if training else "in the evaluation") in e.value.message
    assert ("1 example of" in e.value.message) or not training  # fewer at once were tried before
    assert ("execution.checkpoint_blocks=true" in e.value.hint) == training
    assert "a shorter crop" in e.value.hint


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_where_memory_ends_half_as_many_are_computed_at_once_and_learn_the_same(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], where: str
) -> None:
    settings = ("train.steps=6", "train.batch_size=8", "execution.micro_batch=8", "execution.log_every=1")
    free = train(toy_task(*settings), tmp_path / "free")
    task, forward = toy_task(*settings), toy_task().forward
    at_once = []

    def hungry(model: torch.nn.Module, batch: Any) -> Any:
        outputs = forward(model, batch)
        if model.training:
            at_once.append(len(batch.letters))
            if len(batch.letters) > 2 and where == "backward":
                outputs.register_hook(lambda _: torch.empty(2**50))
            elif len(batch.letters) > 2:
                torch.empty(2**50)
        return outputs

    task.forward = hungry  # type: ignore[method-assign]
    bounded = train(task, tmp_path / "bounded")
    assert at_once[0] > 2 >= max(at_once[1:])
    assert "going on with 2 at once, execution.micro_batch=2" in capfd.readouterr().err
    losses = [[line["loss"] for line in journal(tmp_path / name) if "loss" in line] for name in ("free", "bounded")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert bounded.evaluation["loss"] == pytest.approx(free.evaluation["loss"], rel=1e-5)
    assert load_manifest(bounded.checkpoint).execution["micro_batch"] == 2


def test_what_fits_this_card_is_taken_from_the_table_and_corrected_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))
    settings = ("train.steps=6", "train.batch_size=8", "execution.log_every=1")
    free = train(toy_task(*settings), tmp_path / "free")
    trainer = Trainer(toy_task(*settings), tmp_path / "table", progress=False)
    place = Place(trainer.device, trainer.config, trainer.task.examples("train").content_hash)
    assert place.load() is None
    place.save(MicroBatches((Held(12, 4), Held(20, 3), Held(40, 2))))
    shapes, forward = list[tuple[int, int]](), trainer.task.forward

    def watched(model: torch.nn.Module, batch: Any) -> Any:
        if model.training:
            shapes.append(tuple(batch.letters.shape))
            if batch.letters.shape[1] > 15 and len(batch.letters) > 1:
                torch.empty(2**50)
        return forward(model, batch)

    trainer.task.forward = watched  # type: ignore[method-assign]
    bounded = trainer.fit()
    assert "4 at once up to length 12, 3 at once up to length 20, 2 at once up to length 40" in capfd.readouterr().err
    assert max(number for number, _ in shapes) == 3  # no batch begins with four as short as 12
    assert bounded.evaluation["loss"] == pytest.approx(free.evaluation["loss"], rel=1e-5)
    corrected = place.load()
    assert corrected is not None
    assert [row.micro_batch for row in corrected.rows] == [4, 1, 1]


def test_memory_that_ends_in_the_update_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(*_: Any, **__: Any) -> None:
        torch.empty(2**50)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    with pytest.raises(HardwareError, match="out of memory in step 1"):
        train(toy_task("train.steps=6", "train.batch_size=8"), tmp_path)


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outcome = train(stop_at(toy_task(*SHORT), 3, signal.SIGINT), tmp_path)
    assert (outcome.interrupted, outcome.step) == (True, 2)
    assert load_manifest(outcome.checkpoint).step == 2
    assert "stopped and saved after step 2; the same command goes on from there" in capfd.readouterr().err


def test_a_signal_in_the_last_step_is_no_interruption(tmp_path: Path) -> None:
    assert not train(stop_at(toy_task(*SHORT), 16, signal.SIGTERM), tmp_path).interrupted


def test_stretches_are_remembered(tmp_path: Path) -> None:
    for step in (3, 5):
        train(stop_at(toy_task(*SHORT), 2 * (step - load_step(tmp_path)), signal.SIGTERM), tmp_path)
    outcome = train(toy_task(*SHORT), tmp_path)
    assert [(s.first, s.last) for s in load_manifest(outcome.checkpoint).stretches] == [(1, 3), (4, 5), (6, 8)]
    assert outcome.seconds > 0


def load_step(run: Path) -> int:
    found, _ = latest(run / "checkpoints")
    return load_manifest(found).step if found else 0


@pytest.mark.parametrize(
    "settings",
    [
        ("model.dropout=0.3",),
        ("optim.name=lion", "optim.learning_rate=1e-3", "train.ema_decay=0"),
        ("numerics.fused_optimizer=false", "execution.checkpoint_blocks=true", "model.dropout=0.3"),
        ("numerics.precision=bf16", "optim.schedule=wsd"),
    ],
)
def test_every_way_to_learn_goes_on_bit_for_bit(tmp_path: Path, settings: tuple[str, ...]) -> None:
    whole = train(toy_task(*SHORT, *settings), tmp_path / "whole")
    train(stop_at(toy_task(*SHORT, *settings), 9, signal.SIGTERM), tmp_path / "run")
    resumed = train(toy_task(*SHORT, *settings), tmp_path / "run")
    assert resumed.resumed_from == 5
    for name in ("model", "optimizer"):
        one, other = (load_tensors(outcome.checkpoint, name) for outcome in (whole, resumed))
        assert one.keys() == other.keys()
        assert all(torch.equal(tensor, other[key]) for key, tensor in one.items())
    assert journal(whole.folder) == journal(resumed.folder)


def test_a_frozen_teacher_is_left_as_it_is(tmp_path: Path) -> None:
    task: AnyTask = toy_task(*SHORT)
    teacher = toy_task("seed=9").model()
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    task.frozen = lambda: teacher  # type: ignore[method-assign]
    train(task, tmp_path)
    assert not teacher.training
    assert not any(weight.requires_grad for weight in teacher.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())


def test_input_that_cannot_be_used_leaves_no_folder(tmp_path: Path) -> None:
    task = toy_task(*SHORT)

    def refuse() -> None:
        raise DataError("the teacher's vocabulary differs")

    task.frozen = refuse  # type: ignore[method-assign]
    with pytest.raises(DataError):
        train(task, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_journal_is_json_lines(tmp_path: Path) -> None:
    train(toy_task(*SHORT), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert {"units_per_second", "seconds", "memory_bytes", "learning_rate", "grad_norm"} <= lines[0].keys()
    assert all(line["memory_bytes"] > 0 for line in lines if "loss" in line)
