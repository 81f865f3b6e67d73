"""The training loop of any task: steps, evaluations, checkpoints, and the way back after a stop."""

import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monosome.atomic import write_text
from monosome.config import fill_auto, fingerprint
from monosome.errors import ConfigError, DataError, HardwareError
from monosome.hardware.counters import peak_memory_bytes, reset_peak_memory
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset
from monosome.task import Examples, Row, Task, mean_values
from monosome.train.batches import Batches, Stage, example_seeds, split, stage_of, stage_seed
from monosome.train.checkpoint import (
    BEST,
    Manifest,
    Stretch,
    begin_with,
    find,
    latest,
    load_manifest,
    load_rows,
    load_weights,
    package_versions,
    save,
)
from monosome.train.folder import RunFolder
from monosome.train.interrupt import Interrupt
from monosome.train.journal import Journal, StepLine
from monosome.train.memory import Fitting
from monosome.train.micro_batches import Held, MicroBatches, Place
from monosome.train.precision import autocast, check, process_settings
from monosome.train.saturation import Saturation
from monosome.train.savers import recomputed, work_in_pieces
from monosome.train.step import Figures, Learner, MicroBatch


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    `seconds` counts all its stretches; `resumed_from` is the step that this call began at. `evaluation` and `rows` are
    those of the best checkpoint, empty as long as there is none.
    """

    folder: Path
    step: int
    seconds: float
    checkpoint: Path
    best: Path | None
    evaluation: dict[str, float]
    rows: list[Row]
    interrupted: bool
    resumed_from: int


class Trainer:
    """Trains a task in a folder; started again, it goes on from the last whole checkpoint, bit for bit on a CPU.

    `config` is the task's with every "auto" filled by this machine's preset. Raises HardwareError when the device that
    the recipe asks for is not here.
    """

    def __init__(self, task: Task[Any, Any, Any], folder: Path, *, progress: bool = True) -> None:
        self.task = task
        self.folder = RunFolder(folder)
        self.progress = progress
        self.device = detect(task.config.execution.device)
        self.config = fill_auto(task.config, preset(self.device).values())
        check(self.device, self.config.numerics)
        if not any(self.config.loss.weights().values()):
            raise ConfigError("every term of the loss has weight 0", "monosome explain loss")

    @cached_property
    def model(self) -> nn.Module:
        """The network on its device, with the weights drawn from the seed until a run changes them."""
        torch.manual_seed(self.config.seed)
        model = self.task.model()
        self.task.begin(model)
        if self.config.train.initial:
            absent = begin_with(model, Path(self.config.train.initial).expanduser())
            if absent:
                print(f"note: {len(absent)} new layers begin at random: {', '.join(absent[:3])} …", file=sys.stderr)
        work_in_pieces(model, self.config.execution.rows_at_once)
        return model.to(self.device.torch_device)

    @cached_property
    def fingerprint(self) -> str:
        """The name of what is learned."""
        content = self.task.examples("train").content_hash
        if self.config.train.initial:
            manifest = load_manifest(find(Path(self.config.train.initial).expanduser()))
            content += f" from step {manifest.step} of {manifest.fingerprint}"
        return fingerprint(self.task.config, content)

    def use_best(self) -> None:
        """Give `model` the weights of the best checkpoint, their moving average where there is one.

        Without a best one it takes the latest.
        """
        load_weights(self.model, self.folder.path)
        self.model.eval()

    def fit(self) -> Outcome:
        """Train to the last step or to the first Ctrl-C or SIGTERM; a finished run is returned at once.

        Raises ConfigError when the folder holds another run, DataError when the loss is not finite, HardwareError when
        memory runs out, CheckpointError when a checkpoint cannot be read or written. What was saved stays.
        """
        origin, notes = self.folder.origin(self.task.config, self.fingerprint)
        manifest = load_manifest(origin) if origin else None
        first = manifest.step if manifest else 0
        if manifest and first == self.config.train.steps:
            return self._outcome(first, first, manifest.seconds, interrupted=False)
        journal = Journal(self.folder.path, self.config, self.fingerprint, first, progress=self.progress)
        run = _Run(self, journal, manifest)
        if origin:
            run.learner.restore(origin)
        # Nothing is written before this line: data, model and checkpoint have been read without a fault.
        self.folder.begin(self.config)
        for name, content in self.task.reports().items():
            write_text(self.folder.path / f"{name}.json", json.dumps(content, indent=1) + "\n")
        with Interrupt() as interrupt, process_settings(self.config.execution, self.config.numerics), journal:
            for note in notes:
                journal.say(f"{note}: going on from step {first}")
            last = run.go(interrupt)
            finished = last == self.config.train.steps
            if not finished:
                journal.say(f"stopped and saved after step {last}; the same command goes on from there")
        return self._outcome(last, first, run.seconds, interrupted=not finished)

    def _outcome(self, step: int, resumed_from: int, seconds: float, *, interrupted: bool) -> Outcome:
        best = self.folder.best
        return Outcome(
            folder=self.folder.path,
            step=step,
            seconds=seconds,
            checkpoint=self.folder.step(step),
            best=best,
            evaluation=dict(load_manifest(best).evaluation) if best else {},
            rows=load_rows(best) if best else [],
            interrupted=interrupted,
            resumed_from=resumed_from,
        )


class _Run:
    """One stretch of a run in progress: from a checkpoint, or from nothing, to the end or to a stop."""

    def __init__(self, trainer: Trainer, journal: Journal, manifest: Manifest | None) -> None:
        self.task, self.config, self.device = trainer.task, trainer.config, trainer.device
        self.folder, self.fingerprint, self.journal = trainer.folder, trainer.fingerprint, journal
        self.examples, self.held_out = self.task.examples("train"), self.task.examples("valid")
        self.stages = _stages(self.task, self.examples)
        frozen = self.task.frozen()
        if frozen is not None:
            frozen.to(self.device.torch_device).eval().requires_grad_(False)
        self.learner = Learner(self.task, trainer.model, self.config, self.device)
        self.place = Place(self.device, self.config, self.examples.content_hash)
        self.micro_batches = self._at_once()
        self.longest_held_out = max(self.task.lengths(self.held_out), default=0)
        self.fitting, self.fitting_held_out = Fitting(), Fitting()
        self.saturation = Saturation(self.task.bounds)
        self.first = manifest.step if manifest else 0
        self.evaluation = dict(manifest.evaluation) if manifest else {}
        self.stretches = list(manifest.stretches) if manifest else []
        self._seconds_before, self._started = manifest.seconds if manifest else 0.0, time.monotonic()
        self._units, self._unit_seconds = 0.0, 0.0

    @property
    def seconds(self) -> float:
        """Time spent so far, earlier stretches included."""
        return self._seconds_before + time.monotonic() - self._started

    def go(self, interrupt: Interrupt) -> int:
        """The number of finished steps at the end, or at a requested stop."""
        reset_peak_memory(self.device.torch_device)
        self.learner.model.train()
        blocks, execution = self.task.blocks(self.learner.model), self.config.execution
        steps: int = self.config.train.steps
        for step in range(self.first, steps):
            with recomputed(blocks, bool(execution.checkpoint_blocks)):
                figures = self._learn(step)
            done = step + 1
            if done == 1 or self._due(execution.log_every, done):
                self._record(step, figures)
            if len(self.held_out) and self._due(execution.evaluate_every, done):
                self._evaluate(done)
            if interrupt.requested or self._due(execution.save_every, done):
                self._save(done)
            if interrupt.requested:
                return done
        return steps

    def _due(self, every: int, done: int) -> bool:
        return done == self.config.train.steps or (every > 0 and done % every == 0)

    def _learn(self, step: int) -> Figures:
        """One step, its examples made into micro-batches on the way; stops the run at a number that is not finite."""
        started = time.perf_counter()
        stage, figures = stage_of(self.stages, step), None
        indices, lengths = stage.at(step), stage.batches.lengths
        while figures is None:
            parts = split(indices, lambda part: self.micro_batches.holds([int(lengths[index]) for index in part]))
            figures = self._attempt(step, parts)
        self._check(step, parts, figures)
        for note in self.saturation.observe(figures.means):
            self.journal.say(f"step {step + 1}: {note}")
        self._units += figures.count
        self._unit_seconds += time.perf_counter() - started
        self.journal.advance(step + 1, figures.loss, self._units / self._unit_seconds)
        return figures

    def _attempt(self, step: int, parts: list[list[int]]) -> Figures | None:
        """The step's figures; None where nothing changed and the step is to be taken again.

        Either its gradient left fp16's range, or memory ran out and half as many at once may fit.
        The examples of a step stay the same: only how many are computed at once is halved, for the rest of the run and,
        where the recipe leaves it to the machine, for later ones.
        """
        try:
            with self.fitting.explained(f"in step {step + 1}", self.config.execution):
                sums = self.learner.step(step, self._micro_batches(step, parts))
                return None if sums.overflowed else sums.read()
        except HardwareError as error:
            half = self.fitting.number // 2
            if not half or self.learner.is_updating:
                raise
            failed = error.message
        # Here the error is gone, and with it the tensors that its frames kept.
        self.learner.abandon()
        self.micro_batches = self.micro_batches.bounded(self.fitting.length, half)
        if self._is_auto:
            self.place.save(self.micro_batches)
        self.journal.say(f"{failed}: going on with {half} at once, execution.micro_batch={half}")
        return None

    @property
    def _is_auto(self) -> bool:
        return bool(self.task.config.execution.micro_batch == "auto")

    def _at_once(self) -> MicroBatches:
        """The recipe's micro-batch; where it says "auto", what fitted this card before, else the preset's."""
        kept = self.place.load() if self._is_auto else None
        if kept:
            self.journal.say(f"micro-batches that fit this card, from {self.place.path}: {kept}")
            return kept
        longest = max(max(map(int, stage.batches.lengths)) for stage in self.stages)
        return MicroBatches((Held(longest, int(self.config.execution.micro_batch)),))

    def _micro_batches(self, step: int, parts: list[list[int]]) -> Iterator[MicroBatch]:
        stage = stage_of(self.stages, step)
        for part in parts:
            seeds = example_seeds(self.config.seed, part, step)
            with self.fitting.trying(len(part), max(int(stage.batches.lengths[index]) for index in part)):
                examples = [self.examples[index] for index in part]
                if stage.limit is not None:
                    drawn = zip(examples, seeds, strict=True)
                    examples = [self.task.shortened(each, stage.limit, seed) for each, seed in drawn]
                batch = self.task.collate(examples, seeds)
                yield MicroBatch(batch.to(self.device.torch_device), seeds[0])

    def _check(self, step: int, parts: list[list[int]], figures: Figures) -> None:
        """Raise DataError unless there was something to learn from and its loss and gradient are finite."""
        bad = [part for part, loss in zip(parts, figures.losses, strict=True) if not math.isfinite(loss)]
        if figures.count and math.isfinite(figures.grad_norm) and not bad:
            return
        what = "the loss is not finite" if bad else "the gradient is not finite" if figures.count else "nothing counts"
        names = [str(getattr(self.examples[index], "id", index)) for part in bad or parts for index in part]
        kept = latest(self.folder.checkpoints)[0]
        hint = "look at these examples, or lower optim.learning_rate"
        hint += f"; the last good checkpoint is {kept}" if kept else "; there is no checkpoint yet"
        raise DataError(f"{what} in step {step + 1}, examples {', '.join(names)}", hint)

    def _record(self, step: int, figures: Figures) -> None:
        line = StepLine(
            step=step + 1,
            loss=figures.loss,
            terms=figures.means,
            weights=figures.weights,
            learning_rate=figures.learning_rate,
            grad_norm=figures.grad_norm,
            units_per_second=self._units / self._unit_seconds,
            seconds=self.seconds,
            memory_bytes=peak_memory_bytes(self.device.torch_device),
        )
        self.journal.step(line)
        self._units, self._unit_seconds = 0.0, 0.0

    def _evaluate(self, done: int) -> None:
        """Measure the held-out examples; the lowest loss so far is kept as `best`."""
        self.learner.model.eval()
        with (
            torch.no_grad(),
            autocast(self.device, self.config.numerics),
            self.fitting_held_out.explained("in the evaluation", None),
            self.fitting_held_out.trying(1, self.longest_held_out),
        ):
            rows = self.task.evaluate(self.learner.evaluated, self.held_out)
        self.learner.model.train()
        self.evaluation = mean_values(rows)
        self.journal.evaluation(done, self.evaluation, self.seconds)
        best = self.folder.best_manifest()
        if self.evaluation.get("loss", math.inf) < (best.evaluation["loss"] if best else math.inf):
            save(self.folder.checkpoints / BEST, self._manifest(done), self.learner.states(with_optimizer=False), rows)

    def _save(self, done: int) -> None:
        save(self.folder.step(done), self._manifest(done), self.learner.states())
        self.folder.keep(self.config.execution.keep_checkpoints, done)

    def _manifest(self, done: int) -> Manifest:
        at_once = min(max(1, row.micro_batch) for row in self.micro_batches.rows)
        execution = {**self.config.execution.model_dump(), "micro_batch": at_once}
        numerics = self.config.numerics.model_dump()
        versions = package_versions()
        return Manifest(
            config=self.task.config.model_dump(mode="json"),
            fingerprint=self.fingerprint,
            execution=execution,
            numerics=numerics,
            step=done,
            cursor=asdict(stage_of(self.stages, done).cursor(done)),
            seconds=self.seconds,
            evaluation=self.evaluation,
            versions=versions,
            stretches=[*self.stretches, Stretch(self.first + 1, done, self.device.name, execution, numerics, versions)],
        )


def _stages(task: Task[Any, Any, Any], examples: Examples[Any]) -> list[Stage]:
    """The stages of a task's curriculum; one without a bound where it has none. Raises ConfigError for a bad one."""
    curriculum: Sequence[tuple[int, int | None]] = task.curriculum() or [(0, None)]
    lengths, config = task.lengths(examples), task.config
    firsts = [first for first, _ in curriculum]
    if firsts[0] != 0 or firsts != sorted(set(firsts)):
        raise ConfigError(f"a curriculum begins at step 0 and goes on, and this has {firsts}", "monosome explain data")
    return [
        Stage(
            first,
            limit,
            Batches(
                lengths if limit is None else [min(length, limit) for length in lengths],
                config.train.batch_size,
                stage_seed(config.seed, first),
                task.weights(examples, limit),
            ),
        )
        for first, limit in curriculum
    ]
