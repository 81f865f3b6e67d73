"""`monosome fold`: structures from sequences, a folder per target, best model first."""

import json as json_text
import re
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import track

from monosome.atomic import replacing
from monosome.commands.output import print_json, print_table
from monosome.errors import DataError
from monosome.evaluate.page import Chapter, Picture, Report, Table, write_report
from monosome.evaluate.scene import Scene, Stage
from monosome.rna.chain import split
from monosome.rna.dotbracket import with_breaks
from monosome.rna.drawing import arcs_svg, structure_svg
from monosome.rna.evidence import Given
from monosome.rna.files import write_structure
from monosome.rna.nucleotides import parse_sequence
from monosome.rna.pairing import pairs_of
from monosome.rna.predict import Prediction, Predictor, load, order_reason
from monosome.rna.scene import scene
from monosome.rna.templates import TemplateLibrary, Templates
from monosome.sequences.fasta import Record, iter_fasta

HOW_TO_TURN = (
    "Coloured by predicted lDDT (dark blue above 90, light blue above 70, yellow above 50, orange below); candidates "
    "lie on the first. Turn with the mouse. Pick a residue in the structure, the map or the sequence, or step through "
    "the sequence with the arrow keys: the others follow."
)
FASTA_SUFFIXES = (".fasta", ".fa", ".fna", ".fas", ".txt", ".gz")


def run(
    targets: str,
    out: Path,
    *,
    checkpoint: Path | None,
    num_models: int,
    format: Literal["cif", "pdb"],
    seed: int,
    given: Given,
    json: bool,
) -> None:
    """Fold every target and say what was made.

    Raises DataError where files are `given`, which are of one RNA, and there are several.
    """
    records = read_targets(targets)
    if len(records) > 1 and replace(given, templates=None) != Given():
        files = "--ss, --msa, --shape and --embedding"
        raise DataError(f"{files} are of one RNA, and there are {len(records)}", "fold them one by one")
    folders = _folders(out, records)
    if len(records) > 1 and (out / "report.html").exists():
        raise DataError(f"{out / 'report.html'} is there already", "choose another folder with --out")
    predictor = load(checkpoint)
    order = Order(shlex.join(["monosome", *sys.argv[1:]]), given, format)
    for use in given.uses(predictor.config.model.inputs):
        if not use.is_used:
            print(f"note: {use.what} is not used: {use.why}", file=sys.stderr)
    made: list[dict[str, Any]] = []
    scenes: list[Scene] = []
    console = Console(stderr=True)
    for record, folder in track(
        list(zip(records, folders, strict=True)),
        description="folding",
        console=console,
        disable=not console.is_terminal,
    ):
        started = time.monotonic()
        _refuse_filled(folder)  # again: where case does not count, an earlier target may have the same one
        predictions = predictor.fold(record.sequence, id=record.id, num_models=num_models, seed=seed, given=given)
        write_target(folder, record, predictions, predictor, order)
        scenes.append(scene(record.id, predictions))
        made.append(
            {
                "id": record.id,
                "length": len(predictions[0].chain),
                "folder": str(folder),
                "mean_plddt": [round(prediction.mean_plddt, 2) for prediction in predictions],
                "seconds": round(time.monotonic() - started, 2),
            }
        )
    page = folders[0] / "report.html"
    if len(records) > 1:
        page = write_report(_overview(made, scenes, predictor, order.command), out)
    if json:
        print_json({"targets": made, "checkpoint": predictor.name, "fingerprint": predictor.fingerprint})
        return
    rows = [[t["id"], str(t["length"]), f"{t['mean_plddt'][0]:.1f}", f"{t['seconds']:.1f}", t["folder"]] for t in made]
    print_table(["target", "nt", "pLDDT of model 1", "seconds", "folder"], rows)
    print(f"\nopen: {page}\nnext: monosome assess {folders[0] / f'model_1.{format}'} NATIVE")


def with_templates(files: Given, template: Path | None, *, before: str, identity: float) -> Given:
    """What a user gives, known structures too; DataError for a day that is none, or a library that cannot be read."""
    if before != "any" and not re.fullmatch(r"\d{4}-\d\d-\d\d", before):
        raise DataError(f"--template-before {before} is no day", "write YYYY-MM-DD, or any")
    if template is None:
        return files
    library = TemplateLibrary.read(template)
    if before == "any" and identity == 1:
        print(
            "note: templates of any day and any identity: to measure how good models are, limit both", file=sys.stderr
        )
    return replace(files, templates=Templates(library, before, identity))


def read_targets(targets: str) -> list[Record]:
    """Records of a FASTA file, or the one sequence that was typed; letters are checked, T is read as U.

    Strands of one molecule are written with `&` between them, or as records of one name; copies are written so often.
    Raises DataError naming the record and the letter that is no RNA.
    """
    if not targets or not (Path(targets).suffix.lower() in FASTA_SUFFIXES or _exists(targets)):
        return [_parsed(Record("query", "", targets))]
    molecules: dict[str, Record] = {}
    for record in iter_fasta(Path(targets), unique=False):
        known = molecules.get(record.id)
        joined = replace(known, sequence=f"{known.sequence}&{record.sequence}") if known else record
        molecules[record.id] = joined
    return [_parsed(record) for record in molecules.values()]


def _exists(text: str) -> bool:
    """Whether the text names a file or a folder; a sequence may be longer than a name can be, which is an error."""
    try:
        return Path(text).exists()
    except OSError:
        return False


def _parsed(record: Record) -> Record:
    strands = record.sequence.split("&")
    letters = []
    for number, strand in enumerate(strands, start=1):
        name = f"{record.id}, strand {number}" if len(strands) > 1 else record.id
        try:
            sequence, notes = parse_sequence(strand)
        except DataError as error:
            raise DataError(f"{name}: {error.message}", error.hint) from error
        letters.append(sequence)
        for note in notes:
            print(f"note: {name}: {note}", file=sys.stderr)
    if len(letters) > 1:
        print(f"note: {record.id}: {len(letters)} strands, folded together", file=sys.stderr)
    return Record(record.id, record.description, "&".join(letters))


def _folders(out: Path, records: Sequence[Record]) -> list[Path]:
    """A folder for each target, its name made safe for any file system; refuses one that holds something already."""
    targets: dict[Path, str] = {}
    for record in records:
        folder = out / (re.sub(r"[^\w.+-]", "_", record.id).strip(".") or "target")
        if folder in targets:
            raise DataError(f"{targets[folder]!r} and {record.id!r} would both go to {folder}", "rename one of them")
        _refuse_filled(folder)
        targets[folder] = record.id
    return list(targets)


def _refuse_filled(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is there already", "choose another folder with --out")


@dataclass(frozen=True)
class Order:
    """What was asked for: the command as it was typed, what was given, the format of the files."""

    command: str
    given: Given = field(default_factory=Given)
    format: Literal["cif", "pdb"] = "cif"


def write_target(
    folder: Path, record: Record, predictions: Sequence[Prediction], predictor: Predictor, order: Order
) -> None:
    """Write model_1…, confidence.json and report.html of one target, all or nothing."""
    with replacing(folder) as temporary:
        temporary.mkdir()
        for number, prediction in enumerate(predictions, start=1):
            path = temporary / f"model_{number}.{order.format}"
            strands = split(prediction.chain)
            write_structure(strands, path, b_factors=prediction.plddt, format=order.format, name=record.id)
        confidence = _confidence(record, predictions, predictor, order)
        (temporary / "confidence.json").write_text(json_text.dumps(confidence, indent=1))
        write_report(_report(record, predictions, confidence, order.command), temporary)


def _confidence(
    record: Record, predictions: Sequence[Prediction], predictor: Predictor, order: Order
) -> dict[str, Any]:
    models = [
        {
            "file": f"model_{number}.{order.format}",
            "mean_plddt": round(prediction.mean_plddt, 3),
            "plddt": [round(float(value), 2) for value in prediction.plddt],
            "ptm": round(prediction.ptm, 3),
            "secondary_structure": with_breaks(prediction.structure, prediction.chain.segments),
            "origin": prediction.origin,
        }
        for number, prediction in enumerate(predictions, start=1)
    ]
    chain = predictions[0].chain
    return {
        "id": record.id,
        "sequence": with_breaks(chain.sequence, chain.segments),
        "strands": [{"chain": strand.id, "length": len(strand)} for strand in split(chain)],
        "given": [asdict(use) for use in order.given.uses(predictor.config.model.inputs)],
        "order": order_reason(predictions),
        "checkpoint": predictor.name,
        "fingerprint": predictor.fingerprint,
        "models": models,
    }


def _report(record: Record, predictions: Sequence[Prediction], confidence: dict[str, Any], command: str) -> Report:
    best = predictions[0]
    rows = [
        [f"model {number}", f"{prediction.mean_plddt:.1f}", model["secondary_structure"], prediction.origin]
        for number, (prediction, model) in enumerate(zip(predictions, confidence["models"], strict=True), start=1)
    ]
    pictures = [
        Picture(
            structure_svg(prediction.chain, prediction.plddt, pairs_of(prediction.structure), title=f"Model {number}"),
            f"Model {number} from two sides: backbone coloured by predicted lDDT (orange below 50, yellow below 70, "
            "light blue below 90), bases as rods, base pairs dotted.",
        )
        for number, prediction in enumerate(predictions, start=1)
    ]
    arcs = arcs_svg(best.chain.sequence, pairs_of(best.structure), [], title="Secondary structure of model 1")
    return Report(
        title=f"{record.id}: {len(best.chain)} nucleotides",
        summary=f"{len(predictions)} structures, mean predicted lDDT {best.mean_plddt:.1f} of 100 for the first. "
        "Predicted lDDT is the network's own estimate of how well local distances are right.",
        command=command,
        chapters=[
            Chapter(
                "In three dimensions",
                HOW_TO_TURN,
                [Stage([scene(record.id, predictions)])],
            ),
            Chapter(
                "Candidates",
                f"Ordered {order_reason(predictions)}.",
                [Table(["model", "mean pLDDT", "secondary structure", "made from"], rows)],
            ),
            *_given(confidence["given"]),
            Chapter(
                "Side by side",
                "Flat views along the principal axes; the mmCIF or PDB files hold all heavy atoms.",
                pictures,
            ),
            Chapter(
                "Base pairs",
                "Those that model 1 starts from.",
                [Picture(arcs, "Arcs join paired bases.", wide=True)],
            ),
        ],
        data={"confidence": confidence},
    )


def _overview(made: Sequence[dict[str, Any]], scenes: Sequence[Scene], predictor: Predictor, command: str) -> Report:
    """The page beside the targets' folders: all of them on one stage."""
    columns = ["target", "nt", "mean pLDDT of each model", "seconds", "folder"]
    rows = [
        [
            target["id"],
            str(target["length"]),
            ", ".join(f"{value:.1f}" for value in target["mean_plddt"]),
            f"{target['seconds']:.1f}",
            Path(target["folder"]).name,
        ]
        for target in made
    ]
    return Report(
        title=f"{len(made)} RNAs",
        summary=f"{sum(len(one['mean_plddt']) for one in made)} structures by {predictor.name}. Predicted lDDT is "
        "the network's own estimate of how well local distances are right, 0 to 100.",
        command=command,
        chapters=[
            Chapter("In three dimensions", HOW_TO_TURN, [Stage(scenes)]),
            Chapter("Targets", "Each folder has a page of its own.", [Table(columns, rows)]),
        ],
        data={"targets": list(made), "checkpoint": predictor.name, "fingerprint": predictor.fingerprint},
    )


def _given(uses: Sequence[dict[str, Any]]) -> list[Chapter]:
    """What became of what was given, if there was something."""
    rows = [[use["what"], "used" if use["is_used"] else "not used", use["why"]] for use in uses]
    chapter = Chapter("Given", "What was known besides the sequence.", [Table(["what", "", "how"], rows)])
    return [chapter] if rows else []
