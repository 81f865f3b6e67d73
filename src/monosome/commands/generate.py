"""`monosome generate`: a library of proteins sampled from a language model, as FASTA and CSV."""

import sys
from dataclasses import asdict
from pathlib import Path

from monosome.commands.output import print_json
from monosome.errors import ConfigError
from monosome.protein.generate import records
from monosome.protein.library import Faulty, Order, make_library
from monosome.protein.sampling import BATCH, SamplingSettings
from monosome.protein.tokens import AMINO_ACIDS
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
    residues: str = "",
    prefix: str = "",
    keep_best: str = "100%",
    faulty: Faulty = "flag",
    batch: int = BATCH,
) -> None:
    """Sample proteins and write them to `out`, else to stdout; with `json` say what came out instead.

    Raises DataError when `out` is there already, ConfigError for lengths and shares that cannot be read.
    """
    lengths = parse_residues(residues) if residues else None
    settings = SamplingSettings(max_length, temperature, top_k, repetition_penalty, seed, lengths, prefix.upper())
    library = make_library(checkpoint, Order(num, settings, faulty, parse_share(keep_best), batch), out)
    facts = library.facts
    if json:
        proteins = [{**asdict(one), "is_valid": one.is_valid} for one in library.samples]
        print_json({"checkpoint": checkpoint, "out": str(out) if out else None, **facts, "proteins": proteins})
    elif out is None:
        write_fasta(records(library.samples), sys.stdout)
    else:
        print(
            f"{out}: {facts['num_written']} written of {facts['num']} drawn, of which {facts['num_valid']} are whole "
            f"proteins of the {len(AMINO_ACIDS)} amino acids"
        )
    wanted = num if faulty == "redraw" else 0
    if facts["num_whole_and_distinct"] < wanted:
        print(
            f"warning: {facts['num_whole_and_distinct']} whole and distinct proteins came of {facts['num']} draws: "
            "is the model trained, and are the lengths those of its proteins?",
            file=sys.stderr,
        )


def parse_residues(text: str) -> tuple[int, int]:
    """Fewest and most residues of "120:160"."""
    least, _, most = text.partition(":")
    if not (least.isdecimal() and most.isdecimal() and 0 < int(least) <= int(most)):
        raise ConfigError(f"--residues {text} is no range of lengths", "write --residues 120:160")
    return int(least), int(most)


def parse_share(text: str) -> float:
    """The share that "5%" or "0.05" names."""
    number = text.strip().removesuffix("%")
    try:
        share = float(number) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ConfigError(f"--keep-best {text} is no share", "write --keep-best 5%, or --keep-best 0.05")
    return share
