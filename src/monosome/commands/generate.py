"""`monosome generate`: proteins sampled from a language model, as FASTA."""

import sys
from dataclasses import asdict
from pathlib import Path

from monosome.commands.output import print_json
from monosome.errors import DataError
from monosome.protein.generate import generate, records, sample_summary
from monosome.protein.sampling import SamplingSettings
from monosome.sequences.fasta import write_fasta


def run(
    checkpoint: str,
    *,
    num: int,
    out: Path | None,
    max_length: int,
    temperature: float,
    top_k: int,
    repetition_penalty: float,
    seed: int,
    json: bool,
) -> None:
    """Sample proteins and write them to `out`, else to stdout; with `json` say what came out instead.

    Raises DataError when `out` is there already.
    """
    if out is not None and out.exists():
        raise DataError(f"{out} is there already", "give another name with -o, or move it away")
    settings = SamplingSettings(max_length, temperature, top_k, repetition_penalty, seed)
    samples = generate(checkpoint, num, settings)
    summary = sample_summary(samples)
    if out is not None:
        write_fasta(records(samples), out)
    if json:
        proteins = [{**asdict(one), "is_valid": one.is_valid} for one in samples]
        print_json({"checkpoint": checkpoint, "out": str(out) if out else None, **summary, "proteins": proteins})
    elif out is None:
        write_fasta(records(samples), sys.stdout)
    else:
        print(f"{out}: {summary['num_valid']} of {num} are whole proteins of the 20 amino acids")
