"""What recomputing blocks saves and costs: whole training steps of rna/base at 256 nt, with and without.

python benchmarks/bench_savers.py

Peaks are those of PyTorch's CPU allocator in the second step, which has the optimiser's states, weights included; times
are medians of 3 steps, the two sides in turn in one process. Writes benchmarks/savers.json.
"""

import sys
import time
from statistics import median
from typing import Any

import torch
from report import write_report

from monosome.commands.domain import task_for
from monosome.config import fill_auto, read_recipe
from monosome.fit.allocations import cpu_allocations, mark
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset_named
from monosome.train.savers import recomputed
from monosome.train.step import Learner, MicroBatch

RECIPE, LENGTH, NUM_TIMED = "rna/base", 256, 3


def main() -> None:
    """Measure both sides."""
    torch.set_num_threads(1)
    task, device = task_for(read_recipe(RECIPE)), detect("cpu")
    config = fill_auto(task.config, preset_named("cpu").values())
    learner = Learner(task, task.model().train(), config, device)
    blocks, batch = task.blocks(learner.model), task.collate([task.dummy(LENGTH)])
    seconds: dict[bool, list[float]] = {False: [], True: []}
    peaks: dict[bool, int] = {}
    losses: dict[bool, list[float]] = {False: [], True: []}

    def step(number: int, saves: bool) -> None:
        with recomputed(blocks, saves):
            started = time.perf_counter()
            losses[saves].append(learner.step(number, [MicroBatch(batch, 0)]).read().loss)
            seconds[saves].append(time.perf_counter() - started)
        print(number, saves, round(seconds[saves][-1], 1), file=sys.stderr)

    step(0, saves=True)
    held = sum(tensor.nbytes for tensor in learner.model.state_dict().values()) * 3  # weights, and AdamW's two moments
    for number in range(1, 2 * NUM_TIMED + 1):
        step(number, saves=number % 2 == 0)
    for saves in (False, True):
        with cpu_allocations() as found:
            mark("step")
            step(20, saves)
        peaks[saves] = held + found.peaks_between_marks()[-1]
    off, on = median(seconds[False][:NUM_TIMED]), median(seconds[True][1 : NUM_TIMED + 1])
    figures: dict[str, Any] = {
        "recipe": RECIPE,
        "length": LENGTH,
        "peak_gib": {
            "off": round(peaks[False] / 2**30, 3),
            "execution.checkpoint_blocks": round(peaks[True] / 2**30, 3),
        },
        "peak_ratio": round(peaks[True] / peaks[False], 3),
        "seconds": {"off": round(off, 2), "execution.checkpoint_blocks": round(on, 2)},
        "time_ratio": round(on / off, 3),
    }
    write_report(__file__, figures)


if __name__ == "__main__":
    main()
