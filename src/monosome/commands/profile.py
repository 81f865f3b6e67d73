"""`monosome profile`: a recipe's training step measured on this machine, by length, with a report."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monosome.commands.domain import task_for
from monosome.commands.output import print_json, print_table
from monosome.config import fill_auto, override, read_recipe
from monosome.evaluate.figures import bars, curves
from monosome.evaluate.page import Chapter, Picture, Report, Table, write_report
from monosome.evaluate.rows import number
from monosome.evaluate.timeline import Bar, draw_timeline
from monosome.fit.profile import PHASES, HotSpot, Measured, ModuleTime, Profiler
from monosome.fit.timeline import Lifetime, Timeline
from monosome.fit.tuning import parsed_lengths
from monosome.hardware.detect import Device, detect
from monosome.hardware.presets import preset
from monosome.train.precision import check, process_settings

MIB = 2**20
NUM_MODULES = 20
"""Modules that a table shows, those of most time; the JSON has all."""
SNAPSHOT = "memory_snapshot.pickle"


@dataclass(frozen=True)
class Profile:
    """Everything that was measured; all but the steps is of the longest examples. Only CUDA gives a snapshot."""

    device: Device
    counter: str
    steps: Sequence[Measured]
    modules: Mapping[str, int]
    hot_spots: Sequence[HotSpot]
    times: Sequence[ModuleTime]
    timeline: Timeline
    snapshot: Path | None


def run(recipe: str, settings: Sequence[str], *, lengths: str, out: Path | None, json: bool) -> None:
    """Measure, write the report, print the figures."""
    name = Path(recipe).stem if recipe.endswith(".toml") else recipe.replace("/", "-")
    folder = out or Path("results") / f"profile-{name}"
    found = measure(recipe, settings, parsed_lengths(lengths), folder)
    words = ["monosome", "profile", recipe, *settings, "--lengths", lengths]
    page = write_report(_report(found, recipe, shlex.join(words)), folder)
    if json:
        print_json({**as_json(found), "report": str(page)})
    else:
        print_table(*_steps(found), title=f"{recipe} on {found.device.name}; memory by {found.counter}")
        print_table(*_modules(found), title=f"\nmodules at length {found.steps[-1].length}")
        print_table(*_hot_spots(found), title="\noperations")
        print_table(*_blocks(found.timeline), title="\nlargest blocks of memory")
        print(f"\nreport: {page}" + (f"\nsnapshot: {found.snapshot}" if found.snapshot else ""))


def measure(recipe: str, settings: Sequence[str], lengths: Sequence[int], folder: Path) -> Profile:
    """The measured profile of a recipe on the device that it asks for, in micro-batches of its preset.

    A snapshot of the CUDA allocator is written to `folder`.
    """
    task = task_for(override(read_recipe(recipe), settings))
    device = detect(task.config.execution.device)
    config = fill_auto(task.config, preset(device).values())
    check(device, config.numerics)
    size = min(int(config.execution.micro_batch), config.train.batch_size)
    with process_settings(config.execution, config.numerics):
        profiler = Profiler(task, config, device)
        steps = [profiler.measure(length, size) for length in lengths]
        modules = profiler.module_peaks(lengths[-1], size)
        spots, times = profiler.hot_spots(lengths[-1], size)
        held = profiler.timeline(lengths[-1], size)
        snapshot = profiler.snapshot(lengths[-1], size, folder / SNAPSHOT)
        return Profile(device, profiler.counter, steps, modules, spots, times, held, snapshot)


def as_json(found: Profile) -> dict[str, Any]:
    """The profile for other programs."""
    return {
        "device": found.device.name,
        "memory_by": found.counter,
        "steps": [{**asdict(step), **_rates(step)} for step in found.steps],
        "module_peak_bytes": dict(found.modules),
        "hot_spots": [asdict(spot) for spot in found.hot_spots],
        "module_seconds": [asdict(each) for each in found.times],
        "timeline": {**asdict(found.timeline), "peak_bytes": found.timeline.peak_bytes},
        "snapshot": str(found.snapshot) if found.snapshot else None,
    }


def _rates(step: Measured) -> dict[str, float]:
    rate = step.examples_per_second
    return {"examples_per_second": rate, "units_per_second": rate * step.length}


def _steps(found: Profile) -> tuple[list[str], list[list[str]]]:
    columns = ["length", "examples", *(f"{name} s" for name in PHASES), *(f"{name} MiB" for name in PHASES)]
    rows = [
        [
            str(step.length),
            str(step.num_examples),
            *(number(step.seconds[name]) for name in PHASES),
            *(number(step.peak_bytes[name] / MIB) for name in PHASES),
            number(step.examples_per_second),
            number(step.examples_per_second * step.length),
        ]
        for step in found.steps
    ]
    return [*columns, "examples/s", "residues or tokens/s"], rows


def _hot_spots(found: Profile) -> tuple[list[str], list[list[str]]]:
    return ["operation", "calls", "s"], [[s.name, str(s.calls), number(s.seconds)] for s in found.hot_spots]


def _modules(found: Profile) -> tuple[list[str], list[list[str]]]:
    shown = found.times[:NUM_MODULES]
    rows = [[t.name, str(t.calls), number(t.forward_seconds), number(t.backward_seconds)] for t in shown]
    return ["module", "calls", "forward s", "backward s"], rows


def _blocks(found: Timeline) -> tuple[list[str], list[list[str]]]:
    """The largest blocks of memory, the largest first."""
    rows = [
        [
            number(life.size_bytes / MIB),
            life.module or "–",
            life.operation,
            number(life.made),
            "kept" if life.freed is None else number(life.freed - life.made),
        ]
        for life in sorted(found.largest, key=lambda life: -life.size_bytes)
    ]
    return ["MiB", "module", "made by", "at s", "held for s"], rows


def _drawn(found: Timeline) -> Picture:
    end = max(at for at, _ in found.moments)
    bars = [
        Bar(_called(life), life.made, life.freed or end, f"{number(life.size_bytes / MIB)}") for life in found.largest
    ]
    moments = [(at, held / MIB) for at, held in found.moments]
    phases = [(name, at) for name, at in found.phases if name in PHASES]
    caption = (
        f"Above, all that is held, {number(found.held_bytes / MIB)} MiB of it before the step; below, the "
        f"{len(bars)} largest of {found.num_blocks:,} blocks, their MiB beside them, from being made to being freed."
    )
    return Picture(draw_timeline(moments, phases, bars, y="MiB"), caption, wide=True)


def _called(life: Lifetime) -> str:
    return f"{life.module} · {life.operation}" if life.module else life.operation


def _report(found: Profile, recipe: str, command: str) -> Report:
    longest = found.steps[-1]
    seconds = {name: [(float(s.length), s.seconds[name]) for s in found.steps] for name in PHASES}
    peaks = {name: [(float(s.length), s.peak_bytes[name] / MIB) for s in found.steps] for name in PHASES}
    modules = {name: (peak / MIB, None, None) for name, peak in sorted(found.modules.items(), key=lambda m: -m[1])[:8]}
    modules_text = f"Most bytes held at once while each part ran, at length {longest.length}; the eight largest."
    chapters = [
        Chapter(
            "Time and memory by length",
            f"Memory by {found.counter}: weights, optimiser and all that is live; each figure is of one step.",
            [
                Table(*_steps(found)),
                Picture(curves(seconds, x="length", y="seconds", title="Time"), "Seconds of each phase by length"),
                Picture(curves(peaks, x="length", y="MiB", title="Peak memory"), "Peak of each phase by length"),
            ],
        ),
        Chapter(
            "Peak by module",
            modules_text,
            [Picture(bars(modules, y="MiB", title="Peak by module"), modules_text, wide=True)] if modules else [],
        ),
        Chapter(
            "Blocks of memory over time",
            f"What a step holds at length {longest.length}, by the events of the allocator.",
            [_drawn(found.timeline), Table(*_blocks(found.timeline))],
        ),
        Chapter(
            "Hot spots by module",
            "Time in each module and all within it, by torch.profiler; * is every one of a list. What is recomputed is "
            "backward.",
            [Table(*_modules(found))],
        ),
        Chapter("Hot spots", "Time in each operation itself, by torch.profiler.", [Table(*_hot_spots(found))]),
    ]
    most = max(found.steps, key=lambda step: max(step.peak_bytes.values()))
    summary = (
        f"{recipe} on {found.device.name}: "
        f"{number(longest.examples_per_second)} examples of {longest.length} per second, "
        f"{number(max(most.peak_bytes.values()) / MIB)} MiB at most."
    )
    return Report(f"Profile of {recipe}", summary, command, chapters, as_json(found))
