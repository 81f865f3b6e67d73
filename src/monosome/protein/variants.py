"""Variants of a protein and their measured fitness, in ProteinGym's tables (Notin et al. 2023).

Columns: `mutant` such as A24G, or A24G:D31N for several (1-based), `mutated_sequence`, and `DMS_score`, the higher the
fitter.
"""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from monosome.errors import DataError
from monosome.evaluate.intervals import Interval
from monosome.protein.tokens import parse_protein
from monosome.sequences.fasta import open_text

Array = np.ndarray

MUTANT, SEQUENCE, SCORE = "mutant", "mutated_sequence", "DMS_score"
SUBSTITUTION = re.compile(r"([A-Z])(\d+)([A-Z])")
NUM_RESAMPLES = 1000


@dataclass(frozen=True)
class Variant:
    """One row: the sequence, its substitutions (empty where the table has none), its fitness where it was measured."""

    mutant: str
    sequence: str
    fitness: float | None


def is_variant_table(path: Path) -> bool:
    """Whether it is a CSV file with the column of mutated sequences."""
    if not path.name.lower().removesuffix(".gz").endswith(".csv"):
        return False
    with open_text(path) as lines:
        return SEQUENCE in next(csv.reader(lines), [])


def read_variants(path: Path) -> list[Variant]:
    """The variants in order. Raises DataError naming the line of a sequence or a score that cannot be read."""
    found = []
    with open_text(path) as lines:
        for number, row in enumerate(csv.DictReader(lines), start=2):
            name = f"{path}, line {number}"
            sequence = parse_protein(row[SEQUENCE] or "", name, other_letters=True)
            found.append(Variant(row.get(MUTANT) or "", sequence, _fitness(row.get(SCORE) or "", name)))
    if not found:
        raise DataError(f"{path} has no variant", f"give a row for each, with the column {SEQUENCE}")
    return found


def _fitness(text: str, name: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise DataError(f"{name}: {text!r} is no {SCORE}", "write a number, or leave the cell empty") from error
    return value if math.isfinite(value) else None


def wild_type(variants: Sequence[Variant]) -> str | None:
    """The sequence before the substitutions; None where the table names none.

    Raises DataError where a substitution does not fit its sequence, or two rows come of different sequences.
    """
    found: str | None = None
    for variant in variants:
        substitutions = [SUBSTITUTION.fullmatch(each) for each in variant.mutant.split(":")]
        if not all(substitutions):
            continue
        letters = list(variant.sequence)
        for match in substitutions:
            assert match is not None
            place = int(match[2]) - 1
            if not 0 <= place < len(letters) or letters[place] != match[3]:
                raise DataError(
                    f"{variant.mutant}: its sequence has no {match[3]} at position {match[2]}",
                    "positions count the residues of mutated_sequence from 1",
                )
            letters[place] = match[1]
        if found is not None and "".join(letters) != found:
            raise DataError(
                f"{variant.mutant} is a variant of another sequence than those before it", "split the table"
            )
        found = "".join(letters)
    return found


def spearman(first: Sequence[float], second: Sequence[float]) -> Interval | None:
    """Spearman's rank correlation with its percentile bootstrap interval over pairs; None where one is constant."""
    from scipy.stats import rankdata

    pairs = np.array([first, second], dtype=np.float64)
    value = _correlation(rankdata(pairs, axis=1)[:, None])[0]
    if not np.isfinite(value):
        return None
    random, draws = np.random.default_rng(0), []
    for _ in range(NUM_RESAMPLES):
        drawn = pairs[:, random.integers(0, pairs.shape[1], pairs.shape[1])]
        draws.append(_correlation(rankdata(drawn, axis=1)[:, None])[0])
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return Interval(float(value), float(low), float(high), len(first), len(first))


def _correlation(ranks: Float64[Array, "2 draws n"]) -> Float64[Array, "draws"]:
    left, right = ranks - ranks.mean(2, keepdims=True)
    scale = np.sqrt((left**2).sum(1) * (right**2).sum(1))
    return np.divide((left * right).sum(1), scale, out=np.full(len(scale), np.nan), where=scale > 0)
