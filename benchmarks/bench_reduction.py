"""What heads, blocks and points of invariant point attention cost and give.

    python benchmarks/bench_reduction.py CHAINS [FIRST [STEPS]]

CHAINS is a prepared folder of chains (tools/prepare_betarho.py), FIRST a run whose trunk knows base pairs
(rna/micro-pairs, then rna/micro-natural). Each variant gets that trunk, which stays, and a structure module drawn from
the seed, trains it for STEPS steps by the recipe's third stage, and is scored on the same held-out chains; differences
to the full one are paired by chain, over both seeds, with 95 % intervals by cluster. Beside it the processor's time and
the peak of its training step here, and the peak that is traced for rna/small with such a structure module on a card of
16 GB. Writes benchmarks/reduction.json; with CHAINS alone it measures the costs again and keeps the scores.
"""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from report import write_report

from monosome.config import build, fill_auto, override, read_recipe
from monosome.evaluate.intervals import interval
from monosome.fit.allocations import cpu_allocations, mark
from monosome.fit.estimate import Step, training_step
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset_named
from monosome.rna.recipe import BetaRhoConfig
from monosome.rna.task import BetaRhoTask
from monosome.row import Row
from monosome.train.loop import Trainer
from monosome.train.step import Learner, MicroBatch

KEPT = ("trunk", "embed_single", "embed_pair", "embed_offset", "embed_left", "embed_right", "heads.pairs")
"""Parts of FIRST that every variant has and none changes."""
FULL = {"ipa_heads": 4, "num_ipa_blocks": 4, "num_query_points": 4, "num_value_points": 8}
VARIANTS: dict[str, dict[str, int]] = {
    "full": {},
    "2 heads": {"ipa_heads": 2},
    "3 blocks": {"num_ipa_blocks": 3},
    "2 blocks": {"num_ipa_blocks": 2},
    "query and key points halved": {"num_query_points": 2},
    "value points halved": {"num_value_points": 4},
    "all of it": {"ipa_heads": 2, "num_ipa_blocks": 2, "num_query_points": 2, "num_value_points": 4},
}
SEEDS = (0, 1)
LENGTH, BATCH, ROUNDS = 128, 8, 7
METRICS = ("tm_score", "lddt")


def settings(variant: dict[str, int]) -> list[str]:
    """The variant as settings of a recipe."""
    return [f"model.{key}={value}" for key, value in {**FULL, **variant}.items()]


def task_of(recipe: str, assignments: Sequence[str]) -> BetaRhoTask:
    """The task of a recipe with settings."""
    return BetaRhoTask(build(BetaRhoConfig, override(read_recipe(recipe), list(assignments))))


def third_stage(chains: str, first: str, steps: int) -> list[str]:
    """Settings of the third stage, its trunk frozen."""
    frozen = ", ".join(f'"{part}" = {10**6}' for part in KEPT)
    return [
        f"optim.frozen_until={{{frozen}}}",
        *("loss.pairs=0", "loss.distogram=0", "loss.trace_fape=1", "loss.unclamped_share=0.1"),
        *("optim.learning_rate=1.5e-3", "optim.weight_decay=0.02", "model.dropout=0.15", "train.ema_decay=0.99"),
        *(f"data.path={chains}", f"train.initial={first}", f"train.steps={steps}", "data.crop_length=96"),
        *(f"train.batch_size={BATCH}", "execution.threads=1", "execution.save_every=0", "execution.evaluate_every=0"),
    ]


def trained(assignments: Sequence[str], folder: Path) -> tuple[list[Row], float]:
    """Rows of the held-out chains, and seconds of training."""
    task = task_of("rna/micro-natural", assignments)
    trainer = Trainer(task, folder, progress=False)
    torch.manual_seed(task.config.seed)
    fresh = task.model().state_dict()
    drawn = {name: tensor for name, tensor in fresh.items() if not name.startswith(KEPT)}
    trainer.model.load_state_dict(drawn, strict=False)
    outcome = trainer.fit()
    return outcome.rows, outcome.seconds


def costs(chains: str) -> dict[str, dict[str, float]]:
    """Of each variant: seconds of the processor for a whole training step here, median of rounds in which all take
    turns, and its peak; and the peaks on a card."""
    device, learners, found = detect("cpu"), {}, {name: card_peak(variant) for name, variant in VARIANTS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for name, variant in VARIANTS.items():
        task = task_of("rna/micro-natural", [*third_stage(chains, "", 1), *settings(variant)])
        config = fill_auto(task.config, preset_named("cpu").values())
        learner = Learner(task, task.model().train(), config, device)
        learners[name] = learner, task.collate([task.dummy(LENGTH)] * BATCH)
    for number in range(ROUNDS + 1):
        for name, (learner, batch) in learners.items():
            started = time.process_time()
            learner.step(number, [MicroBatch(batch, 0)])
            seconds[name].append(time.process_time() - started)
    for name, (learner, batch) in learners.items():
        with cpu_allocations() as allocated:
            mark("step")
            learner.step(ROUNDS + 1, [MicroBatch(batch, 0)])
        found[name]["step_seconds"] = round(sorted(seconds[name][1:])[ROUNDS // 2], 3)
        found[name]["step_peak_mib"] = round(allocated.peaks_between_marks()[-1] / 2**20)
    return found


def card_peak(variant: dict[str, int]) -> dict[str, float]:
    """Peak in GiB of a step of rna/small with this structure module on a 16 GB card, 8 examples of 256."""
    task = task_of("rna/small", settings(variant))
    found: dict[str, float] = {}
    for name, recomputed in (("recomputed", True), ("kept", False)):
        config = fill_auto(task.config, preset_named("rtx-4070-ti-super").values())
        execution = config.execution.model_copy(update={"checkpoint_blocks": recomputed})
        estimate = training_step(task, config.model_copy(update={"execution": execution}), Step(256, BATCH))
        found[f"small_{name}_gib"] = round(estimate.peak_bytes / 2**30, 2)
        found["small_parameters"] = estimate.num_parameters
    return found


def with_interval(rows: Sequence[Row], metric: str) -> list[float | None]:
    """Mean and 95 % interval by cluster."""
    found = interval(rows, metric)
    return (
        [round(value, 4) if value is not None else None for value in (found.value, found.low, found.high)]
        if found
        else []
    )


def paired(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Differences chain by chain."""
    return [
        replace(row, values={key: float(row.values[key] or 0) - float(other.values[key] or 0) for key in METRICS})
        for row, other in zip(rows, others, strict=True)
    ]


def scores(chains: str, first: str, steps: int) -> dict[str, Any]:
    """Every variant trained and scored on the held-out chains."""
    stage, scored, figures = third_stage(chains, first, steps), dict[str, list[Row]](), dict[str, Any]()
    for name, variant in VARIANTS.items():
        rows, seconds = [], []
        for seed in SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                found, took = trained([*stage, *settings(variant), f"seed={seed}"], Path(folder) / "run")
            rows += found
            seconds.append(round(took))
        scored[name] = rows
        measured = {metric: with_interval(rows, metric) for metric in (*METRICS, "tm_start", "lddt_start")}
        difference = {f"{metric} - full": with_interval(paired(rows, scored["full"]), metric) for metric in METRICS}
        figures[name] = {**FULL, **variant, **measured, "training_seconds": seconds}
        figures[name] |= difference if name != "full" else {}
        print(name, figures[name], file=sys.stderr)
    num, clusters = len(scored["full"]) // len(SEEDS), len({row.group for row in scored["full"]})
    return {"steps": steps, "seeds": SEEDS, "chains": num, "clusters": clusters, "variants": figures}


def main() -> None:
    """Train, score, compare, write."""
    torch.set_num_threads(1)
    chains, *rest = sys.argv[1:]
    if rest:
        figures = scores(chains, rest[0], int(rest[1]) if len(rest) > 1 else 400)
    else:
        before = json.loads(Path(__file__).with_name("reduction.json").read_text())
        figures = {key: before[key] for key in ("steps", "seeds", "chains", "clusters", "variants")}
    for name, cost in costs(chains).items():
        figures["variants"][name] |= cost
    write_report(__file__, figures)


if __name__ == "__main__":
    main()
