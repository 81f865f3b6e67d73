"""`monosome bench`: the project's benchmarks, each beside its frozen baseline, and a page of its figures over time."""

import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from monosome.commands.output import print_json, print_table
from monosome.errors import ConfigError, MonosomeError, nearest
from monosome.evaluate.history import NOTED, History, page, read_run
from monosome.evaluate.page import write_report
from monosome.evaluate.rows import number

CHECKOUT = Path(__file__).parents[3]
PREFIX = "bench_"
NUM_NAMED = 12
"""Changed figures that are printed; the page has all."""


def run(names: Sequence[str], *, data: Path | None, history: Path | None, json: bool) -> None:
    """Run the named benchmarks, or all; keep what each wrote, print what changed, write the page."""
    folder = benchmarks_folder(CHECKOUT)
    kept = history or folder / "history"
    arguments, skipped = chosen(folder, names, data)
    failed = [name for name, words in arguments.items() if not _measured(folder, name, words, kept)]
    done = [_history(folder, kept, name) for name in arguments if name not in failed]
    words = ["monosome", "bench", *names, *(["--data", str(data)] if data else []), "--history", str(kept)]
    written = str(write_report(page(done, shlex.join(words)), kept)) if done else None
    if json:
        noted = {each.name: each.noted for each in done}
        print_json({"run": [each.name for each in done], "noted": noted, "skipped": skipped, "report": written})
    else:
        _print(done, skipped, written)
    if failed:
        raise MonosomeError(
            f"{len(failed)} of {len(arguments)} benchmarks failed: {', '.join(failed)}",
            f"python {folder}/{PREFIX}{failed[0]}.py {shlex.join(arguments[failed[0]])}".strip() + " shows why",
        )


def benchmarks_folder(checkout: Path) -> Path:
    """The benchmarks of the checkout that this package is installed from. Raises ConfigError where it is not one."""
    folder = checkout / "benchmarks"
    if not (folder / "report.py").is_file():
        raise ConfigError(
            "the benchmarks are not installed with the package: they stand in its repository",
            'clone it, then: pip install -e ".[test]" and monosome bench',
        )
    return folder


def chosen(folder: Path, names: Sequence[str], data: Path | None) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The arguments of every benchmark that can be run, and why the others cannot."""
    known = [path.stem.removeprefix(PREFIX) for path in sorted(folder.glob(f"{PREFIX}*.py"))]
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no benchmark {name!r}", nearest(name, known))
    needed: Mapping[str, list[str]] = tomllib.loads((folder / "data.toml").read_text(encoding="utf-8"))
    arguments, skipped = dict[str, list[str]](), dict[str, str]()
    for name in names or known:
        paths = [(data or Path("DATA")) / each for each in needed.get(name, [])]
        missing = [str(path) for path in paths if not (data and path.exists())]
        if missing and data:
            skipped[name] = f"not found: {', '.join(missing)}"
        elif missing:
            skipped[name] = f"needs --data DATA with {', '.join(missing)}"
        else:
            arguments[name] = [str(path.resolve()) for path in paths]
    return arguments, skipped


def _measured(folder: Path, name: str, arguments: Sequence[str], history: Path) -> bool:
    """Whether the benchmark ended well; its figures are a new file of the history."""
    out = history.resolve() / name / f"{datetime.now():%Y-%m-%dT%H.%M.%S.%f}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    print(f"{PREFIX}{name} …", file=sys.stderr)
    words = [sys.executable, str(folder / f"{PREFIX}{name}.py"), *arguments]
    environment = {**os.environ, "MONOSOME_BENCH_OUT": str(out)}
    return subprocess.run(words, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0


def _history(folder: Path, history: Path, name: str) -> History:
    frozen = folder / f"{name}.json"
    runs = [read_run(path) for path in sorted((history / name).glob("*.json"))]
    return History(name, read_run(frozen) if frozen.is_file() else None, runs)


def _print(done: Sequence[History], skipped: Mapping[str, str], written: str | None) -> None:
    rows = [
        [
            each.name,
            figure,
            number(each.baseline.figures[figure]),
            number(each.runs[-1].figures[figure]),
            f"{ratio:.0%}",
        ]
        for each in done
        for figure, ratio in each.noted.items()
        if each.baseline
    ]
    if done:
        others = [each.name for each in done if not each.same_machine]
        print(f"{len(rows)} figures differ from the baseline by more than {NOTED:.0%}")
        print(f"on another machine than the baseline: {', '.join(others)}\n" if others else "")
    if rows:
        print_table(["benchmark", "figure", "baseline", "now", "now ÷ baseline"], rows[:NUM_NAMED])
        print(f"… and {len(rows) - NUM_NAMED} more, on the page\n" if len(rows) > NUM_NAMED else "")
    for name, why in skipped.items():
        print(f"skipped {name}: {why}")
    if written:
        print(f"report: {written}")
