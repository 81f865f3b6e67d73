"""`monosome plan`: what of a recipe fits on a card that need not be here, how much work it is, what that costs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from monosome.commands.domain import task_for
from monosome.commands.output import print_json, print_table
from monosome.config import Config, fill_auto, override, read_recipe
from monosome.errors import MonosomeError
from monosome.evaluate.rows import number
from monosome.fit.cloud import Instance, instances
from monosome.fit.estimate import AnyTask, Estimate, Step, prediction, training_step
from monosome.fit.tuning import (
    Fit,
    Memory,
    best_fit,
    curve,
    longest,
    memory_of,
    parsed_lengths,
    traced_batch,
    traced_lengths,
)
from monosome.hardware.detect import detect
from monosome.hardware.presets import Preset, preset, preset_named

MAX_LENGTH = 4096
"""Longest example that --max-length looks at; made-up pairs of more residues would fill gigabytes of this machine."""
GIB = 2**30


@dataclass(frozen=True)
class Plan:
    """What was traced for a recipe on a card: one example, and the peak of a whole step's, by length."""

    task: AnyTask
    config: Config
    preset: Preset
    memory: Memory
    lengths: Sequence[int]
    one: Mapping[int, Estimate]
    whole: Mapping[int, float]

    @property
    def batch_size(self) -> int:
        """Examples per optimiser step, whatever the micro-batch."""
        return self.config.train.batch_size

    @property
    def table(self) -> list[Fit]:
        """The most examples of each length that fit at once."""
        one, whole = curve(_bytes(self.one)), curve(self.whole)
        return [best_fit(length, one(length), whole(length), self.batch_size, self.memory) for length in self.lengths]

    def flops(self, length: int) -> float:
        """Operations of a step on examples of a length."""
        known = {at: float(found.flops) for at, found in self.one.items()}
        inside = max(length, min(known))  # a curve says nothing of shorter ones: they share the shortest one's rate
        return self.batch_size * curve(known)(inside) * length / inside


def run(recipe: str, settings: Sequence[str], **options: Any) -> None:
    """Print the plan; `options` are the command line's."""
    task = task_for(override(read_recipe(recipe), settings))
    plan = plan_for(task, options["device"], parsed_lengths(options["lengths"]))
    report = as_json(plan, budget=options["budget"], max_length=options["max_length"])
    if options["json"]:
        print_json(report)
    else:
        _print(recipe, report)


def plan_for(task: AnyTask, device: str, lengths: Sequence[int]) -> Plan:
    """The traced plan of a task on a card by its preset's name; "auto" is this machine.

    Raises HardwareError for an unknown name.
    """
    chosen, memory = _card(device)
    config = fill_auto(task.config, chosen.values())
    size, traced = config.train.batch_size, traced_lengths(lengths)
    one = {length: training_step(task, config, Step(length, 1, accumulates=size > 1)) for length in traced}
    whole = {length: _whole(task, config, length, traced_batch(length, traced, size), one[length]) for length in traced}
    return Plan(task, config, chosen, memory, lengths, one, whole)


def _whole(task: AnyTask, config: Config, length: int, num: int, one: Estimate) -> float:
    """Peak of all examples of a step at once, on the line through one and `num` of them."""
    if num == 1:
        return float(one.peak_bytes)
    size = config.train.batch_size
    peak = training_step(task, config, Step(length, num, accumulates=num < size)).peak_bytes
    return one.peak_bytes + (peak - one.peak_bytes) / (num - 1) * (size - 1)


def _card(name: str) -> tuple[Preset, Memory]:
    if name == "auto":
        here = detect()
        return preset(here), memory_of(here.kind, here.memory_bytes)
    chosen = preset_named(name)
    if chosen.card:
        return chosen, memory_of("cuda", chosen.card.memory_bytes)
    here = detect(name)
    return preset(here), memory_of(here.kind, here.memory_bytes)


def as_json(plan: Plan, *, budget: float | None, max_length: bool) -> dict[str, Any]:
    """The plan for other programs."""
    first = next(iter(plan.one.values()))
    table = plan.table
    work = _work(plan)
    report = {
        "parameters": first.num_parameters,
        "trainable": first.num_trainable,
        "device": plan.preset.name,
        "memory_bytes": plan.memory.total_bytes,
        "batch_size": plan.batch_size,
        "table": [
            {**asdict(fit), "accumulation": math.ceil(plan.batch_size / fit.micro_batch) if fit.micro_batch else None}
            | {"flops_per_step": round(plan.flops(fit.length)), "traced": fit.length in plan.one}
            for fit in table
        ],
        "parts": _parts(plan),
        "savers": _savers(plan),
        "work": work,
        "instances": [_cost(plan, each, float(work["flops"]), budget) for each in instances()],
    }
    return report | ({"max_length": _longest(plan)} if max_length else {})


def _parts(plan: Plan) -> dict[str, int]:
    """What one example of the greatest traced length holds at the peak, with what the card takes itself."""
    found = plan.one[max(plan.one)]
    lost = round(plan.memory.overhead * found.peak_bytes)
    parts = {str(name): size for name, size in found.parts.items()}
    return {**parts, "fragmentation": lost, "context": plan.memory.context_bytes}


def _savers(plan: Plan) -> list[dict[str, Any]]:
    """What is on, and the peak of one example of the greatest traced length with each setting the other way."""
    length, here = max(plan.one), plan.config
    base = plan.one[length].peak_bytes
    other_precision = "fp32" if here.numerics.precision == "bf16" else "bf16"
    changes: list[tuple[str, Any, Any, Config]] = [
        (
            "execution.checkpoint_blocks",
            here.execution.checkpoint_blocks,
            not here.execution.checkpoint_blocks,
            _changed(here, "execution", checkpoint_blocks=not here.execution.checkpoint_blocks),
        ),
        (
            "numerics.precision",
            here.numerics.precision,
            other_precision,
            _changed(here, "numerics", precision=other_precision),
        ),
    ]
    step = Step(length, 1, accumulates=plan.batch_size > 1)
    return [
        {
            "setting": name,
            "value": value,
            "other": other,
            "length": length,
            "peak_bytes": plan.memory.needed(float(base)),
            "other_peak_bytes": plan.memory.needed(float(training_step(plan.task, config, step).peak_bytes)),
        }
        for name, value, other, config in changes
    ]


def _changed(config: Config, section: str, **values: Any) -> Config:
    return config.model_copy(update={section: getattr(config, section).model_copy(update=values)})


def _work(plan: Plan) -> dict[str, Any]:
    """Operations of the whole run on the data at hand, and the hours that they take at least.

    How fast a recipe really is must be measured on the card: nothing is known of that here.
    """
    steps = plan.config.train.steps
    try:
        lengths = plan.task.lengths(plan.task.examples("train"))
        basis = f"{len(lengths)} examples of the recipe's data"
    except MonosomeError as error:
        lengths, basis = [max(plan.lengths)], f"examples of length {max(plan.lengths)}: {error.message}"
    flops = steps * sum(map(plan.flops, lengths)) / len(lengths)
    card = plan.preset.card
    return {
        "steps": steps,
        "basis": basis,
        "flops": round(flops),
        "hours_at_least": flops / (card.tflops * 1e12) / 3600 if card else None,
        "hours": None,
        "throughput": "unknown: nothing was measured on this card; monosome profile measures it there",
    }


def _cost(plan: Plan, instance: Instance, flops: float, budget: float | None) -> dict[str, Any]:
    """A rented machine: its price, what the run costs there at least and, with a budget, whether that fits."""
    at_least = instance.dollars_at_least(flops)
    found = {**asdict(instance), "hours_at_least": instance.hours_at_least(flops), "dollars_at_least": at_least}
    if budget is None:
        return found
    steps = plan.config.train.steps
    return found | {
        "budget_hours": budget / instance.dollars_per_hour,
        "within_budget": at_least <= budget,
        "steps_at_most": math.floor(steps * budget / at_least) if at_least else None,
        "share_of_full_speed_needed": at_least / budget,
    }


def _longest(plan: Plan) -> dict[str, Any]:
    """The longest examples that the card can train on and predict, one at a time."""
    limit = getattr(plan.config.model, "positions", MAX_LENGTH)

    def trained(length: int) -> float:
        found = training_step(plan.task, plan.config, Step(length, 1, accumulates=plan.batch_size > 1))
        return float(found.peak_bytes)

    def predicted(length: int) -> float:
        return float(prediction(plan.task, plan.config, Step(length, 1)).peak_bytes)

    known = {length: found for length, found in _bytes(plan.one).items() if length <= limit}
    first = {length: predicted(length) for length in sorted(known)[:3]}
    return {
        "train": longest(trained, known, limit, plan.memory),
        "predict": longest(predicted, first, limit, plan.memory),
        "limit": limit,
    }


def _bytes(found: Mapping[int, Estimate]) -> dict[int, float]:
    return {length: float(estimate.peak_bytes) for length, estimate in found.items()}


def _print(recipe: str, report: Mapping[str, Any]) -> None:
    work, memory = report["work"], report["memory_bytes"]
    head = [
        ["parameters", f"{report['parameters']:,} ({report['trainable']:,} trained)"],
        ["memory", f"{_gib(memory)} usable"],
        ["examples per step", str(report["batch_size"])],
        ["operations", f"{number(work['flops'] / 1e15)} PFLOP in {work['steps']:,} steps, {work['basis']}"],
        ["hours", f"{_least(work['hours_at_least'])}; {work['throughput']}"],
    ]
    print_table([f"{recipe} on {report['device']}", ""], head)
    print()
    rows = [
        [
            str(row["length"]),
            str(row["micro_batch"]) if row["micro_batch"] else "does not fit",
            "–" if row["accumulation"] is None else f"{row['accumulation']} ×",
            _gib(row["peak_bytes"]),
            number(row["flops_per_step"] / 1e12),
            "" if row["traced"] else "interpolated",
        ]
        for row in report["table"]
    ]
    print_table(["length", "micro-batch", "accumulate", "peak", "TFLOP per step", ""], rows)
    print()
    if "max_length" in report:
        found = report["max_length"]
        print(f"longest that fits: {found['train']} in training, {found['predict']} in prediction", end=" ")
        print(f"(looked at up to {found['limit']})\n")
    parts = [[name, _gib(size)] for name, size in report["parts"].items()]
    print_table([f"one example of {report['savers'][0]['length']}", ""], parts)
    print()
    savers = [
        [
            saver["setting"],
            _word(saver["value"]),
            _gib(saver["peak_bytes"]),
            _word(saver["other"]),
            _gib(saver["other_peak_bytes"]),
        ]
        for saver in report["savers"]
    ]
    print_table(["setting", "now", "peak", "or", "peak"], savers)
    print()
    _print_costs(report["instances"])


def _print_costs(instances: Sequence[Mapping[str, Any]]) -> None:
    budgeted = "budget_hours" in instances[0]
    rows = [
        [
            each["name"],
            f"{each['num_cards']} × {each['card']}",
            f"{each['dollars_per_hour']:.2f}",
            number(each["hours_at_least"]),
            number(each["dollars_at_least"]),
            *(
                [
                    number(each["budget_hours"]),
                    f"{100 * each['share_of_full_speed_needed']:.1f} %" if each["within_budget"] else "never",
                ]
                if budgeted
                else []
            ),
        ]
        for each in instances
    ]
    bought = ["hours bought", "enough from"] if budgeted else []
    print_table(["instance", "cards", "$/h", "hours ≥", "$ ≥", *bought], rows)
    for source in dict.fromkeys(each["source"] for each in instances):
        print(f"{', '.join(each['name'] for each in instances if each['source'] == source)}: {source}")
    print("≥: at the card's full speed, which no run reaches." + _ENOUGH * budgeted)


_ENOUGH = " Enough from: the share of it that the run must reach for the money."


def _gib(size: int) -> str:
    return f"{number(size / GIB)} GiB"


def _least(hours: float | None) -> str:
    return "unknown" if hours is None else f"{number(hours)} at least, at full speed"


def _word(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)
