"""`monosome demo`: both main jobs end to end in four minutes, every figure measured in that run."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import torch

from monosome.commands.demo_report import Made, demo_report
from monosome.commands.fold import Order, write_target
from monosome.commands.train import Trained, train
from monosome.errors import DataError
from monosome.evaluate.page import write_report
from monosome.protein.generate import generate, records
from monosome.protein.sampling import Sample, SamplingSettings
from monosome.rna.predict import Prediction, load
from monosome.sequences.fasta import Record, read_fasta, write_fasta

RNA = ["train.steps=1500", "execution.evaluate_every=500", "execution.save_every=500"]
"""About 80 s. The held-out hairpins and duplexes have combinations of stem and loop that training never sees."""
TEACHER = ["train.steps=120"]
STUDENT = ["train.steps=120", "data.num_samples=60"]
NUM_SAMPLES = 20
COMMAND = "monosome demo"


def run(out: Path) -> None:
    """Make everything below `out`; say what was made, where, and what to type next.

    Raises DataError when `out` holds something else. Interrupted, it goes on where it was stopped.
    """
    _claim(out)
    torch.set_num_threads(1)  # networks this small gain little from a second, and lose much where it has to be shared
    seconds: dict[str, float] = {}
    with _timed(seconds, "training BetaRho on hairpins and duplexes of ideal A-form geometry"):
        rna = _trained("rna/micro", RNA, out / "betarho")
    with _timed(seconds, "folding three well-known RNAs with the weights that come with the package"):
        folded = _fold(out)
    with _timed(seconds, "training a stand-in teacher on well-known proteins"):
        teacher = _trained("protein/micro", TEACHER, out / "teacher")
    with _timed(seconds, "distilling a student from the teacher, on proteins and on what the teacher samples"):
        student = _trained("protein/micro", [*STUDENT, f"loss.teacher={out / 'teacher' / 'model'}"], out / "student")
    with _timed(seconds, "sampling proteins from the student"):
        sampled = _sample(out)
    made = Made(rna, folded, teacher, student, sampled, seconds)
    page = write_report(demo_report(made, COMMAND), out)
    _conclude(out, page, sum(seconds.values()))


def _claim(out: Path) -> None:
    """Refuse a folder that holds anything but an earlier demo."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file", "monosome demo --out ANOTHER")
    if out.is_dir() and any(out.iterdir()) and not (out / "betarho").is_dir():
        raise DataError(f"{out} holds something else already", "monosome demo --out ANOTHER")


@contextmanager
def _timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    print(f"{len(seconds) + 1}/5 {what}", file=sys.stderr, flush=True)
    started = time.monotonic()
    yield
    seconds[what] = time.monotonic() - started


def _trained(recipe: str, settings: Sequence[str], folder: Path) -> Trained:
    trained = train(recipe, settings, out=folder)
    if trained.outcome.interrupted:
        sys.exit(130)
    return trained


def _fold(out: Path) -> list[tuple[Record, list[Prediction]]]:
    """The package's well-known RNAs, folded with its own weights."""
    with resources.as_file(resources.files("monosome.rna") / "known.fasta") as path:
        known = read_fasta(path)
    predictor = load()
    folded = [(record, predictor.fold(record.sequence, id=record.id)) for record in known]
    for record, predictions in folded:
        write_target(out / "structures" / record.id, record, predictions, predictor, Order(COMMAND))
    return folded


def _sample(out: Path) -> list[Sample]:
    settings = SamplingSettings(max_length=256, repetition_penalty=1.0, top_k=0)
    samples = generate(str(out / "student"), NUM_SAMPLES, settings)
    write_fasta(records(samples), out / "sampled.fasta")
    return samples


def _conclude(out: Path, page: Path, seconds: float) -> None:
    print(f"""
made in {seconds:.0f} s:
  {page}  the report: open it in a browser
  {out / "structures"}  three RNAs, five structures each, as mmCIF
  {out / "betarho"}, {out / "teacher"}, {out / "student"}  the trained models
  {out / "sampled.fasta"}  proteins that the student made up

next:
  monosome fold GGCGAACUGCGAAAGCAGUUCGCC -o hairpin
  monosome train rna/micro data.path=FOLDER_OF_STRUCTURES
  monosome distill nferruz/ProtGPT2 --size tiny --data PROTEINS.fasta""")
