"""`monosome study`: temperature, alpha, a control and every size of a teacher's students; the same command goes on."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from monosome.commands.distill import absolute
from monosome.commands.output import print_json, print_table
from monosome.commands.sweep import shared
from monosome.evaluate.page import write_report
from monosome.protein.study import Study, run_study
from monosome.protein.study_report import sizes_table, study_report


def run(
    teacher: str,
    settings: Sequence[str],
    *,
    data: str | None,
    out: Path,
    short: bool,
    seeds: int,
    existing: str,
    jobs: int,
    json: bool,
) -> None:
    """Run what is not finished, print what was decided, write the report."""
    places = [f'data.path="{absolute(data)}"'] if data else []
    study = Study(absolute(teacher), out, [*places, *settings], short, seeds, existing, progress=jobs == 1)
    study.check()
    result = shared(jobs, run_study, study)
    words = ["monosome", "study", teacher, *settings, *(["--data", data] if data else []), "--out", str(out)]
    words += [*(["--short"] if short else []), f"--seeds={seeds}", *([f"--existing={existing}"] if existing else [])]
    report = study_report(result, shlex.join(words))
    page = write_report(report, out / "report")
    if json:
        print_json({"folder": str(out), "report": str(page), **report.data})
        return
    table = sizes_table(result.sizes)
    print_table(table.columns[:-1], [row[:-1] for row in table.rows], title=report.summary)
    print(f"\nreport: {page}")
    for what, command in report.next_steps:
        print(f"{what}: {command}")
