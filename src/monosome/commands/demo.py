"""`monosome demo`: both main jobs end to end in four minutes, every figure measured in that run."""

import sys
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from monosome import __version__
from monosome.atomic import write_text
from monosome.commands.output import print_measures
from monosome.commands.train import Trained, train
from monosome.errors import DataError
from monosome.evaluate.figures import bars, curves
from monosome.evaluate.page import Chapter, Picture, Report, Table, write_report
from monosome.evaluate.rows import Measure, as_json, interval_text, measure_cells, number
from monosome.hardware.detect import detect
from monosome.rna.drawing import arcs_svg, structure_svg
from monosome.rna.files import write_structure
from monosome.rna.pairing import pairs_of
from monosome.rna.predict import Prediction, load
from monosome.sequences.fasta import read_fasta, write_fasta
from monosome.train.journal import read_journal

MARKER = "demo.txt"


def run(out: Path) -> None:
    """Make everything below `out` and say what was made, where, and what to type next."""
    started = time.monotonic()
    _claim(out)
    _say("1/4 training BetaRho on hairpins and duplexes built from ideal A-form geometry")
    rna = train("rna/micro", RNA_SETTINGS, out=out / "betarho")
    _say("2/4 folding three well-known RNAs with it")
    folded = _fold(out)
    _say("3/4 training a stand-in teacher on well-known proteins")
    teacher = train("protein/micro", TEACHER_SETTINGS, out=out / "teacher")
    _say("4/4 distilling a student from the teacher")
    student = train(
        "protein/micro", [*STUDENT_SETTINGS, f"teacher.path={out / 'teacher' / 'model'}"], out=out / "student"
    )
    sampled = _sample(out)
    seconds = time.monotonic() - started
    page = write_report(_report(out, rna, folded, teacher, student, sampled, seconds), out)
    _conclude(out, page, [("BetaRho", rna), ("student", student)], seconds)
