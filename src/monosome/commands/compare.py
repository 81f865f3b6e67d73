"""`monosome compare`: evaluations on the same data, with paired differences and a verdict."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from monosome.commands.output import print_json, print_table
from monosome.errors import ConfigError
from monosome.evaluate.compare import as_json, compare, read_evaluation, report, rows_of, sentence
from monosome.evaluate.page import write_report


def run(runs: Sequence[Path], *, split: str, out: Path | None, json: bool) -> None:
    """Compare each run after the first with the first."""
    if len(runs) < 2:
        raise ConfigError("there is nothing to compare with", "monosome compare RUN RUN")
    first, *others = [read_evaluation(path, split) for path in runs]
    found = [compare(first, other) for other in others]
    command = shlex.join(["monosome", "compare", *map(str, runs), "--split", split])
    page = write_report(report([first, *others], found, command), out) if out else None
    if json:
        comparisons = [as_json(other, each) for other, each in zip(others, found, strict=True)]
        print_json({"first": first.name, "split": split, "report": str(page) if page else None, "runs": comparisons})
        return
    for other, each in zip(others, found, strict=True):
        print_table(*rows_of(each), title=f"first: {first.name}\nthis:  {other.name}")
        print(f"\n{sentence(other.name, each)}\n")
    if page:
        print(f"open: {page}")
