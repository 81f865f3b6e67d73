"""The tables of `monosome plan` for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from monosome.commands.output import print_table
from monosome.evaluate.rows import number

GIB = 2**30


def print_plan(recipe: str, report: Mapping[str, Any]) -> None:
    """Print the plan on stdout."""
    work, memory = report["work"], report["memory_bytes"]
    head = [
        ["parameters", f"{report['parameters']:,} ({report['trainable']:,} trained)"],
        ["memory", f"{_gib(memory)} usable"],
        ["examples per step", str(report["batch_size"])],
        ["operations", f"{number(work['flops'] / 1e15)} PFLOP in {work['steps']:,} steps, {work['basis']}"],
        ["hours", _hours(work)],
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
    if "measured" in report:
        _print_measured(report["measured"])
    if "optimised" in report:
        _print_optimised(report["optimised"])
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


def _print_measured(measured: Mapping[str, Any]) -> None:
    rows = [
        [
            str(row["length"]),
            str(row["micro_batch"]) if row["micro_batch"] else "does not fit",
            "–" if row["peak_bytes"] is None else _gib(row["peak_bytes"]),
            "–" if not row["seconds_per_example"] else number(1 / row["seconds_per_example"]),
        ]
        for row in measured["table"]
    ]
    print_table(["length", "measured here", "peak", "examples per second"], rows)
    kept = measured["file"]
    print(f"kept in {kept}: training takes it from there\n" if kept else "it could not be kept: no cache to write to\n")


def _print_optimised(optimised: Mapping[str, Any]) -> None:
    rows = [
        [
            " ".join(f"{name}={_word(value)}" for name, value in each["savers"].items()),
            str(each["micro_batch"]) if each["micro_batch"] else "does not fit",
            _gib(each["peak_bytes"]),
        ]
        for each in optimised["tried"]
    ]
    print_table([f"length {optimised['length']}", "micro-batch", "peak"], rows)
    print(f"{optimised['ranking']}\n")
    print(" ".join(optimised["settings"]) or "nothing fits: take a shorter crop or a smaller model", end="\n\n")


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


def _hours(work: Mapping[str, Any]) -> str:
    """The hours as they were measured; else what is known: the bound of the card's full speed."""
    if work["hours"] is not None:
        return f"{number(work['hours'])}, from {work['throughput']}"
    least = work["hours_at_least"]
    bound = "unknown" if least is None else f"{number(least)} at least, at full speed"
    return f"{bound}; {work['throughput']}"


def _word(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)
