"""What each saver of memory buys and costs: whole training steps of rna/base at 256 nt, and forward passes at 512.

python benchmarks/bench_savers.py [RECIPE LENGTH]

Peaks are those of PyTorch's CPU allocator, in training in a step that has the optimiser's states, weights included;
times are medians of 3, the sides in turn in one process. States that leave a card change nothing on a CPU: there the
time is measured, and the card's peak is traced. Writes benchmarks/savers.json.
"""

import sys
import time
from statistics import median
from typing import Any

import torch
from report import write_report

from monosome.commands.domain import task_for
from monosome.config import fill_auto, override, read_recipe
from monosome.fit.allocations import cpu_allocations, mark
from monosome.fit.estimate import Step, training_step
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset_named
from monosome.train.savers import recomputed, work_in_pieces
from monosome.train.step import Learner, MicroBatch

RECIPE, LENGTH, NUM_TIMED = "rna/base", 256, 3
SIDES = {
    "off": [],
    "checkpoint_blocks": ["execution.checkpoint_blocks=true"],
    "rows_at_once": ["execution.rows_at_once=32"],
    "checkpoint_blocks + rows_at_once": ["execution.checkpoint_blocks=true", "execution.rows_at_once=32"],
    "offload_optimizer": ["execution.offload_optimizer=true"],
}


class Side:
    """A learner with one saver on."""

    def __init__(self, recipe: str, length: int, settings: list[str]) -> None:
        task = task_for(override(read_recipe(recipe), settings))
        self.config = fill_auto(task.config, preset_named("cpu").values())
        self.learner = Learner(task, task.model().train(), self.config, detect("cpu"))
        self.blocks = task.blocks(self.learner.model)
        self.batch = task.collate([task.dummy(length)])
        self.seconds: list[float] = []

    def step(self, number: int) -> None:
        """One step, timed."""
        with recomputed(self.blocks, bool(self.config.execution.checkpoint_blocks)):
            started = time.perf_counter()
            self.learner.step(number, [MicroBatch(self.batch, 0)]).read()
            self.seconds.append(time.perf_counter() - started)

    def peak_bytes(self) -> int:
        """The peak of a step, with weights and states."""
        states = [state for each in self.learner.optimizers for state in each.state.values()]
        held = sum(value.nbytes for state in states for value in state.values() if isinstance(value, torch.Tensor))
        held += sum(tensor.nbytes for tensor in self.learner.model.state_dict().values())
        with cpu_allocations() as found:
            mark("step")
            self.step(20)
        return held + found.peaks_between_marks()[-1]


def trained(recipe: str, length: int) -> dict[str, Any]:
    """Peak and time of a training step with each saver, beside those of none."""
    sides = {name: Side(recipe, length, settings) for name, settings in SIDES.items()}
    for number in range(NUM_TIMED + 1):  # the first makes the states
        for name, side in sides.items():
            side.step(number)
            print(number, name, round(side.seconds[-1], 1), file=sys.stderr)
    peaks = {name: side.peak_bytes() for name, side in sides.items()}
    seconds = {name: median(side.seconds[1 : NUM_TIMED + 1]) for name, side in sides.items()}
    return {"recipe": recipe, "length": length, **_ratios(peaks, seconds)}


def predicted(recipe: str, length: int) -> dict[str, Any]:
    """Peak and time of a forward pass without gradients, all rows of pairs at once and few."""
    task = task_for(read_recipe(recipe))
    model, batch = task.model().eval(), task.collate([task.dummy(length)])
    held = sum(tensor.nbytes for tensor in model.state_dict().values())
    peaks, seconds = dict[str, int](), dict[str, list[float]]()
    with torch.no_grad():
        for turn in range(NUM_TIMED + 1):
            for name, num_rows in {"off": 0, "rows_at_once": 32}.items():
                work_in_pieces(model, num_rows)
                if not turn:
                    with cpu_allocations() as found:
                        mark("forward")
                        task.forward(model, batch)
                    peaks[name] = held + found.peaks_between_marks()[-1]
                    continue
                started = time.perf_counter()
                task.forward(model, batch)
                seconds.setdefault(name, []).append(time.perf_counter() - started)
    times = {name: median(each) for name, each in seconds.items()}
    return {"recipe": recipe, "length": length, **_ratios(peaks, times)}


def traced_on_a_card(recipe: str, length: int) -> dict[str, Any]:
    """Peak of a step with recomputed blocks on a card with its states there, and with them in main memory."""
    peaks = {}
    for name in ("off", "offload_optimizer"):
        task = task_for(override(read_recipe(recipe), ["execution.checkpoint_blocks=true", *SIDES[name]]))
        config = fill_auto(task.config, preset_named("rtx-4070-ti-super").values())
        peaks[name] = training_step(task, config, Step(length, 1)).peak_bytes
    return {"recipe": recipe, "length": length, **_ratios(peaks, {})}


def _ratios(peaks: dict[str, int], seconds: dict[str, float]) -> dict[str, Any]:
    return {
        "peak_gib": {name: round(size / 2**30, 3) for name, size in peaks.items()},
        "peak_ratio": {name: round(size / peaks["off"], 3) for name, size in peaks.items()},
        "time_ratio": {name: round(each / seconds["off"], 3) for name, each in seconds.items()},
    }


def main() -> None:
    """Measure all sides."""
    torch.set_num_threads(1)
    recipe, length = (sys.argv[1], int(sys.argv[2])) if len(sys.argv) > 2 else (RECIPE, LENGTH)
    figures = {
        "training": trained(recipe, length),
        "prediction": predicted(recipe, 2 * length),
        "training_on_a_card_traced": traced_on_a_card(recipe, length),
    }
    write_report(__file__, figures)


if __name__ == "__main__":
    main()
