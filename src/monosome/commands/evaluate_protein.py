"""`monosome evaluate protein`: designed proteins judged beside natural ones, with a report."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monosome.commands.output import print_json, print_table
from monosome.errors import DataError
from monosome.evaluate.page import write_report
from monosome.protein.family import load_family
from monosome.protein.formats import Reading, read_file
from monosome.protein.generate import load_generator
from monosome.protein.likelihood import likelihoods
from monosome.protein.plddt import ESMFOLD, predict_plddts, read_plddts
from monosome.protein.quality import MIN_CLUSTERED, Quality, Scores, assess_quality, natural_sample
from monosome.protein.quality_report import quality_cells, quality_data, quality_report
from monosome.sequences import mmseqs
from monosome.sequences.fasta import Record


@dataclass(frozen=True)
class Request:
    """What designs are compared with: natural proteins, and where given a family, a teacher, predicted structures.

    `plddt` folds designs and natural sample with ESMFold; `structures` is a folder of predictions named by design.
    """

    against: Path
    family: Path | None = None
    teacher: str = ""
    plddt: bool = False
    structures: Path | None = None

    def words(self) -> list[str]:
        """The options that say so."""
        return [
            *("--against", str(self.against)),
            *(["--family", str(self.family)] if self.family else []),
            *(["--teacher", self.teacher] if self.teacher else []),
            *(["--plddt"] if self.plddt else []),
            *(["--structures", str(self.structures)] if self.structures else []),
        ]

    def methods(self, program: str | None) -> list[str]:
        """How novelty, family and fold were measured, in sentences."""
        found = [
            f"Novelty by MMseqs2; so are clusters from {MIN_CLUSTERED} proteins on."
            if program
            else "Novelty and clusters by alignment of pairs that share 5-mers; relatives below 40 % may be missed."
        ]
        if self.family:
            found.append(f"Members of the family {self.family.name} have an E-value of at most 0.001 among 1,000.")
        if self.structures:
            found.append("Predicted lDDT is that of the structures given.")
        elif self.plddt:
            found.append(f"Predicted lDDT is that of {ESMFOLD}, of designs and natural sample alike.")
        return found


def run(proteins: Path, request: Request, *, out: Path | None, json: bool) -> None:
    """Judge the proteins of a file; write the report and print the figures."""
    program = mmseqs.find()
    found = judged(proteins, request, program)
    words = ["monosome", "evaluate", "protein", str(proteins), *request.words()]
    report = quality_report(found, shlex.join(words), request.methods(program))
    page = write_report(report, out or proteins.with_name(f"{proteins.stem}-evaluation"))
    if json:
        print_json({"proteins": str(proteins), "report": str(page), **quality_data(found)})
    else:
        columns, rows = quality_cells(found)
        print_table(columns, rows, title=f"{proteins}, {len(found.rows)} proteins")
        print(f"\nreport: {page}")
    for caveat in found.caveats:
        print(f"warning: {caveat}", file=sys.stderr)


def judged(proteins: Path, request: Request, program: str | None) -> Quality:
    """The quality of the proteins of a file."""
    designs = list(read_file(proteins, Reading()))
    natural = list(read_file(request.against, Reading()))
    sample, _ = natural_sample(designs, natural)
    structures = read_plddts(request.structures) if request.structures else {}
    return assess_quality(
        designs,
        natural,
        profile=load_family(request.family) if request.family else None,
        scores=_scores(designs, request, structures),
        natural_scores=_scores(sample, request, {}),
        program=program,
    )


def _scores(records: Sequence[Record], request: Request, structures: Mapping[str, float]) -> Scores:
    """What teacher and fold say of the proteins; raises DataError where no structure is of any of them."""
    sequences = [record.sequence.upper() for record in records]
    teacher = likelihoods(*load_generator(request.teacher), sequences) if request.teacher else []
    if structures:
        plddt: list[float | None] = [structures.get(record.id) for record in records]
        if not any(value is not None for value in plddt):
            raise DataError(
                f"no structure in {request.structures} is named as a design",
                f"name them {records[0].id}.pdb and so on",
            )
        return Scores(teacher, plddt)
    return Scores(teacher, predict_plddts(sequences) if request.plddt else [])
