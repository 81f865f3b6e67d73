"""`monosome likelihood`: how likely proteins and their variants are to a language model."""

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from monosome.atomic import replacing
from monosome.commands.output import print_json, print_table
from monosome.errors import DataError
from monosome.evaluate.intervals import Interval
from monosome.evaluate.rows import interval_text, number
from monosome.protein.formats import Reading, read_file
from monosome.protein.generate import load_generator
from monosome.protein.likelihood import Likelihood, likelihoods
from monosome.protein.tokens import parse_protein
from monosome.protein.variants import is_variant_table, read_variants, spearman, wild_type

SHOWN = 20
"""Rows that are printed; a file and --json have all."""


def run(checkpoint: str, proteins: Path, *, out: Path | None, json: bool) -> None:
    """Score the proteins of a file; write a CSV file to `out` where it is given, and print what was found.

    Raises DataError when `out` is there already.
    """
    if out is not None and out.exists():
        raise DataError(f"{out} is there already", "give another name with -o, or move it away")
    found = likelihood(checkpoint, proteins)
    if out is not None:
        _write(found["rows"], out)
    if json:
        print_json(found)
        return
    rows = found["rows"]
    columns = list(rows[0])
    cells = [[_cell(row[column]) for column in columns] for row in rows[:SHOWN]]
    print_table(columns, cells, title=f"{checkpoint}, {len(rows)} proteins")
    if len(rows) > SHOWN:
        print(f"the first {SHOWN} of {len(rows)}; -o FILE.csv writes all")
    if found.get("spearman"):
        print(f"\nSpearman with the measured fitness: {interval_text(Interval(**found['spearman']))}")
    if out is not None:
        print(f"\nwritten: {out}")


def likelihood(checkpoint: str, proteins: str | Path) -> dict[str, Any]:
    """Log-likelihood (nats) and perplexity of each protein of a file, in its order, as `rows`.

    Of a table with ProteinGym's columns also `difference`, the log-likelihood less the wild type's, and `spearman`, its
    rank correlation with DMS_score with a 95 % interval; None where the table does not name substitutions or fitness.
    """
    path = Path(proteins)
    model, tokenizer = load_generator(checkpoint)
    if is_variant_table(path):
        variants = read_variants(path)
        parent = wild_type(variants)
        extra = [parent] if parent else []
        scored = likelihoods(model, tokenizer, [*(each.sequence for each in variants), *extra])
        base = scored[-1].log_likelihood if parent else None
        rows = [
            {
                "id": variant.mutant or str(place),
                **_figures(each),
                "difference": each.log_likelihood - base if base is not None else None,
                "fitness": variant.fitness,
            }
            for place, (variant, each) in enumerate(zip(variants, scored, strict=False), start=1)
        ]
        pairs = [(row["log_likelihood"], row["fitness"]) for row in rows if row["fitness"] is not None]
        agreement = spearman(*zip(*pairs, strict=True)) if len(pairs) > 1 else None
        return {
            "checkpoint": checkpoint,
            "wild_type": {"sequence": parent, **_figures(scored[-1])} if parent else None,
            "spearman": asdict(agreement) if agreement else None,
            "rows": rows,
        }
    records = list(read_file(path, Reading()))
    sequences = [parse_protein(each.sequence, f"{path}, record {each.id}", other_letters=True) for each in records]
    scored = likelihoods(model, tokenizer, sequences)
    return {
        "checkpoint": checkpoint,
        "rows": [{"id": record.id, **_figures(each)} for record, each in zip(records, scored, strict=True)],
    }


def _figures(found: Likelihood) -> dict[str, Any]:
    return {
        "residues": found.num_residues,
        "tokens": found.num_tokens,
        "log_likelihood": found.log_likelihood,
        "perplexity": found.perplexity,
        "perplexity_per_residue": found.perplexity_per_residue,
    }


def _cell(value: str | int | float | None) -> str:
    return number(value) if isinstance(value, float) or value is None else str(value)


def _write(rows: Sequence[dict[str, Any]], out: Path) -> None:
    with replacing(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
