"""`monosome assess`: how close models are to the native structure."""

import csv
import io
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from monosome.atomic import write_text
from monosome.commands.output import print_json, print_measures, print_table
from monosome.errors import ConfigError, DataError, nearest
from monosome.evaluate.page import write_report
from monosome.evaluate.rows import measures, number
from monosome.rna.assessments import Outcome, Pair, Request, assess_pairs, models_in
from monosome.rna.comparison import Reference
from monosome.rna.files import write_moved
from monosome.rna.metrics import METRICS, Assessment, Detail, Mode, assess
from monosome.rna.motif_scores import summarise
from monosome.rna.nucleotides import ATOM_NAMES
from monosome.rna.tables import read_table
from monosome.rna.validation import Validated, report
from monosome.row import Metric, Row
from monosome.sequences.clusters import cluster_by_identity
from monosome.sequences.relatives import RNA

TITLES = {
    "tm_score": ("TM-score, {atom}", ""),
    "rmsd": ("RMSD, all heavy atoms", "Å"),
    "rmsd_atom": ("RMSD, {atom}", "Å"),
    "lddt": ("lDDT", ""),
    "lddt_stereo": ("lDDT, stereochemistry checked", ""),
    "gdt_ts": ("GDT_TS, {atom}", ""),
    "inf_all": ("INF, all", ""),
    "inf_wc": ("INF, Watson–Crick", ""),
    "inf_nwc": ("INF, other pairs", ""),
    "inf_stack": ("INF, stacking", ""),
    "di": ("deformation index", "Å"),
    "clashscore": ("clashscore", "per 1,000 atoms"),
    "mcq": ("MCQ, torsions", "°"),
    "ermsd": ("eRMSD", ""),
}
"""What tables call the metrics, and their units."""
RISING = ("tm_score", "lddt", "lddt_stereo", "gdt_ts", "inf_all", "inf_wc", "inf_nwc", "inf_stack")
"""Of these more is better."""
NARROW = ("tm_score", "rmsd", "lddt", "gdt_ts", "inf_all", "clashscore", "ermsd")
"""What a table of many models has room for."""


def run(
    model: Path,
    natives: Sequence[Path],
    *,
    request: Request,
    ensemble: bool,
    superposed: Path | None,
    json: bool,
) -> None:
    """Print the scores of one model, against the native that it is closest to, as tables or as one JSON object.

    With `ensemble` every model of the natives' files counts.
    """
    if superposed and superposed.exists():
        raise DataError(f"{superposed} is there already", "give another name, or move it away")
    read = Reference.read_ensemble if ensemble else lambda path: (Reference.read(path),)
    found = assess(
        model,
        [reference for native in natives for reference in read(native)],
        request.atom,
        mode=request.mode,
        metrics=request.metrics,
        details=request.details,
    )
    if superposed:
        _write_superposed(model, superposed, found)
    if json:
        print_json(_as_json(found, request))
        return
    print_table([_title(found), "", ""], [_line(found, name) for name in request.metrics])
    if found.motifs is not None:
        print()
        _print_motifs(found)
    if found.residues is not None:
        print()
        columns = ["residue", "distance (Å)", "lDDT", "MCQ (°)", "eRMSD"]
        rows = [
            [f"{one.chain}.{one.base}{one.number}", *map(number, (one.distance, one.lddt, one.mcq, one.ermsd))]
            for one in found.residues
        ]
        print_table(columns, rows)
    for note in found.notes:
        print(f"note: {note}")


@dataclass(frozen=True)
class Many:
    """How many models are assessed: the CSV of scores, the folder of the report, the processes."""

    out: Path | None
    report: Path | None
    num_workers: int
    json: bool


def run_pairs(table: Path, *, request: Request, many: Many) -> None:
    """Assess every pair of a table. Raises as `run_folder`."""
    rows = list(read_table(table, ("model", "native")))
    if not rows:
        raise DataError(f"{table} has no rows", "give one pair per line under a header with model,native")
    pairs = [(_found(row["model"], table.parent), _found(row["native"], table.parent)) for row in rows]
    _run_many(rows, pairs, request, many)


def run_folder(folder: Path, native: Path, *, request: Request, many: Many) -> None:
    """Assess every structure of a folder against one native, in parallel; write the scores, or print them.

    A pair that cannot be scored has its reason in the column `error`. Raises DataError when none can, or when what is
    to be written is there already.
    """
    models = models_in(folder)
    rows = [{"model": str(model), "native": str(native)} for model in models]
    _run_many(rows, [(model, native) for model in models], request, many)


def _found(name: str, folder: Path) -> Path:
    """Where a file of a table is: from here, else from where the table lies."""
    beside = folder / name
    return beside if not Path(name).exists() and beside.exists() else Path(name)


def _run_many(rows: Sequence[dict[str, str]], pairs: Sequence[Pair], request: Request, many: Many) -> None:
    for place in (many.out, many.report):
        if place is not None and place.exists():
            raise DataError(f"{place} is there already", "give another name, or move it away")
    if many.report:
        request = replace(request, details=("residues", "motifs"))
    outcomes = _assess(pairs, request, many.num_workers)
    failed = [outcome for outcome in outcomes if isinstance(outcome, str)]
    if len(failed) == len(outcomes):
        raise DataError(f"none of {len(pairs)} pairs can be scored; the first: {failed[0]}")
    if many.out is not None:
        cells = [row | _cells(outcome, request) for row, outcome in zip(rows, outcomes, strict=True)]
        write_text(many.out, _csv(cells))
    page = _write_report(rows, pairs, outcomes, request, many.report) if many.report else None
    if many.json:
        found = [_as_json(one, request) if isinstance(one, Assessment) else {"error": one} for one in outcomes]
        print_json({"scores": [row | values for row, values in zip(rows, found, strict=True)]})
        return
    if many.out is None:
        _print_scores(pairs, outcomes, request)
    print_measures(
        measures(_rows(pairs, outcomes), _metrics(request)), title=f"means of {len(pairs) - len(failed)} models"
    )
    if failed:
        print(f"note: {len(failed)} of {len(pairs)} pairs could not be scored; the first: {failed[0]}")
    for what, path in (("scores", many.out), ("open", page)):
        if path is not None:
            print(f"{what}: {path}")


def _write_report(
    rows: Sequence[dict[str, str]], pairs: Sequence[Pair], outcomes: Sequence[Outcome], request: Request, folder: Path
) -> Path:
    """The page; a column `method` of the table parts it, and clusters are those of the natives' sequences."""
    natives = sorted({native for _, native in pairs})
    sequences = [Reference.read(native).whole.sequence for native in natives]
    clusters = dict(zip(natives, cluster_by_identity(sequences, RNA), strict=True))
    models = [
        Validated(*pair, row.get("method", ""), str(clusters[pair[1]]), found)
        for row, pair, found in zip(rows, pairs, outcomes, strict=True)
        if isinstance(found, Assessment)
    ]
    command = shlex.join(["monosome", *sys.argv[1:]])
    return write_report(report(models, _metrics(request), command), folder)


def make_request(metrics: str, *, mode: Mode | None, atom: str, per_residue: bool, per_motif: bool) -> Request:
    """The request for the metrics named in a list, all where it is empty.

    Raises ConfigError for a metric or an atom that does not exist.
    """
    names = [name.strip() for name in metrics.split(",") if name.strip()]
    for name in names:
        if name not in METRICS:
            raise ConfigError(f"there is no metric {name!r}", nearest(name, METRICS))
    if atom not in ATOM_NAMES:
        raise ConfigError(f"RNA has no atom {atom!r}", nearest(atom, ATOM_NAMES))
    chosen = tuple(name for name in METRICS if name in names) or METRICS
    details: tuple[Detail, ...] = (*(("residues",) if per_residue else ()), *(("motifs",) if per_motif else ()))
    return Request(atom, mode, chosen, details)


def _title(found: Assessment) -> str:
    differing = f", {found.num_differing} of another base" if found.num_differing else ""
    return f"{found.num_common} of {found.length} residues, paired by {found.paired_by}{differing}"


def _line(found: Assessment, name: str) -> list[str]:
    title, unit = TITLES[name]
    value = getattr(found, name)
    return [title.format(atom=found.atom), "undefined" if value is None else f"{value:.4f}", unit]


def _as_json(found: Assessment, request: Request) -> dict[str, Any]:
    """The assessment as an object: only the metrics that were asked for, details where they were."""
    values = {name: value for name, value in asdict(found).items() if name not in METRICS or name in request.metrics}
    details = [name for name in ("residues", "motifs") if values[name] is None]
    first = ("length", "mode", "atom")
    scores = {name: values[name] for name in (*first, *request.metrics)}
    return scores | {name: value for name, value in values.items() if name not in (*scores, *details)}


def _print_motifs(found: Assessment) -> None:
    assert found.motifs is not None
    columns = ["motif", "n", "pair F1", "lDDT", "eRMSD", "RMSD (Å)", "angle error (°)"]
    values = ("pair_f1", "lddt", "ermsd", "rmsd", "helix_angle_error")
    rows = [
        [one.kind, str(one.num_motifs), *(number(getattr(one, name)) for name in values)]
        for one in summarise(found.motifs)
    ]
    print_table(columns, rows, title="means over the motifs of the native")


def _write_superposed(model: Path, path: Path, found: Assessment) -> None:
    if found.rotation is None or found.translation is None:
        raise DataError("no superposition was found", "ask for tm_score, and give a model with three residues at least")
    write_moved(model, path, np.array(found.rotation), np.array(found.translation))


def _assess(pairs: Sequence[Pair], request: Request, num_workers: int) -> list[Outcome]:
    """The outcomes in the order of the pairs, with a progress bar."""
    outcomes: dict[int, Outcome] = {}
    columns = (TextColumn("assessing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("assessing", total=len(pairs))
        for place, outcome in assess_pairs(pairs, request, num_workers):
            outcomes[place] = outcome
            progress.advance(bar)
    return [outcomes[place] for place in range(len(pairs))]


def _cells(outcome: Outcome, request: Request) -> dict[str, Any]:
    """The further columns of a row of CSV; empty where undefined."""
    columns = ("length", "num_common", "num_differing", "paired_by", *request.metrics)
    if isinstance(outcome, str):
        return dict.fromkeys(columns, "") | {"error": outcome}
    return {name: getattr(outcome, name) for name in columns} | {"error": ""}


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()} for row in rows
    )
    return text.getvalue()


def _print_scores(pairs: Sequence[Pair], outcomes: Sequence[Outcome], request: Request) -> None:
    """The models that were scored, best first."""
    names = [name for name in request.metrics if name in NARROW] or list(request.metrics)
    scored = [(pair, one) for pair, one in zip(pairs, outcomes, strict=True) if isinstance(one, Assessment)]
    direction = -1 if names[0] in RISING else 1
    scored.sort(key=lambda each: direction * (getattr(each[1], names[0]) or 0.0))
    rows = [[pair[0].name, *(number(getattr(found, name)) for name in names)] for pair, found in scored]
    print_table(["model", *names], rows)
    print()


def _metrics(request: Request) -> list[Metric]:
    return [
        Metric(name, name, TITLES[name][0].format(atom=request.atom), TITLES[name][1], higher_is_better=name in RISING)
        for name in request.metrics
    ]


def _rows(pairs: Sequence[Pair], outcomes: Sequence[Outcome]) -> list[Row]:
    """What intervals are made of: models of one native are not independent."""
    return [
        Row(str(pair[0]), {name: getattr(found, name) for name in METRICS}, found.length, str(pair[1]))
        for pair, found in zip(pairs, outcomes, strict=True)
        if isinstance(found, Assessment)
    ]
