"""`monosome prepare`: raw files into training data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from monosome.commands.output import print_json, print_table

if TYPE_CHECKING:
    from monosome.rna.preparation import Request

MAX_NOTES = 20
"""Notes that a table shows; --json gives all."""


def make_request(
    source: Path, out: Path, *, num_workers: int, held_out: Path | None, msa: Path | None, secondary: Path | None
) -> "Request":
    """What the command line asked for."""
    from monosome.rna.preparation import Request  # here, so that the verb stands without this domain too

    return Request(source, out, num_workers, held_out, msa, secondary)


def run_rna(request: "Request", *, json: bool) -> None:
    """Prepare RNA structures, tables or sequences; print what there is, and what was left out."""
    from monosome.rna.preparation import prepare

    columns = (TextColumn("preparing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("preparing", total=None)
        made = prepare(request, lambda done, total: progress.update(bar, completed=done, total=total))
    counts = _counts(made.rows) | {"kept_from_before": made.num_kept}
    if request.held_out:
        counts["relatives_of_held_out"] = len({leak.train for leak in made.leaks})
    if json:
        leaks = [asdict(leak) for leak in made.leaks]
        print_json({"out": str(request.out), **counts, "notes": list(made.notes), "leaks": leaks})
        return
    print_table([str(request.out), ""], [[name.replace("_", " "), f"{value:,}"] for name, value in counts.items()])
    for note in made.notes[:MAX_NOTES]:
        print(f"note: {note}")
    if len(made.notes) > MAX_NOTES:
        print(f"note: {len(made.notes) - MAX_NOTES} more, with --json")
    print(f"next: monosome train rna/micro data.path={request.out}")


def _counts(rows: Sequence[Mapping[str, str]]) -> dict[str, int]:
    return {
        "chains": len(rows),
        "residues": sum(int(row["length"]) for row in rows),
        "resolved_residues": sum(int(row["num_resolved"]) for row in rows),
        "clusters": len({row["cluster"] for row in rows}),
    }
