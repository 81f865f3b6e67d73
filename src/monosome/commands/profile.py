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
from monosome.fit.profile import PHASES, HotSpot, Measured, Profiler
from monosome.fit.tuning import parsed_lengths
from monosome.hardware.detect import Device, detect
from monosome.hardware.presets import preset
from monosome.train.precision import check, process_settings

MIB = 2**20


@dataclass(frozen=True)
class Profile:
    """Everything that was measured; modules and hot spots are those of the longest examples."""

    device: Device
    counter: str
    steps: Sequence[Measured]
    modules: Mapping[str, int]
    hot_spots: Sequence[HotSpot]


def run(recipe: str, settings: Sequence[str], *, lengths: str, out: Path | None, json: bool) -> None:
    """Measure, write the report, print the figures."""
    found = measure(recipe, settings, parsed_lengths(lengths))
    words = ["monosome", "profile", recipe, *settings, "--lengths", lengths]
    name = Path(recipe).stem if recipe.endswith(".toml") else recipe.replace("/", "-")
    folder = out or Path("results") / f"profile-{name}"
    page = write_report(_report(found, recipe, shlex.join(words)), folder)
    if json:
        print_json({**as_json(found), "report": str(page)})
    else:
        print_table(*_steps(found), title=f"{recipe} on {found.device.name}; memory by {found.counter}")
        print_table(*_hot_spots(found), title=f"\noperations at length {found.steps[-1].length}")
        print(f"\nreport: {page}")


def measure(recipe: str, settings: Sequence[str], lengths: Sequence[int]) -> Profile:
    """The measured profile of a recipe on the device that it asks for, in micro-batches of its preset."""
    task = task_for(override(read_recipe(recipe), settings))
    device = detect(task.config.execution.device)
    config = fill_auto(task.config, preset(device).values())
    check(device, config.numerics)
    size = min(int(config.execution.micro_batch), config.train.batch_size)
    with process_settings(config.execution, config.numerics):
        profiler = Profiler(task, config, device)
        steps = [profiler.measure(length, size) for length in lengths]
        modules = profiler.module_peaks(lengths[-1], size)
        return Profile(device, profiler.counter, steps, modules, profiler.hot_spots(lengths[-1], size))


def as_json(found: Profile) -> dict[str, Any]:
    """The profile for other programs."""
    return {
        "device": found.device.name,
        "memory_by": found.counter,
        "steps": [{**asdict(step), **_rates(step)} for step in found.steps],
        "module_peak_bytes": dict(found.modules),
        "hot_spots": [asdict(spot) for spot in found.hot_spots],
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
        Chapter("Hot spots", "Time in each operation itself, by torch.profiler.", [Table(*_hot_spots(found))]),
    ]
    most = max(found.steps, key=lambda step: max(step.peak_bytes.values()))
    summary = (
        f"{recipe} on {found.device.name}: "
        f"{number(longest.examples_per_second)} examples of {longest.length} per second, "
        f"{number(max(most.peak_bytes.values()) / MIB)} MiB at most."
    )
    return Report(f"Profile of {recipe}", summary, command, chapters, as_json(found))
