"""The peak memory that monosome.fit.estimate traces from shapes, beside what PyTorch's CPU allocator was asked for.

    python benchmarks/bench_estimate.py

Every point runs its real step twice on the CPU in a process of its own; the second step, which has the optimiser's
states, is what counts. `measured` is the peak of the allocator's events, `resident` how much the process grew to at
most (Linux VmHWM), which has the C runtime's and oneDNN's memory as well, and the profiler's own.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from report import write_report

from monosome.commands.domain import task_for
from monosome.config import Config, fill_auto, override, read_recipe
from monosome.fit.allocations import cpu_allocations, mark
from monosome.fit.estimate import AnyTask, Estimate, Step, prediction, training_step
from monosome.hardware.counters import peak_memory_bytes, reset_peak_memory
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset_named
from monosome.protein.recipe import GPT2Config
from monosome.protein.student import build_student
from monosome.train.precision import autocast
from monosome.train.savers import recomputed
from monosome.train.step import Learner, MicroBatch

RECOMPUTED, BF16 = "execution.checkpoint_blocks=true", "numerics.precision=bf16"
TEACHER = "loss.teacher=TEACHER"
NEVER = 10**6
"""More steps than any recipe has."""


@dataclass(frozen=True)
class Point:
    """A step of a recipe with settings."""

    recipe: str
    settings: tuple[str, ...]
    step: Step
    predicts: bool = False


def _points() -> Iterator[Point]:
    def train(recipe: str, length: int, micro_batch: int, *settings: str, accumulates: bool = False) -> Point:
        return Point(recipe, settings, Step(length, micro_batch, accumulates))

    yield train("rna/micro", 40, 1)
    yield train("rna/micro", 64, 4)
    yield train("rna/micro", 64, 4, RECOMPUTED)
    yield train("rna/micro", 64, 4, BF16)
    yield train("rna/micro", 96, 2, accumulates=True)
    yield train("rna/micro", 128, 2)
    yield train("rna/micro", 128, 2, RECOMPUTED, BF16)
    yield train("rna/micro", 96, 2, f"optim.frozen_until.trunk={NEVER}")
    yield train("rna/micro", 64, 2, "model.triangle_attention=true", "model.num_recycles=2")
    yield train("rna/micro", 64, 2, "optim.name=lion", "loss.balance=gradient_norm")
    yield train("rna/small", 64, 2)
    yield train("rna/small", 96, 2, BF16)
    yield train("rna/small", 64, 4, RECOMPUTED, accumulates=True)
    yield Point("rna/small", (), Step(128, 1), predicts=True)
    yield Point("rna/small", (BF16,), Step(192, 1), predicts=True)
    yield train("protein/micro", 128, 8)
    yield train("protein/micro", 256, 8, RECOMPUTED)
    yield train("protein/micro", 256, 4, f'optim.frozen_until={{"transformer.h" = {NEVER}}}', accumulates=True)
    yield train("protein/tiny", 256, 2)
    yield train("protein/tiny", 512, 2, BF16)
    yield train("protein/tiny", 512, 4, RECOMPUTED, accumulates=True)
    yield train("protein/tiny", 256, 4, "optim.name=muon")
    yield train("protein/tiny", 256, 4, "train.ema_decay=0.99", "data.vocab_size=4096")
    yield train("protein/tiny", 256, 2, TEACHER)
    yield train("protein/tiny", 512, 2, TEACHER, BF16, RECOMPUTED)
    yield train("protein/small", 256, 2, TEACHER, "loss.alpha=0.9", accumulates=True)
    yield Point("protein/small", (), Step(512, 4), predicts=True)


def _measured(task: AnyTask, config: Config, point: Point) -> dict[str, Any]:
    """Peak bytes of the second step, by the allocator and by the kernel's count of this process."""
    device, step = detect("cpu"), point.step
    batch = task.collate([task.dummy(step.length)] * step.micro_batch)
    frozen = task.frozen()
    held = sum(weight.nbytes for weight in frozen.parameters()) if frozen else 0
    resident = peak_memory_bytes(device.torch_device)
    reset_peak_memory(device.torch_device)
    started = time.perf_counter()
    with cpu_allocations() as found:
        if point.predicts:
            model = task.model().eval()
            mark("step")
            with torch.no_grad(), autocast(device, config.numerics):
                task.forward(model, batch)
        else:
            learner = Learner(task, task.model().train(), config, device)
            blocks, enabled = task.blocks(learner.model), bool(config.execution.checkpoint_blocks)
            for number in range(2):
                mark("step")
                with recomputed(blocks, enabled):
                    learner.step(number, [MicroBatch(batch, 0)] * (2 if step.accumulates else 1))
    return {
        "measured": held + found.peaks_between_marks()[-1],
        "resident": held + peak_memory_bytes(device.torch_device) - resident,
        "seconds": round(time.perf_counter() - started, 1),
    }


def _in_a_process(task: AnyTask, config: Config, point: Point) -> dict[str, Any]:
    reader, writer = os.pipe()
    if not (child := os.fork()):
        os.write(writer, json.dumps(_measured(task, config, point)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    os.waitpid(child, 0)
    return found


def _row(point: Point, teacher: str) -> dict[str, Any]:
    settings = [each.replace("TEACHER", teacher) for each in point.settings]
    task = task_for(override(read_recipe(point.recipe), settings))
    config = fill_auto(task.config, preset_named("cpu").values())
    started = time.perf_counter()
    found: Estimate = (prediction if point.predicts else training_step)(task, config, point.step)
    traced = round(time.perf_counter() - started, 1)
    measured = _in_a_process(task, config, point)
    return {
        "recipe": point.recipe,
        "settings": [*point.settings, *(["prediction"] if point.predicts else [])],
        **vars(point.step),
        "estimated": found.peak_bytes,
        **measured,
        "error_percent": round(100 * (found.peak_bytes / measured["measured"] - 1), 1),
        "parts": dict(found.parts),
        "traced_seconds": traced,
    }


def main() -> None:
    """Write the table of errors."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("MONOSOME_CACHE", str(Path(folder) / "cache"))
        tokenizer = task_for(read_recipe("protein/tiny")).tokenizer  # type: ignore[attr-defined]
        teacher = build_student(GPT2Config(num_layers=8, num_heads=8, width=512), tokenizer.vocab_size, seed=1)
        teacher.save_pretrained(Path(folder) / "teacher")  # type: ignore[operator]
        tokenizer.save(Path(folder) / "teacher")
        rows = []
        for point in _points():
            rows.append(_row(point, str(Path(folder) / "teacher")))
            print(rows[-1], file=sys.stderr)
    errors = [abs(row["error_percent"]) for row in rows]
    summary = {
        "num_points": len(rows),
        "mean_error_percent": round(mean(errors), 2),
        "worst_error_percent": max(errors),
        "within_15_percent": sum(error <= 15 for error in errors),
    }
    write_report(__file__, {"command": "python benchmarks/bench_estimate.py", **summary, "points": rows})


if __name__ == "__main__":
    main()
