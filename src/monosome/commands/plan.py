"""`monosome plan`: what of a recipe fits on a card that need not be here, how much work it is, what that costs."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from typing import Any

from monosome.commands.domain import task_for
from monosome.commands.output import print_json
from monosome.commands.plan_tables import print_plan
from monosome.commands.train import default_folder
from monosome.config import Config, fill_auto, override, read_recipe
from monosome.errors import HardwareError, MonosomeError
from monosome.fit.cloud import Instance, instances
from monosome.fit.estimate import AnyTask, Estimate, Step, prediction, training_step
from monosome.fit.measured import measured
from monosome.fit.shapes import shapes_alone
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
from monosome.hardware.detect import Device, detect
from monosome.hardware.presets import Preset, preset, preset_named
from monosome.train.checkpoint import latest, load_manifest
from monosome.train.folder import RunFolder
from monosome.train.micro_batches import MicroBatches, Place

MAX_LENGTH = 4096
"""Longest example that --max-length looks at; made-up pairs of more residues would fill gigabytes of this machine."""
SAVERS: Mapping[str, tuple[Any, Any]] = {
    "rows_at_once": (0, 64),
    "checkpoint_blocks": (False, True),
    "offload_optimizer": (False, True),
}
"""Settings of execution that buy memory with time, off and on, the dearest first; --optimise tries them together.
checkpoint_blocks and rows_at_once run blocks, or pieces of them, forward again; offload_optimizer copies states."""
MAX_GROWTH = 2
"""A whole step is traced where that is at most so many times the work of tracing one example, else drawn out. Logits
are made piece by piece: beside ProtGPT2, 2 blocks of 512 tokens of protein/tiny take 6.6 GiB and 32 take 7.8, where a
line through one and two would have 35."""
RANKING = "ranked by what is computed again: fewest savers first, then most examples at once; no time was measured"


UNKNOWN = "how fast is unknown: nothing was measured on this card; there, --measure or a run says it"


@dataclass(frozen=True)
class Pace:
    """Seconds of a whole step, and what they were measured on."""

    seconds_per_step: float
    source: str


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

    @cached_property
    def data(self) -> tuple[list[int], str]:
        """Lengths of the examples at hand, or of one as long as the longest asked for, and which of the two."""
        try:
            with shapes_alone():
                lengths = self.task.lengths(self.task.examples("train"))
        except MonosomeError as error:
            return [max(self.lengths)], f"examples of length {max(self.lengths)}: {error.message}"
        return lengths, f"{len(lengths)} examples of the recipe's data"

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
    lengths = parsed_lengths(options["lengths"])
    here = _here(options["device"])
    if options["measure"] and here is None:
        raise HardwareError(
            f"{options['device']} is not in this machine: nothing can be measured", "leave out --measure"
        )
    plan = plan_for(task, options["device"], lengths)
    table, found = _measured(plan, here) if options["measure"] and here else (None, None)
    pace = _known_pace(recipe, plan, here, table)
    report = as_json(plan, pace, budget=options["budget"], max_length=options["max_length"])
    report |= {"measured": found} if found else {}
    report |= {"optimised": optimised(plan)} if options["optimise"] else {}
    if options["json"]:
        print_json(report)
    else:
        print_plan(recipe, report)


def plan_for(task: AnyTask, device: str, lengths: Sequence[int]) -> Plan:
    """The traced plan of a task on a card by its preset's name; "auto" is this machine.

    Raises HardwareError for an unknown name.
    """
    chosen, memory = _card(device)
    config = fill_auto(task.config, chosen.values())
    traced = traced_lengths(lengths)
    one, whole = dict[int, Estimate](), dict[int, float]()
    for length in traced:
        one[length], whole[length] = _traced(task, config, length, traced)
    return Plan(task, config, chosen, memory, lengths, one, whole)


def _traced(task: AnyTask, config: Config, length: int, lengths: Sequence[int]) -> tuple[Estimate, float]:
    """One example of a length, and the peak of all examples of a step at once: on the line through one and several."""
    size = config.train.batch_size
    one = training_step(task, config, Step(length, 1, accumulates=size > 1))
    num = traced_batch(length, lengths, size)
    if num == 1:
        return one, float(one.peak_bytes)
    few = training_step(task, config, Step(length, num, accumulates=num < size))
    more = (few.operations - one.operations) / (num - 1) * (size - num)
    if num < size and few.operations + more <= MAX_GROWTH * one.operations:
        return one, float(training_step(task, config, Step(length, size)).peak_bytes)
    return one, one.peak_bytes + (few.peak_bytes - one.peak_bytes) / (num - 1) * (size - 1)


def _card(name: str) -> tuple[Preset, Memory]:
    if name == "auto":
        here = detect()
        return preset(here), memory_of(here.kind, here.memory_bytes)
    chosen = preset_named(name)
    if chosen.card:
        return chosen, memory_of("cuda", chosen.card.memory_bytes)
    here = detect(name)
    return preset(here), memory_of(here.kind, here.memory_bytes)


def _here(name: str) -> Device | None:
    """The device of this machine that a preset's name means; None where it is not here."""
    if name == "auto":
        return detect()
    if preset_named(name).card is None:
        return detect(name)
    here = detect()
    return here if preset(here).name == name else None


def _place(plan: Plan, here: Device) -> Place:
    """Where what fits this card is kept for the recipe."""
    return Place(here, plan.config, plan.task.examples("train").content_hash)


def _measured(plan: Plan, here: Device) -> tuple[MicroBatches, dict[str, Any]]:
    """The table tried out here and kept for training, and what to report of it."""
    place, rows = _place(plan, here), []
    for row in measured(plan.task, plan.config, here, plan.lengths):
        print(f"length {row.length}: {row.micro_batch} of {plan.batch_size} fit", file=sys.stderr)
        rows.append(row)
    table = MicroBatches(tuple(rows))
    file = str(place.path) if place.save(table) else None
    return table, {"device": here.name, "file": file, "table": [asdict(row) for row in rows]}


def _known_pace(recipe: str, plan: Plan, here: Device | None, table: MicroBatches | None) -> Pace | None:
    """How fast steps were on this machine: in a run of this very recipe, else in the trials; None where unknown."""
    if here is None:
        return None
    try:
        folder = RunFolder(default_folder(recipe, plan.task))
        table = table or _place(plan, here).load()
    except MonosomeError:  # there are no data, so there was no run
        return _trial_pace(plan, table)
    found = latest(folder.checkpoints)[0]
    manifest = load_manifest(found) if found else None
    if manifest and {stretch.device for stretch in manifest.stretches} == {here.name}:
        return Pace(manifest.seconds / manifest.step, f"{manifest.step:,} steps of {folder.path} on this machine")
    return _trial_pace(plan, table)


def _trial_pace(plan: Plan, table: MicroBatches | None) -> Pace | None:
    seconds = [table.seconds(length) if table else None for length in plan.data[0]]
    timed = [each for each in seconds if each]
    if not timed:
        return None
    return Pace(plan.batch_size * sum(timed) / len(timed), "single steps that --measure timed on this machine")


def optimised(plan: Plan) -> dict[str, Any]:
    """The fewest savers with which the longest examples asked for fit, and as many of these at once as then do."""
    length, tried, settings = max(plan.lengths), list[dict[str, Any]](), list[str]()
    names = _useful_savers(plan.config)
    for values in sorted(product(*(SAVERS[name] for name in names)), key=lambda each: sum(map(bool, each))):
        savers = dict(zip(names, values, strict=True))
        one, whole = _traced(plan.task, _changed(plan.config, "execution", **savers), length, [length])
        fit = best_fit(length, float(one.peak_bytes), whole, plan.batch_size, plan.memory)
        tried.append({"savers": savers, "micro_batch": fit.micro_batch, "peak_bytes": fit.peak_bytes})
        if fit.micro_batch:
            chosen = {**savers, "micro_batch": fit.micro_batch}
            settings = [f"execution.{name}={json.dumps(value)}" for name, value in chosen.items()]
            break
    return {"length": length, "settings": settings, "tried": tried, "ranking": RANKING}


def _useful_savers(config: Config) -> list[str]:
    """The savers that change anything: rows are those of pairs, and states leave the memory of a card only."""
    useless = {
        "rows_at_once": not hasattr(config.model, "pair_channels"),
        "offload_optimizer": config.execution.device != "cuda",
    }
    return [name for name in SAVERS if not useless.get(name)]


def as_json(plan: Plan, pace: Pace | None = None, *, budget: float | None, max_length: bool) -> dict[str, Any]:
    """The plan for other programs."""
    first = next(iter(plan.one.values()))
    table = plan.table
    work = _work(plan, pace)
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
    half = "bf16" if plan.preset.card is None or plan.preset.card.bf16 else "fp16"
    other_precision = half if here.numerics.precision == "fp32" else "fp32"
    others = {("numerics", "precision"): other_precision}
    for name in _useful_savers(here):
        off, on = SAVERS[name]
        others["execution", name] = off if getattr(here.execution, name) else on
    changes: list[tuple[str, Any, Any, Config]] = [
        (f"{section}.{name}", getattr(getattr(here, section), name), other, _changed(here, section, **{name: other}))
        for (section, name), other in others.items()
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


def _work(plan: Plan, pace: Pace | None) -> dict[str, Any]:
    """Operations of the whole run on the data at hand, the hours they take at least, and the hours where known."""
    steps, (lengths, basis) = plan.config.train.steps, plan.data
    flops = steps * sum(map(plan.flops, lengths)) / len(lengths)
    card = plan.preset.card
    return {
        "steps": steps,
        "basis": basis,
        "flops": round(flops),
        "hours_at_least": flops / (card.tflops * 1e12) / 3600 if card else None,
        "hours": steps * pace.seconds_per_step / 3600 if pace else None,
        "throughput": pace.source if pace else UNKNOWN,
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
