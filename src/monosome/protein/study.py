"""The whole study of a teacher's students: temperature, then alpha, then a control, then every size and its decision.

Each arm has the same budget in tokens, the same learning rate and the same warm-up as those it is compared with. What
is finished is never done again: the same call goes on, and several processes share one folder.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monosome.atomic import write_text
from monosome.config import build, override, read_recipe, toml_value
from monosome.errors import ConfigError
from monosome.evaluate.rows import as_json, measures
from monosome.protein.corpus import corpus
from monosome.protein.decisions import MAX_RATIO, Report, decide
from monosome.protein.evaluation import gap_closed
from monosome.protein.pretrained import load_language_model, locate
from monosome.protein.recipe import ProteinConfig
from monosome.protein.report import judge
from monosome.protein.task import DistillationTask
from monosome.protein.tokens import has_tokenizer, load_tokenizer, require_same_entries
from monosome.sweep.claims import share
from monosome.sweep.grid import Sweep, trial_name
from monosome.sweep.results import SweepResult
from monosome.sweep.trials import run_sweep
from monosome.train.loop import Outcome, Trainer
from monosome.train.precision import autocast, process_settings

TEMPERATURE, ALPHA = "loss.temperature", "loss.alpha"
TEMPERATURES = (1.0, 2.0, 4.0, 6.0, 8.0, 10.0)
ALPHAS = (0.1, 0.3, 0.5, 0.7, 0.9)
FIRST_ALPHA = 0.5
"""Alpha while temperatures are compared."""
NO_TEACHER = 1.0
"""The alpha of the control: cross-entropy alone. Its teacher is there to be compared with."""
SIZES = tuple(MAX_RATIO)
SMALLEST = SIZES[0]
"""The size that settings are chosen with: it trains fastest."""
OWN = ("loss.teacher", TEMPERATURE, ALPHA, "data.proportion", "train.steps", "seed")
"""Settings that the study gives."""
MAX_WARMUP = 200
"""Steps of the recipes' warm-up; a study of few steps warms up for a twentieth of them."""

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Budget:
    """Share of the training proteins, and passes over it."""

    proportion: float
    epochs: float


FULL = Budget(0.1, 3.0)
SHORT = Budget(0.05, 2.0)
"""What temperature and alpha are chosen with when time is short; what is chosen is still trained with the full one."""


@dataclass(frozen=True)
class Study:
    """What is studied, and in which folder; `settings` are "key=value" over the recipes of all sizes.

    `existing` is the place of the model that is there, with {size} in it where there is one for each size.
    """

    teacher: str
    folder: Path
    settings: Sequence[str] = ()
    short: bool = False
    num_seeds: int = 3
    existing: str = ""
    progress: bool = True

    @property
    def budget(self) -> Budget:
        """What temperature and alpha are chosen with."""
        return SHORT if self.short else FULL

    def check(self) -> None:
        """Raise ConfigError for a setting that is the study's own or does not exist."""
        taken = [key for each in self.settings if (key := each.partition("=")[0].strip()) in OWN]
        if taken:
            raise ConfigError(f"the study itself sets {', '.join(taken)}", "monosome train takes single settings")
        for size in SIZES:
            self.task(size, {})

    def task(self, size: str, settings: Settings) -> DistillationTask:
        """The task of a size with these settings."""
        ours = [f"{key}={toml_value(value)}" for key, value in {"loss.teacher": self.teacher, **settings}.items()]
        values = override(read_recipe(f"protein/{size}"), [*self.settings, *ours])
        return DistillationTask(build(ProteinConfig, values))

    def budgeted(self, size: str, budget: Budget) -> dict[str, Any]:
        """Settings that give a size this budget: proportion, steps, warm-up."""
        proportion = {"data.proportion": budget.proportion}
        task = self.task(size, proportion)
        blocks = len(corpus(task.source, "train", task.tokenizer))
        steps = max(1, math.ceil(budget.epochs * blocks / task.config.train.batch_size))
        own_warmup = any(each.startswith("optim.warmup_steps") for each in self.settings)
        warmup = {} if own_warmup else {"optim.warmup_steps": min(MAX_WARMUP, steps // 20)}
        return {**proportion, "train.steps": steps, **warmup}

    def run_folder(self, size: str, config: ProteinConfig) -> Path:
        """Where a run lies: stages that want the same one share it."""
        layers, heads, width = config.model.num_layers, config.model.num_heads, config.model.width
        settings = {
            "T": config.loss.temperature,
            "alpha": config.loss.alpha,
            "proportion": config.data.proportion,
            "seed": config.seed,
            "model": f"{size}-{layers}-{heads}-{width}",
        }
        return self.folder / "runs" / trial_name(settings)


@dataclass(frozen=True)
class StudyResult:
    """The sweeps, and for each size the attempts in order: settings, run, figures with intervals, decision."""

    study: Study
    temperature: SweepResult
    alpha: SweepResult
    control: SweepResult
    sizes: Mapping[str, Sequence[Mapping[str, Any]]]

    @property
    def chosen(self) -> Settings:
        """The temperature and the alpha that won."""
        return _won(self.alpha)


def run_study(study: Study) -> StudyResult:
    """Every stage, those that the folder holds no result of trained.

    Raises DataError where the teacher is no better than the token unigram, before anything is trained, and ConfigError
    where every trial of a stage failed or the folder holds another study.
    """
    study.check()
    _same_study(study)
    _share(study, ["teacher"], partial(_judge_teacher, study))
    temperature = _sweep(study, "temperature", study.budget, {TEMPERATURE: TEMPERATURES, ALPHA: [FIRST_ALPHA]})
    best = _won(temperature)
    alpha = _sweep(study, "alpha", study.budget, {TEMPERATURE: [best[TEMPERATURE]], ALPHA: ALPHAS})
    best = _won(alpha)
    both = {TEMPERATURE: [best[TEMPERATURE]], ALPHA: [best[ALPHA], NO_TEACHER], "seed": range(study.num_seeds)}
    control = _sweep(study, "control", FULL, both)
    _share(study, SIZES, partial(_settle, study, best))
    sizes = {size: json.loads(_result_file(study, size).read_text(encoding="utf-8")) for size in SIZES}
    return StudyResult(study, temperature, alpha, control, sizes)


def _same_study(study: Study) -> None:
    definition = json.dumps([study.teacher, *study.settings, study.short, study.num_seeds, study.existing])
    file = study.folder / "study.json"
    if not file.exists():
        write_text(file, definition)
    elif file.read_text(encoding="utf-8") != definition:
        raise ConfigError(f"{study.folder} holds another study", "give another folder with --out")


def _result_file(study: Study, stage: str) -> Path:
    return study.folder / "results" / f"{stage}.json"


def _share(study: Study, stages: Sequence[str], work: Callable[[str], object]) -> None:
    """The result of each stage in its file, whoever computes it."""

    def write(stage: str) -> None:
        write_text(_result_file(study, stage), json.dumps(work(stage), indent=1) + "\n")

    share(stages, study.folder / "claims", lambda stage: _result_file(study, stage).exists(), write)


def _sweep(study: Study, name: str, budget: Budget, grid: Mapping[str, Sequence[Any]]) -> SweepResult:
    settings = {"loss.teacher": study.teacher, **study.budgeted(SMALLEST, budget)}
    values = {
        "recipe": f"protein/{SMALLEST}",
        "objective": "perplexity_ratio",
        "settings": {**override({}, study.settings), **settings},
        "grid": {key: list(choices) for key, choices in grid.items()},
    }
    return run_sweep(Sweep.model_validate(values), study.folder / name, partial(_run_trial, study))


def _won(result: SweepResult) -> Settings:
    if result.winner is None:
        reasons = "; ".join(dict.fromkeys(trial.failure for trial in result.trials))
        raise ConfigError(f"no trial succeeded: {reasons}", "take its folder out of the study to try again")
    return {key: result.winner.settings[key] for key in (TEMPERATURE, ALPHA)}


def _run_trial(study: Study, assignments: Sequence[str], _: Path) -> dict[str, float]:
    """What a trained trial reaches on held-out proteins; the run lies where every stage finds it."""
    task = DistillationTask(build(ProteinConfig, override(read_recipe(f"protein/{SMALLEST}"), assignments)))
    rows = _trained(study, SMALLEST, task).rows
    closed = gap_closed(rows)
    figures = {measure.metric.name: measure.interval.value for measure in measures(rows, task.metrics)}
    return {**figures, **({"gap_closed": closed.value} if closed else {})}


def _trained(study: Study, size: str, task: DistillationTask) -> Outcome:
    outcome = _trainer(study, size, task).fit()
    if outcome.interrupted:
        raise SystemExit(130)  # as Ctrl-C ends a command; the next call goes on with this run
    return outcome


def _trainer(study: Study, size: str, task: DistillationTask) -> Trainer:
    return Trainer(task, study.run_folder(size, task.config), progress=study.progress)


def _judge_teacher(study: Study, _: str) -> Report:
    """The teacher's own figures; what is no better than the unigram is refused here."""
    task = study.task(SMALLEST, {"data.proportion": FULL.proportion})
    teacher = task.teacher
    assert teacher is not None
    return _judged(_trainer(study, SMALLEST, task), task, teacher)


def _settle(study: Study, best: Settings, size: str) -> list[Report]:
    """Every attempt at a size until a decision needs no other, with its decision; what is released is exported."""
    model = study.task(size, {}).config.model
    dimensions = {f"model.{key}": getattr(model, key) for key in ("num_layers", "num_heads", "width", "positions")}
    existing = _judge_existing(study, size)
    settings: Settings = {**best, **dimensions, "data.proportion": FULL.proportion, "seed": 0}
    attempts: list[Report] = []
    while True:
        budget = Budget(settings["data.proportion"], FULL.epochs)
        task = study.task(size, {**settings, **study.budgeted(size, budget)})
        run = _trained(study, size, task).folder
        trainer = _trainer(study, size, task)
        trainer.use_best()
        report = _judged(trainer, task, trainer.model)
        decision = decide(report, existing, size, settings)
        attempts.append({"run": str(run), "settings": settings, **report, "decision": asdict(decision)})
        if decision.action == "release":
            task.export(trainer.model, str(study.folder / "models" / size))
        if decision.action != "retrain":
            return attempts
        settings = decision.settings


def _judge_existing(study: Study, size: str) -> Report | None:
    if not study.existing:
        return None
    place = study.existing.replace("{size}", size)
    task = study.task(size, {"data.proportion": FULL.proportion})
    if has_tokenizer(locate(place)):
        require_same_entries(load_tokenizer(locate(place)), task.tokenizer)
    return _judged(_trainer(study, size, task), task, load_language_model(place))


def _judged(trainer: Trainer, task: DistillationTask, model: nn.Module) -> Report:
    """What `monosome evaluate --json` says of the model on the study's held-out proteins."""
    device, config = trainer.device, trainer.config
    with process_settings(config.execution, config.numerics), autocast(device, config.numerics), torch.no_grad():
        found = judge(task, model.to(device.torch_device).eval(), "valid").evaluation
    return {"metrics": as_json(found.measures), "caveats": list(found.caveats)}
