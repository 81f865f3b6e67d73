"""The demo's report: what was trained, what it reached, and beside it what a model that learned nothing reaches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monosome.commands.train import Trained
from monosome.evaluate.figures import bars, curves
from monosome.evaluate.page import Chapter, Picture, Report, Table
from monosome.evaluate.rows import Measure, as_json, interval_text, measure_cells, number
from monosome.hardware.detect import detect
from monosome.protein.sampling import Sample
from monosome.rna.drawing import arcs_svg, structure_svg
from monosome.rna.pairing import Pairs, pairs_of
from monosome.rna.predict import Prediction
from monosome.sequences.fasta import Record
from monosome.train.journal import read_journal

PAIR_RANGE = (9.0, 12.0)
"""C1'–C1' distances of Watson–Crick and wobble pairs in Å (95 % lie between 8.9 and 11.1; measured, 83 stems)."""


@dataclass(frozen=True)
class Made:
    """Everything that the demo measured."""

    rna: Trained
    folded: Sequence[tuple[Record, list[Prediction]]]
    teacher: Trained
    student: Trained
    sampled: Sequence[Sample]
    seconds: dict[str, float]


def demo_report(made: Made, command: str) -> Report:
    """The whole report, from figures of this run alone."""
    rna, student = _by_name(made.rna), _by_name(made.student)
    return Report(
        title="monosome: RNA structures and small protein language models",
        summary=(
            f"In {sum(made.seconds.values()):.0f} s on {_machine()}: BetaRho came within "
            f"{number(rna['rmsd'].interval.value)} Å of held-out shapes (a straight helix: "
            f"{number(rna['rmsd_helix'].interval.value)} Å), and a student of a small protein model a perplexity of "
            f"{number(student['perplexity'].interval.value)} on held-out families (unigram floor: "
            f"{number(student['unigram_perplexity'].interval.value)})."
        ),
        command=command,
        chapters=[_rna(made.rna), *_folded(made.folded), _protein(made), _sampled(made), _time(made)],
        data={
            "seconds": made.seconds,
            "rna": as_json(made.rna.measures),
            "teacher": as_json(made.teacher.measures),
            "student": as_json(made.student.measures),
        },
        next_steps=[
            ("monosome fold GGCGAACUGCGAAAGCAGUUCGCC -o hairpin", "folds a sequence."),
            ("monosome train rna/micro data.path=FOLDER", "trains on your own structures (PDB, mmCIF)."),
            ("monosome distill nferruz/ProtGPT2 --data PROTEINS.fasta", "distills the real teacher (needs a network)."),
            ("monosome explain", "lists every setting with its meaning."),
        ],
    )


def _rna(trained: Trained) -> Chapter:
    found = _by_name(trained)
    rmsd = {"straight helix": found["rmsd_helix"], "BetaRho": found["rmsd"]}
    return Chapter(
        "BetaRho on hairpins and duplexes it has not seen",
        "A micro model trained on ideal A-form hairpins and duplexes, scored on stems and loops whose combination was "
        "held out. This shows that the network learns; natural RNA is folded below, with other weights. Below 30 "
        "nucleotides TM-score wants half an Å, and half a hairpin is a straight helix: RMSD and lDDT say more. "
        f"n = {found['tm_score'].interval.num_examples} chains of "
        f"{found['tm_score'].interval.num_groups} shapes; intervals resample shapes.",
        [
            Picture(_bars(rmsd, y="RMSD of C1' (Å)", floors=["straight helix"]), _rmsd_caption(found)),
            Picture(_curve(trained, "step"), "Training loss by step, and the loss on held-out shapes."),
            Table(*measure_cells(trained.measures)),
        ],
    )


def _rmsd_caption(found: dict[str, Measure]) -> str:
    model, floor = found["rmsd"].interval, found["rmsd_helix"].interval
    return f"RMSD after superposition: {interval_text(model)} Å; a straight helix has {interval_text(floor)} Å."


def _folded(folded: Sequence[tuple[Record, list[Prediction]]]) -> list[Chapter]:
    rows, pictures = [], []
    for record, predictions in folded:
        best = predictions[0]
        pairs = pairs_of(best.structure)
        made, total = _pairs_made(best, pairs)
        rows.append(
            [record.id, str(len(best.chain)), str(len(predictions)), f"{best.mean_plddt:.1f}", f"{made} of {total}"]
        )
        title = f"{record.id}, {len(best.chain)} nt"
        pictures.append(Picture(structure_svg(best.chain, best.plddt, pairs, title=title), record.description))
        pictures.append(
            Picture(arcs_svg(best.chain.sequence, pairs, [], title="Base pairs"), "Those that the model starts from.")
        )
    text = (
        "Folded with the weights that come with the package, trained on natural RNA, not by the model above. On RNAs "
        "without a relative in training their mean TM-score is .26 (weights/betarho-micro/README.md); relatives of "
        "these three were trained on. Expect the helices, not a tertiary fold. "
        "Pairs made counts the expected base pairs whose C1' atoms ended up 9 to 12 Å apart."
    )
    table = Table(["RNA", "nt", "structures", "pLDDT of model 1", "pairs made"], rows)
    return [Chapter("Three well-known RNAs", text, [table, *pictures])]


def _pairs_made(prediction: Prediction, pairs: Pairs) -> tuple[int, int]:
    places = prediction.chain.atom("C1'")
    distances = [float(np.linalg.norm(places[i] - places[j])) for i, j in pairs]
    return sum(PAIR_RANGE[0] <= distance <= PAIR_RANGE[1] for distance in distances), len(pairs)


def _protein(made: Made) -> Chapter:
    teacher, student = _by_name(made.teacher), _by_name(made.student)
    perplexities = {
        "uniform": student["uniform_perplexity"],
        "unigram": student["unigram_perplexity"],
        "student": student["perplexity"],
        "teacher": teacher["perplexity"],
    }
    ratio = student["perplexity_ratio"].interval
    return Chapter(
        "A student distilled from a stand-in teacher",
        "Teacher and student learn from well-known natural proteins; whole families are held out. With so little data "
        "most of the gain over the unigram floor is the text format (line breaks every 60 residues, the start "
        "methionine), which is why the table also has the figure without line breaks. Perplexity ratio "
        f"student / teacher {interval_text(ratio)}, n = {ratio.num_examples} proteins of {ratio.num_groups} families.",
        [
            Picture(
                _bars(perplexities, y="perplexity per token", floors=["uniform", "unigram"]), "Held-out perplexity."
            ),
            Picture(
                _curve(made.student, "step"), "The student's training loss by step, and its loss on held-out families."
            ),
            Table(*measure_cells(made.student.measures), caption="The student."),
            Table(*measure_cells(made.teacher.measures), caption="The teacher."),
        ],
    )


def _sampled(made: Made) -> Chapter:
    valid = [one for one in made.sampled if one.is_valid]
    rows = [
        [one.sequence[:80] + "…" * (len(one.sequence) > 80), str(len(one.sequence)), number(one.perplexity)]
        for one in valid[:5]
    ]
    text = (
        f"{len(valid)} of {len(made.sampled)} sampled sequences are whole proteins of the 20 amino acids. A model of "
        "this size makes up sequences of natural composition, not folds."
    )
    return Chapter(
        "Proteins that the student made up", text, [Table(["sequence", "residues", "its own perplexity"], rows)]
    )


def _time(made: Made) -> Chapter:
    rows = [[what, f"{seconds:.1f} s"] for what, seconds in made.seconds.items()]
    return Chapter("Where the time went", f"On {_machine()}.", [Table(["part", "time"], rows)])


def _by_name(trained: Trained) -> dict[str, Measure]:
    return {measure.metric.name: measure for measure in trained.measures}


def _bars(found: dict[str, Measure], *, y: str, floors: Sequence[str]) -> str:
    values = {name: (m.interval.value, m.interval.low, m.interval.high) for name, m in found.items()}
    return bars(values, y=y, title=y, floors=floors)


def _curve(trained: Trained, x: str) -> str:
    lines: list[dict[str, Any]] = read_journal(trained.outcome.folder)
    steps = [(float(line["step"]), line["loss"]) for line in lines if "loss" in line]
    held_out = [(float(line["step"]), line["evaluation"]["loss"]) for line in lines if "evaluation" in line]
    series = {"training": steps, "held out": held_out}
    return curves({name: points for name, points in series.items() if points}, x=x, y="loss", title="Loss")


def _machine() -> str:
    device = detect()
    return f"{device.name} ({device.cores} cores)" if device.kind == "cpu" else device.name
