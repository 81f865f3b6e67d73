"""A protein task for the laws: 64 blocks of natural proteins, a student and a teacher of a few thousand weights."""

import os
import tempfile
from functools import cache
from pathlib import Path

from monosome.config import build, override, read_recipe
from monosome.protein.recipe import GPT2Config, ProteinConfig
from monosome.protein.student import build_student
from monosome.protein.task import DistillationTask

SMALL = (
    "data.block_length=96",
    "data.max_valid=6",
    "data.proportion=0.5",
    "model.num_layers=2",
    "model.num_heads=2",
    "model.width=16",
    "optim.warmup_steps=2",
)

_FOLDER = tempfile.TemporaryDirectory(prefix="monosome-laws-")


@cache
def _teacher() -> Path:
    """A teacher that knows nothing, the same in every process."""
    folder = Path(_FOLDER.name)
    os.environ.setdefault("MONOSOME_CACHE", str(folder / "cache"))
    tokenizer = protein_task(teacher="").tokenizer
    size = GPT2Config(num_layers=1, num_heads=2, width=24, positions=256)
    build_student(size, tokenizer.vocab_size, seed=1).save_pretrained(folder / "teacher")  # type: ignore[operator]
    tokenizer.save(folder / "teacher")
    return folder / "teacher"


def protein_task(*assignments: str, teacher: str | None = None) -> DistillationTask:
    place = str(_teacher()) if teacher is None else teacher
    settings = [*SMALL, f"loss.teacher={place}", *assignments]
    return DistillationTask(build(ProteinConfig, override(read_recipe("protein/micro"), settings)))
