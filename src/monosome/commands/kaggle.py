"""`monosome kaggle`: a submission made in the time there is, checked, and scored where labels are known."""

import re
import sys
import time
from pathlib import Path
from typing import Any, Literal

from monosome.commands.output import print_json, print_measures, print_table
from monosome.errors import DataError
from monosome.evaluate.rows import as_json, measures
from monosome.rna.kaggle import Part, part_of, read_targets
from monosome.rna.submission import find_faults, sites_of_sample, write_submission
from monosome.row import Metric, Row

WhichPart = Literal["auto", "1", "2"]
MAX_PRINTED = 20
"""Faults that are printed."""


def submit(
    sequences: Path,
    out: Path,
    *,
    hours: float,
    checkpoint: Path | None,
    template: Path | None,
    before: str,
    part: WhichPart,
    json: bool,
) -> None:
    """Write five structures of each target within so many hours; what is finished is kept beside `out`.

    Raises DataError where `out` is there already, or for a table, a day or a library that is none.
    """
    started = time.monotonic()
    if out.exists():
        raise DataError(f"{out} is there already", "give another name with -o, or move it away")
    if not re.fullmatch(r"cutoff|any|\d{4}-\d\d-\d\d", before):
        raise DataError(f"--template-before {before} is no day", "write YYYY-MM-DD, cutoff or any")
    targets = read_targets(sequences)
    from monosome.rna.deadline import Order, clock, fold_targets  # torch
    from monosome.rna.kaggle_folds import Network

    folder = out.with_name(f"{out.name}.targets")
    network = Network(str(checkpoint) if checkpoint else None, template, before)
    order = Order(folder, hours * 3600 - (time.monotonic() - started), network)
    made = fold_targets(targets, order, _tell)
    write_submission(out, targets, [each.places for each in made], _part(part, sequences))
    seconds = time.monotonic() - started
    if json:
        told: list[dict[str, Any]] = [
            {
                "id": each.target.id,
                "length": len(each.target.sites),
                "num_strands": len(each.target.strands),
                "num_folded": each.num_folded,
                "num_laid_out": each.num_laid_out,
                "num_helices": each.num_helices,
                "why": each.why,
                "seconds": round(each.seconds, 2),
            }
            for each in made
        ]
        print_json({"submission": str(out), "working_folder": str(folder), "seconds": seconds, "targets": told})
        return
    print_table(
        ["target", "nt", "strands", "seconds", "structures"],
        [
            [e.target.id, f"{len(e.target.sites):,}", str(len(e.target.strands)), f"{e.seconds:.1f}", e.what]
            for e in made
        ],
    )
    num_folded = sum(each.num_folded > 0 for each in made)
    print(f"\n{len(made)} targets, {num_folded} by the network, in {clock(seconds)} of {clock(hours * 3600)}: {out}")
    print(f"next: monosome kaggle check {out} --sequences {sequences}   ({folder} may be deleted)")


def check(submission: Path, *, sequences: Path, sample: Path | None, part: WhichPart, json: bool) -> None:
    """Say that a submission is right; raises DataError with the first fault and its line where it is not."""
    targets = read_targets(sequences)
    sites = sites_of_sample(sample, targets) if sample else [site for target in targets for site in target.sites]
    faults = find_faults(submission, sites, _part(part, sequences))
    if json:
        listed = [{"line": fault.line, "fault": fault.text} for fault in faults]
        print_json({"submission": str(submission), "valid": not faults, "num_rows": len(sites), "faults": listed})
    elif not faults:
        print(f"{submission} is right: {len(targets)} targets, {len(sites):,} residues, five structures of each")
    if faults:
        more = faults[1:MAX_PRINTED]
        hint = "; ".join(f"line {fault.line}: {fault.text}" for fault in more)
        rest = len(faults) - 1 - len(more)
        hint += f"; and {rest} more: --json lists them" if rest else ""
        raise DataError(f"{submission}, line {faults[0].line}: {faults[0].text}", hint)


def score(submission: Path, labels: Path, *, part: WhichPart, json: bool) -> None:
    """Print Kaggle's score of a submission: of each target the best of five, and the mean with its interval."""
    from monosome.rna.kaggle_score import score_submission

    chosen = _part(part, labels)
    found = list(score_submission(submission, labels, chosen))
    metrics = [
        Metric("best", "best", "TM-score, best of five", higher_is_better=True),
        Metric("first", "first", "TM-score, first structure", higher_is_better=True),
    ]
    rows = [Row(one.id, {"best": one.best, "first": one.scores[0]}, one.length) for one in found]
    means = measures(rows, metrics)
    if json:
        targets = [
            {
                "id": one.id,
                "length": one.length,
                "num_references": one.num_references,
                "best": one.best,
                "scores": list(one.scores),
            }
            for one in found
        ]
        print_json({"part": chosen, "metrics": as_json(means), "targets": targets})
        return
    print_table(
        ["target", "nt", "references", "best", "each structure"],
        [
            [
                one.id,
                f"{one.length:,}",
                str(one.num_references),
                f"{one.best:.3f}",
                " ".join(f"{s:.3f}" for s in one.scores),
            ]
            for one in found
        ],
    )
    print()
    paired = "residue number, copies of a chain in their best order" if chosen == 2 else "structure alone"
    print_measures(means, title=f"part {chosen}: residues paired by {paired}")


def _part(wished: WhichPart, table: Path) -> Part:
    if wished == "auto":
        return part_of(table)
    return 1 if wished == "1" else 2


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
