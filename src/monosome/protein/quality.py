"""Designed proteins beside natural ones: composition, properties, diversity, novelty, family, teacher, fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from monosome.errors import DataError
from monosome.evaluate.rows import Measure, measures
from monosome.protein.complexity import longest_run, low_complexity, repetition
from monosome.protein.composition import MIN_SEQUENCES
from monosome.protein.family import family_hits
from monosome.protein.likelihood import Likelihood
from monosome.protein.likeness import Likeness, likeness
from monosome.protein.properties import properties
from monosome.protein.tokens import AMINO_ACIDS
from monosome.row import Metric, Row
from monosome.sequences import mmseqs
from monosome.sequences.clusters import cluster_by_identity
from monosome.sequences.fasta import Record
from monosome.sequences.novelty import nearest
from monosome.sequences.relatives import PROTEIN

MAX_KNOWN = 0.9
"""Identity from which a protein is one that is known."""
HIGH_PLDDT = 70.0
"""Predicted lDDT from which a backbone is taken to be right (Jumper et al. 2021)."""
MIN_CLUSTERED = 200
"""Proteins from which MMseqs2 clusters them: its release 14 dies on fewer than about 40."""
SEED = 0

METRICS = (
    Metric("valid", "valid", "of the 20 amino acids", "share", higher_is_better=True),
    Metric("distinct", "distinct", "distinct", "share", higher_is_better=True),
    Metric("length", "length", "length", "residues"),
    Metric("low_complexity", "low_complexity", "low complexity", "share of residues"),
    Metric("rep_2", "rep_2", "Rep-2", "% of 2-mers"),
    Metric("rep_5", "rep_5", "Rep-5", "% of 5-mers"),
    Metric("longest_run", "longest_run", "longest run of one letter", "residues"),
    Metric("gravy", "gravy", "hydropathy (GRAVY)", ""),
    Metric("isoelectric_point", "isoelectric_point", "isoelectric point", "pH"),
    Metric("charge", "charge", "charge at pH 7", "e"),
    Metric("mass", "mass", "mass", "Da"),
    Metric("aromaticity", "aromaticity", "aromaticity", "share of residues"),
    Metric("aliphatic_index", "aliphatic_index", "aliphatic index", ""),
    Metric("helix", "helix", "helix propensity", "share of residues"),
    Metric("strand", "strand", "strand propensity", "share of residues"),
    Metric("turn", "turn", "turn propensity", "mean"),
    Metric("clusters_90", "clusters_90", "clusters at 90 % identity", "per protein", higher_is_better=True),
    Metric("clusters_50", "clusters_50", "clusters at 50 % identity", "per protein", higher_is_better=True),
    Metric("nearest_identity", "nearest_identity", "identity to the nearest natural one", "share of the shorter"),
    Metric("known", "known", "90 % identical to a natural one", "share"),
    Metric("family_member", "family_member", "members of the family", "share", higher_is_better=True),
    Metric("family_bits", "family_bits", "fit to the family", "bits", higher_is_better=True),
    Metric("teacher_perplexity", "teacher_nats", "teacher perplexity", "per token", exponential=True),
    Metric(
        "teacher_perplexity_per_residue",
        "teacher_residue_nats",
        "teacher perplexity",
        "per residue",
        exponential=True,
    ),
    Metric("plddt", "plddt", "mean predicted lDDT", "0 to 100", higher_is_better=True),
    Metric("plddt_above_70", "plddt_above_70", "predicted lDDT above 70", "share", higher_is_better=True),
)
"""Figures of each protein, averaged. Clusters per protein is the mean of one over the size of a protein's cluster."""

LIKENESS = {
    "residue_kl": ("KL of amino acids", "nats"),
    "residue_jsd": ("Jensen–Shannon of amino acids", "nats"),
    "dipeptide_kl": ("KL of dipeptides", "nats"),
    "dipeptide_jsd": ("Jensen–Shannon of dipeptides", "nats"),
    "discrepancy": ("MMD² of dipeptides", ""),
}


@dataclass(frozen=True)
class Scores:
    """What models say of each protein, in order; empty where none was asked."""

    teacher: Sequence[Likelihood] = ()
    plddt: Sequence[float | None] = ()


@dataclass(frozen=True)
class Quality:
    """Rows and figures of designs and of an equal-size natural sample, and how far each is from other natural ones.

    Distances of both are from the same `num_reference` proteins, of `num_compared` valid ones each.
    """

    rows: Sequence[Row]
    natural_rows: Sequence[Row]
    designs: Likeness | None
    natural: Likeness | None
    num_compared: int
    num_reference: int
    caveats: Sequence[str] = field(default_factory=list)

    @property
    def measures(self) -> list[Measure]:
        """Every figure of the designs."""
        return measures(self.rows, METRICS)

    @property
    def natural_measures(self) -> list[Measure]:
        """The same of the natural sample."""
        return measures(self.natural_rows, METRICS)


def assess_quality(
    designs: Sequence[Record],
    natural: Sequence[Record],
    *,
    profile: Any = None,
    scores: Scores | None = None,
    natural_scores: Scores | None = None,
    program: str | None = None,
) -> Quality:
    """The quality of designs beside natural proteins, which are drawn by `natural_sample`.

    `profile` is a family's (see `family`), `program` MMseqs2's path. Raises DataError where there are fewer than two
    proteins of either.
    """
    if len(designs) < 2 or len(natural) < 4:
        raise DataError(
            f"{len(designs)} designs and {len(natural)} natural proteins are too few", "give 2 and 4 at least"
        )
    sample, reference = natural_sample(designs, natural)
    ours = [one.sequence.upper() for one in designs]
    theirs = [one.sequence.upper() for one in sample]
    others = [one.sequence.upper() for one in reference]
    valid = [each for each in ours if is_valid(each)]
    whole = [each for each in theirs if is_valid(each)]
    size = min(len(valid), len(whole))
    return Quality(
        rows_of(designs, others, profile, scores or Scores(), program),
        rows_of(sample, others, profile, natural_scores or Scores(), program),
        likeness(valid[:size], others) if size > 1 else None,
        likeness(whole[:size], others) if size > 1 else None,
        size,
        len(others),
        caveats(len(valid), len(sample), len(designs)),
    )


def natural_sample(designs: Sequence[Record], natural: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """As many natural proteins as there are designs, at most half of them, and the others, drawn with a fixed seed."""
    order = np.random.default_rng(SEED).permutation(len(natural))
    size = min(len(designs), len(natural) // 2)
    return [natural[index] for index in order[:size]], [natural[index] for index in order[size:]]


def caveats(num_valid: int, num_natural: int, num_designs: int) -> list[str]:
    """What to keep in mind beside the figures."""
    found = []
    if num_valid < MIN_SEQUENCES:
        found.append(f"{num_valid} valid designs: below {MIN_SEQUENCES:,} the figures move with the sample")
    if num_natural < num_designs:
        found.append(
            f"{num_natural} natural proteins are compared with {num_designs} designs: distances are of as many of "
            "each, clusters and novelty of all"
        )
    return found


def is_valid(sequence: str) -> bool:
    """Whether it is made of the 20 amino acids."""
    return bool(sequence) and not sequence.strip(AMINO_ACIDS)


def rows_of(
    records: Sequence[Record], reference: Sequence[str], profile: Any, scores: Scores, program: str | None
) -> list[Row]:
    """One row per protein; what was not asked for is not among its values."""
    sequences = [record.sequence.upper() for record in records]
    columns: dict[str, Sequence[float | None]] = {
        "valid": [float(is_valid(each)) for each in sequences],
        "distinct": _firsts(sequences),
        "length": [float(len(each)) for each in sequences],
        "low_complexity": [low_complexity(each) for each in sequences],
        "rep_2": [repetition(each, 2) for each in sequences],
        "rep_5": [repetition(each, 5) for each in sequences],
        "longest_run": [float(longest_run(each)) for each in sequences],
    }
    found = [properties(each) for each in sequences]
    columns |= {name: [each[name] for each in found] for name in found[0]}
    for percent in (90, 50):
        columns[f"clusters_{percent}"] = cluster_shares(sequences, percent / 100, program)
    identity = nearest(sequences, reference, PROTEIN, program).identity
    columns["nearest_identity"] = identity.tolist()
    columns["known"] = (identity >= MAX_KNOWN).astype(float).tolist()
    if profile is not None:
        hits = family_hits(profile, sequences)
        columns |= {"family_member": [float(hit.is_member) for hit in hits], "family_bits": [hit.bits for hit in hits]}
    columns |= _of_models(scores)
    weights = [{} for _ in records] if not scores.teacher else [_weights(each) for each in scores.teacher]
    return [
        Row(
            id=record.id,
            values={name: values[place] for name, values in columns.items()},
            length=len(record.sequence),
            weights=weights[place],
        )
        for place, record in enumerate(records)
    ]


def _firsts(sequences: Sequence[str]) -> list[float]:
    """1 for a sequence that has not come before, else 0."""
    seen: set[str] = set()
    found = []
    for sequence in sequences:
        found.append(float(sequence not in seen))
        seen.add(sequence)
    return found


def cluster_shares(sequences: Sequence[str], identity: float, program: str | None) -> list[float]:
    """One over the size of each protein's cluster at that identity: their sum is the number of clusters."""
    if program and len(sequences) >= MIN_CLUSTERED:
        numbers = mmseqs.cluster(sequences, PROTEIN, program, identity)
    else:
        numbers = cluster_by_identity(sequences, PROTEIN, identity)
    sizes = np.bincount(numbers)
    return [1.0 / int(sizes[number]) for number in numbers]


def _of_models(scores: Scores) -> Mapping[str, Sequence[float | None]]:
    columns: dict[str, Sequence[float | None]] = {}
    if scores.teacher:
        columns["teacher_nats"] = [each.nats / each.num_tokens for each in scores.teacher]
        columns["teacher_residue_nats"] = [
            each.residue_nats / each.num_residues if each.num_residues else None for each in scores.teacher
        ]
    if scores.plddt:
        columns["plddt"] = list(scores.plddt)
        columns["plddt_above_70"] = [None if each is None else float(each > HIGH_PLDDT) for each in scores.plddt]
    return columns


def _weights(likelihood: Likelihood) -> dict[str, float]:
    return {
        "teacher_nats": float(likelihood.num_tokens),
        "teacher_residue_nats": float(likelihood.num_residues),
    }
