"""`monosome prepare`: raw files into training data."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from monosome.commands.output import print_json, print_table

MAX_NOTES = 20
"""Notes that a table shows; --json gives all."""


def run_rna(source: Path, out: Path, *, json: bool) -> None:
    """Prepare a folder of RNA structures or Kaggle tables; print what there is, and what was left out."""
    from monosome.rna.preparation import prepare  # here, so that the verb stands without this domain too

    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("reading", total=None)
        made = prepare(source, out, lambda done, total: progress.update(bar, completed=done, total=total))
    counts = _counts(made.rows) | {"kept_from_before": made.num_kept}
    if json:
        print_json({"out": str(out), **counts, "notes": list(made.notes)})
        return
    print_table([str(out), ""], [[name.replace("_", " "), f"{value:,}"] for name, value in counts.items()])
    for note in made.notes[:MAX_NOTES]:
        print(f"note: {note}")
    if len(made.notes) > MAX_NOTES:
        print(f"note: {len(made.notes) - MAX_NOTES} more, with --json")
    print(f"next: monosome train rna/micro data.path={out}")


def _counts(rows: Sequence[Mapping[str, str]]) -> dict[str, int]:
    return {
        "chains": len(rows),
        "residues": sum(int(row["length"]) for row in rows),
        "resolved_residues": sum(int(row["num_resolved"]) for row in rows),
        "groups": len({row["group"] for row in rows}),
    }
