"""Proteins from a trained model, wherever it lies: loaded, sampled, written as FASTA records."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from monosome.config import build
from monosome.errors import CheckpointError
from monosome.hardware.detect import detect
from monosome.protein.composition import composition_kl
from monosome.protein.pretrained import load_language_model, locate
from monosome.protein.recipe import ProteinConfig
from monosome.protein.sampling import Sample, SamplingSettings, sample
from monosome.protein.task import DistillationTask
from monosome.protein.tokens import ProteinTokenizer, load_tokenizer
from monosome.sequences.fasta import Record
from monosome.train.checkpoint import find, load_manifest, load_weights


def load_generator(place: str) -> tuple[nn.Module, ProteinTokenizer]:
    """A language model and its tokenizer, on the best device present, in evaluation mode.

    `place` is a run (its exported model, else its best checkpoint), a checkpoint, a folder that transformers loads, or
    a Hub name. Raises CheckpointError or DataError where one of the two is missing.
    """
    model, tokenizer = _from_checkpoint(Path(place)) if _is_checkpoint(place) else _from_transformers(place)
    return model.to(detect("auto").torch_device).eval(), tokenizer


def _from_transformers(place: str) -> tuple[nn.Module, ProteinTokenizer]:
    tokenizer = load_tokenizer(locate(place))
    return load_language_model(place), tokenizer


def _is_checkpoint(place: str) -> bool:
    folder = Path(place)
    if not folder.is_dir():
        return False
    try:
        locate(place)
    except CheckpointError:
        find(folder)
        return True
    return False


def _from_checkpoint(folder: Path) -> tuple[nn.Module, ProteinTokenizer]:
    checkpoint = find(folder)
    task = DistillationTask(build(ProteinConfig, load_manifest(checkpoint).config))
    model = task.model()
    load_weights(model, checkpoint)
    return model, task.tokenizer


def generate(checkpoint: str, num: int = 10, settings: SamplingSettings | None = None) -> list[Sample]:
    """`num` proteins sampled from the model at `checkpoint`, each with its perplexity."""
    model, tokenizer = load_generator(checkpoint)
    return sample(model, tokenizer, num, settings or SamplingSettings())


def records(samples: Sequence[Sample], stamp: str = "") -> list[Record]:
    """The samples that have residues as FASTA records; what is no letter shows as X, and the header says so.

    The header ends with `stamp`, such as where the sample comes from.
    """
    return [
        Record(f"sample_{one.index + 1}", _description(one, stamp), re.sub("[^A-Z]", "X", one.sequence.upper()))
        for one in samples
        if one.sequence
    ]


def _description(one: Sample, stamp: str) -> str:
    facts = [f"length={len(one.sequence)}"]
    if one.perplexity is not None:
        facts.append(f"perplexity={one.perplexity:.2f}")
    if one.perplexity_per_residue is not None:
        facts.append(f"perplexity_per_residue={one.perplexity_per_residue:.2f}")
    return " ".join([*facts, *([one.fault] if one.fault else []), *([stamp] if stamp else [])])


def sample_summary(samples: Sequence[Sample]) -> dict[str, Any]:
    """Counts, mean length and perplexity, and the composition's KL against Swiss-Prot; None where undefined."""
    full = [one for one in samples if one.sequence]
    perplexities = [one.perplexity for one in full if one.perplexity is not None]
    return {
        "num": len(samples),
        "num_valid": sum(one.is_valid for one in samples),
        "num_truncated": sum(one.is_truncated for one in samples),
        "num_out_of_range": sum(not one.is_in_range for one in full),
        "num_empty": len(samples) - len(full),
        "mean_length": _mean([float(len(one.sequence)) for one in full]),
        "mean_perplexity": _mean(perplexities),
        "composition_kl": composition_kl(one.sequence for one in full) if full else None,
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
