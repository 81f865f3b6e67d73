"""What is a start from the teacher worth? Students of a stand-in teacher, begun at random and as a reduced teacher.

python benchmarks/bench_inheritance.py TEACHER PROTEINS [STEPS]

TEACHER is a GPT-2 with its tokenizer (a run of `monosome train`, at least twice as deep and wide as 3 blocks of 64
channels), PROTEINS its FASTA file or folder. Both arms see the same blocks in the same order at each of two learning
rates; the better one of each counts. Writes benchmarks/inheritance.json.
"""

import math
import os
import sys
from typing import Any

import numpy as np
import torch
from report import write_report
from torch import nn

from monosome.config import build, override, read_recipe
from monosome.evaluate.intervals import interval
from monosome.protein.inheritance import NUM_BLOCKS, inherit
from monosome.protein.recipe import ProteinConfig
from monosome.protein.task import DistillationTask
from monosome.task import mean_values

BATCH, LEARNING_RATES, WARM_UP = 8, (2e-3, 6e-3), 20
SETTINGS = [
    "model.num_layers=3",
    "model.num_heads=4",
    "model.width=64",
    "model.positions=256",
    "data.block_length=256",
    "data.max_valid=100",
    "data.proportion=0.2",
    "loss.temperature=1",
    "loss.alpha=0.5",
    "execution.device=cpu",
]


def student(task: DistillationTask, start: str) -> nn.Module:
    """A network drawn at random, or a reduced teacher."""
    model, examples = task.model(), task.examples("train")
    if start == "teacher":
        blocks = [task.collate([examples[place * len(examples) // NUM_BLOCKS]]) for place in range(NUM_BLOCKS)]
        inherit(model, task.frozen(), [(each.tokens, each.segments, each.positions) for each in blocks])
    return model


def held_out(task: DistillationTask, model: nn.Module) -> dict[str, float]:
    """Nats per token and KL on held-out proteins."""
    rows = task.evaluate(model.eval(), task.examples("valid"))
    means, loss = mean_values(rows), interval(rows, "loss")
    assert loss is not None
    names = ("loss", "kl", "teacher_nll", "unigram_nll")
    return {**{name: round(means[name], 4) for name in names}, "low": loss.low or 0.0, "high": loss.high or 0.0}


def learn(task: DistillationTask, model: nn.Module, steps: int, rate: float) -> dict[str, Any]:
    """Held-out figures by the number of tokens learned from, on a cosine after a warm-up."""
    examples = task.examples("train")
    order = np.random.default_rng(0).permutation(len(examples))
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=0.1)
    points, tokens = {0: held_out(task, model)}, 0
    for step in range(steps):
        for group in optimizer.param_groups:
            cosine = 0.05 + 0.95 * (1 + math.cos(math.pi * step / steps)) / 2
            group["lr"] = rate * min(1, (step + 1) / WARM_UP) * cosine
        batch = task.collate([examples[int(index)] for index in order[step * BATCH : (step + 1) * BATCH]])
        loss = task.loss(task.forward(model.train(), batch), batch)
        optimizer.zero_grad()
        (loss.weighted(task.config.loss.weights()) / loss.count).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        tokens += int(loss.count)
        if (step + 1) % (steps // 4) == 0:
            points[tokens] = held_out(task, model)
    return points


def main() -> None:
    """Train both arms and write."""
    os.environ.update(OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    steps = int(sys.argv[3]) if len(sys.argv) > 3 else 200
    settings = [*SETTINGS, f"loss.teacher={sys.argv[1]}", f"data.path={sys.argv[2]}"]
    task = DistillationTask(build(ProteinConfig, override(read_recipe("protein/micro"), settings)))
    arms: dict[str, Any] = {}
    for start in ("random", "teacher"):
        found = {rate: learn(task, student(task, start), steps, rate) for rate in LEARNING_RATES}
        best = min(found, key=lambda rate: list(found[rate].values())[-1]["loss"])
        arms[start] = {"learning_rate": best, "by_tokens": found[best]}
    last = list(arms["random"]["by_tokens"].values())[-1]["loss"]
    reached = [tokens for tokens, point in arms["teacher"]["by_tokens"].items() if point["loss"] <= last]
    write_report(
        __file__,
        {
            "student": SETTINGS[:3],
            "steps": steps,
            "blocks_per_step": BATCH,
            "arms": arms,
            "random_ends_at_nats": last,
            "teacher_start_is_there_after_tokens": min(reached, default=None),
        },
    )


if __name__ == "__main__":
    main()
