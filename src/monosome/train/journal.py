"""What a run says while it runs: metrics.jsonl, a progress bar on stderr, and TensorBoard or W&B where asked for."""

import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from monosome.atomic import write_text
from monosome.config import Config
from monosome.errors import ConfigError

FILE = "metrics.jsonl"
Line = dict[str, Any]


@dataclass(frozen=True)
class StepLine:
    """One step in numbers: `loss` and `terms` are means per unit of the task over that step's examples alone.

    `weights` are what the terms count in this step.

    `units_per_second` is the rate since the line before, evaluations and checkpoints left out; `seconds` counts from
    the start of the run over all its stretches; `memory_bytes` is the most that this process has held at once.
    """

    step: int
    loss: float
    terms: Mapping[str, float]
    weights: Mapping[str, float]
    learning_rate: float
    grad_norm: float
    units_per_second: float
    seconds: float
    memory_bytes: int


def read_journal(folder: Path) -> list[Line]:
    """The whole lines of a run's metrics.jsonl, in order: steps (with "loss") and evaluations (with "evaluation").

    A last line that a kill cut short is left out.
    """
    file = folder / FILE
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


class Journal:
    """The record of a run from `step` on, once entered: lines of metrics.jsonl past that step are dropped, atomically.

    Entering raises ConfigError when TensorBoard or W&B is asked for and not installed.
    """

    def __init__(self, folder: Path, config: Config, fingerprint: str, step: int, *, progress: bool) -> None:
        self._folder, self._config, self._fingerprint, self._step = folder, config, fingerprint, step
        self._bar = _Bar(config.train.steps, step) if progress else None

    def __enter__(self) -> "Journal":
        self._writers = _writers(self._folder, self._config, self._fingerprint, self._step)
        kept = [line for line in read_journal(self._folder) if line["step"] <= self._step]
        write_text(self._folder / FILE, "".join(map(_text, kept)))
        self._file: TextIO = (self._folder / FILE).open("a", encoding="utf-8")
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        for writer in self._writers:
            writer.close()
        if self._bar:
            self._bar.close()

    def advance(self, step: int, loss: float, units_per_second: float) -> None:
        """Show that a step is done."""
        if self._bar:
            self._bar.advance(step, loss, units_per_second)

    def step(self, line: StepLine) -> None:
        """Write a step's line."""
        values = asdict(line)
        numbers = {name: value for name, value in values.items() if name not in ("step", "terms", "weights")}
        terms = {f"terms/{name}": value for name, value in line.terms.items()}
        terms |= {f"weights/{name}": value for name, value in line.weights.items()}
        self._write(values, {f"train/{name}": value for name, value in {**numbers, **terms}.items()})
        if self._bar:
            self._bar.report(f"step {line.step}: loss {line.loss:.4g}, {line.units_per_second:,.0f} units/s")

    def evaluation(self, step: int, values: Mapping[str, float], seconds: float) -> None:
        """Write the mean values on held-out data."""
        line = {"step": step, "evaluation": dict(values), "seconds": seconds}
        self._write(line, {f"valid/{name}": value for name, value in values.items()})
        if self._bar:
            self._bar.report(f"step {step}: held-out loss {values.get('loss', math.nan):.4g}")

    def say(self, text: str) -> None:
        """Say something on stderr, above the bar; whatever `progress` is."""
        (self._bar.console if self._bar else Console(stderr=True)).print(
            text, highlight=False, markup=False, soft_wrap=True
        )

    def _write(self, line: Line, numbers: Mapping[str, float]) -> None:
        self._file.write(_text(line))
        self._file.flush()
        for writer in self._writers:
            writer.write(line["step"], numbers)


class _Bar:
    """A progress bar in a terminal; in a log file, where a bar would be a mess, a line for each line of the journal."""

    def __init__(self, steps: int, done: int) -> None:
        self.console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("loss {task.fields[loss]:.4g}  {task.fields[rate]:,.0f} units/s "),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task = self._progress.add_task("", total=steps, completed=done, loss=math.nan, rate=0.0)
        self._loss = math.nan
        self._steps, self._first, self._done = steps, done, done

    def start(self) -> None:
        self._started = time.monotonic()
        self._progress.start()

    def advance(self, step: int, loss: float, rate: float) -> None:
        # Shown over about the last 20 steps: a single batch's loss jumps too much to be read.
        self._loss = loss if math.isnan(self._loss) else self._loss + (loss - self._loss) / 20
        self._done = step
        self._progress.update(self._task, completed=step, loss=self._loss, rate=rate)

    def report(self, text: str) -> None:
        if not self.console.is_terminal:
            left = f"{self._left()} left of {self._steps} steps"
            self.console.print(f"{text}, {left}", highlight=False, markup=False, soft_wrap=True)

    def _left(self) -> str:
        pace = (time.monotonic() - self._started) / max(1, self._done - self._first)
        return time.strftime("%H:%M:%S", time.gmtime(pace * (self._steps - self._done)))

    def close(self) -> None:
        self._progress.stop()


class _TensorBoard:
    def __init__(self, folder: Path, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise _not_installed("execution.tensorboard", "tensorboard") from error
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _WeightsAndBiases:
    def __init__(self, folder: Path, config: Config, fingerprint: str) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # its crash reports leave this machine even offline
        try:
            import wandb
        except ImportError as error:
            raise _not_installed("execution.wandb", "wandb") from error
        self._run = wandb.init(
            mode=config.execution.wandb,
            project="monosome",
            name=folder.name,
            id=f"{folder.name}-{fingerprint}",
            resume="allow",
            dir=str(folder),
            config=json.loads(config.model_dump_json()),
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


def _writers(folder: Path, config: Config, fingerprint: str, step: int) -> list[_TensorBoard | _WeightsAndBiases]:
    writers: list[_TensorBoard | _WeightsAndBiases] = []
    if config.execution.tensorboard:
        writers.append(_TensorBoard(folder, step))
    if config.execution.wandb != "off":
        writers.append(_WeightsAndBiases(folder, config, fingerprint))
    return writers


def _not_installed(setting: str, package: str) -> ConfigError:
    return ConfigError(f"{setting} needs {package}, which is not installed", 'pip install "monosome[track]"')


def _text(line: Line) -> str:
    """One line of JSON; numbers that JSON has no word for (nan, inf) become null."""
    return json.dumps(_finite(line)) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
