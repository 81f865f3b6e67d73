"""How much of a trained teacher do students of 5, 11 and 27 % of its parameters learn, and from what?

    python benchmarks/bench_students.py --teacher FOLDER --proteins FOLDER --out FOLDER [--steps 55] [--held-out 250]

FOLDER of the teacher is an export of 8 blocks of 256 channels with ProtGPT2's tokenizer. Every arm learns from the same
tokens in the same order and for as many steps: with the teacher (KL at T = 1 beside a tenth of cross-entropy) or by
cross-entropy alone, begun as the reduced teacher or at random. The rate of each start is the better of three after a
third of the steps, judged by the cross-entropy of the last steps. The teacher is asked once for all arms.

An arm that is finished is not done again, and one that was stopped goes on; the report names the arms that are there.
"""

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from report import write_report

from monosome.atomic import write_text
from monosome.config import build, override, read_recipe
from monosome.evaluate.rows import as_json
from monosome.protein.recipe import ProteinConfig
from monosome.protein.report import judge
from monosome.protein.task import DistillationTask
from monosome.train.loop import Trainer
from monosome.train.precision import autocast, process_settings

SIZES = {"tiny": (4, 2, 18), "small": (4, 4, 40), "medium": (4, 4, 96)}
"""Blocks, heads and channels: 4.8, 10.9 and 27.4 % of the teacher's 19.4M parameters."""
RATES = {"teacher": (1e-4, 3e-4, 1e-3), "random": (2e-3, 6e-3, 2e-2)}
"""A start from the teacher bears far smaller steps: at 2e-3 its loss rises from 8.8 to 19 nats with the second."""
GOALS = {"tiny": (0.60, 2.0), "small": (0.75, 1.7), "medium": (0.85, 1.4)}
"""Share of the gap from unigram to teacher at least, and perplexity ratio at most."""
FIGURES = ("gap_closed", "perplexity_ratio", "kl", "log_ratio_minus_kl", "ece", "teacher_ece", "unigram_ece")
LEVELS = ("perplexity", "teacher_perplexity", "unigram_perplexity", "agreement")


@dataclass(frozen=True)
class Arm:
    """A student, what it learns from, and how it begins."""

    size: str
    teaching: str = "teacher"
    start: str = "teacher"
    seed: int = 0

    @property
    def name(self) -> str:
        """Such as tiny_teacher_random_0."""
        return f"{self.size}_{self.teaching}_{self.start}_{self.seed}"


ARMS = (
    *(Arm(size) for size in SIZES),
    Arm("tiny", teaching="none"),
    Arm("tiny", start="random"),
    Arm("medium", teaching="none"),
    Arm("small", teaching="none"),
    *(Arm("tiny", teaching=teaching, seed=seed) for seed in (1, 2) for teaching in ("teacher", "none")),
)


def task(options: argparse.Namespace, arm: Arm, *settings: str) -> DistillationTask:
    """The task of an arm."""
    layers, heads, width = SIZES[arm.size]
    shared = [
        f"seed={arm.seed}",
        f"data.path={options.proteins}",
        f"data.proportion={options.proportion}",
        "data.block_length=512",
        "data.max_valid=4",  # while it trains: arms are judged on more when they are done
        f"model.num_layers={layers}",
        f"model.num_heads={heads}",
        f"model.width={width}",
        "model.positions=512",
        f"model.initial={arm.start}",
        f"loss.teacher={options.teacher}",
        "loss.temperature=1",
        f"loss.alpha={0.1 if arm.teaching == 'teacher' else 1}",
        "optim.name=muon",
        f"optim.warmup_steps={options.steps // 10}",
        f"train.steps={options.steps}",
        "train.batch_size=4",
        "execution.device=cpu",
        "execution.threads=1",
        "execution.cache_teacher=true",
        "execution.checkpoint_blocks=false",
        "execution.micro_batch=4",
        "execution.evaluate_every=0",
        "execution.save_every=10",
        "execution.log_every=1",
        "numerics.precision=bf16",
    ]
    return DistillationTask(build(ProteinConfig, override(read_recipe("protein/micro"), [*shared, *settings])))


def learn(made: DistillationTask, folder: Path) -> Trainer:
    """Train to the end, or from where a run stopped."""
    trainer = Trainer(made, folder, progress=False)
    trainer.fit()
    trainer.use_best()
    return trainer


def chosen_rate(options: argparse.Namespace, start: str) -> float:
    """The rate whose cross-entropy is lowest over the last five of a quarter of the steps."""
    file = options.out / f"rate_{start}.json"
    if not file.exists():
        found = dict[str, float]()
        for rate in RATES[start]:
            short = f"train.steps={options.steps // 4}"
            folder = options.out / "rates" / f"{start}_{rate:g}"
            learn(task(options, Arm("tiny", start=start), f"optim.learning_rate={rate}", short), folder)
            lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
            last = [line["terms"]["hard"] for line in lines if "terms" in line][-5:]
            found[f"{rate:g}"] = sum(last) / len(last)
        write_text(file, json.dumps(found))
    rates: dict[str, float] = json.loads(file.read_text())
    return float(min(rates, key=rates.__getitem__))


def judged(options: argparse.Namespace, trainer: Trainer, arm: Arm, num: int, samples: int = 0) -> dict[str, Any]:
    """Every figure of a student with its interval by cluster."""
    made = task(options, arm, f"data.max_valid={num}")
    config = trainer.config
    with process_settings(config.execution, config.numerics), autocast(trainer.device, config.numerics):
        judgement = judge(made, trainer.model.eval(), "valid", num_samples=samples)
    metrics = as_json(judgement.evaluation.measures)
    return {
        "figures": {name: metrics[name] for name in (*FIGURES, *LEVELS) if name in metrics},
        "composition": judgement.data()["composition"],
    }


def result(options: argparse.Namespace, arm: Arm, rate: float) -> dict[str, Any]:
    """What an arm reaches, computed once."""
    file = options.out / f"{arm.name}.json"
    if not file.exists():
        trainer = learn(task(options, arm, f"optim.learning_rate={rate}"), options.out / "runs" / arm.name)
        num = sum(weight.numel() for weight in trainer.model.parameters())
        found = {"parameters": num, "learning_rate": rate, **judged(options, trainer, arm, options.held_out)}
        write_text(file, json.dumps(found))
    whole: dict[str, Any] = json.loads(file.read_text())
    return whole


def beginning(options: argparse.Namespace) -> dict[str, Any]:
    """The smallest student as it begins from the teacher, before it has learned from any token."""
    file = options.out / "beginning.json"
    if not file.exists():
        trainer = Trainer(task(options, Arm("tiny")), options.out / "beginning", progress=False)
        write_text(file, json.dumps(judged(options, trainer, Arm("tiny"), options.held_out)))
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def report(options: argparse.Namespace, arms: Mapping[str, Any], **more: Any) -> None:
    """The table as far as it goes."""
    goals = {
        size: {"goal": goal, "gap_closed": arms[arm]["figures"]["gap_closed"]["value"]}
        for size, goal in GOALS.items()
        if (arm := Arm(size).name) in arms
    }
    figures = {"steps": options.steps, "tokens": options.steps * 4 * 512, "held_out": options.held_out}
    write_report(__file__, {**figures, "goals": goals, "arms": arms, "missing": len(ARMS) - len(arms), **more})


def main() -> None:
    """Train, judge and write, arm after arm."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("teacher", "proteins", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=55)
    parser.add_argument("--held-out", type=int, default=250)
    parser.add_argument("--proportion", type=float, default=0.01)
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.environ.setdefault("MONOSOME_CACHE", str(options.out / "cache"))
    options.out.mkdir(parents=True, exist_ok=True)
    arms = dict[str, Any]()
    for arm in ARMS:
        arms[arm.name] = result(options, arm, chosen_rate(options, arm.start))
        report(options, arms)
    more = {"beginning": beginning(options)}
    report(options, arms, **more)


if __name__ == "__main__":
    main()
