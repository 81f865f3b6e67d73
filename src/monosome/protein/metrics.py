"""How well a student knows held-out proteins, beside its teacher and beside floors that know nothing."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from monosome.protein.objectives import TokenScores
from monosome.protein.packing import Label, PackedCorpus
from monosome.protein.tokens import AMINO_ACIDS, ProteinTokenizer
from monosome.task import Metric, Row, mean_values

Array = np.ndarray

METRICS = (
    Metric("perplexity", "loss", "perplexity", "per token", exponential=True, floor="unigram_perplexity"),
    Metric(
        "perplexity_without_newlines",
        "nll_without_newlines",
        "perplexity, no line breaks",
        "per token",
        exponential=True,
        floor="unigram_perplexity_without_newlines",
    ),
    Metric(
        "perplexity_per_residue",
        "nll_per_residue",
        "perplexity per residue",
        "per residue",
        exponential=True,
        floor="residue_unigram_perplexity",
    ),
    Metric("teacher_perplexity", "teacher_nll", "teacher perplexity", "per token", exponential=True),
    Metric("perplexity_ratio", "nll_gap", "perplexity ratio", "student / teacher", exponential=True),
    Metric("kl", "kl", "KL(teacher ‖ student)", "nats per token, T = 1"),
    Metric("agreement", "agreement", "top-1 agreement", "share of tokens", higher_is_better=True),
    Metric("unigram_perplexity", "unigram_nll", "unigram perplexity", "per token", exponential=True),
    Metric(
        "unigram_perplexity_without_newlines",
        "unigram_nll_without_newlines",
        "unigram perplexity, no line breaks",
        "per token",
        exponential=True,
    ),
    Metric("residue_unigram_perplexity", "residue_unigram_nll", "amino-acid unigram", "per residue", exponential=True),
    Metric("uniform_perplexity", "uniform_nll", "uniform perplexity", "per token", exponential=True),
)
"""Perplexities are exp of mean nats per token or residue over all held-out proteins together. Per residue, all nats but
those of line breaks count; the amino-acid unigram beside it pays for residues and for the end, as the model does."""

SWISS_PROT = {
    "A": 8.25, "R": 5.53, "N": 4.06, "D": 5.46, "C": 1.38, "Q": 3.93, "E": 6.72, "G": 7.07, "H": 2.27, "I": 5.91,
    "L": 9.65, "K": 5.80, "M": 2.41, "F": 3.86, "P": 4.74, "S": 6.65, "T": 5.36, "W": 1.10, "Y": 2.92, "V": 6.86,
}  # fmt: skip
"""Amino-acid composition of UniProtKB/Swiss-Prot in percent, as its release statistics give it (2022)."""


@dataclass(frozen=True, eq=False)
class Floors:
    """Unigrams fitted to the training proteins, with one added to every count: what a model must beat."""

    token_nll: Float64[Array, "v"]
    newline_share: float
    residue_nll: Mapping[str, float]
    end_nll: float

    @property
    def vocab_size(self) -> int:
        """Number of entries."""
        return len(self.token_nll)


def fit_floors(corpus: PackedCorpus, tokenizer: ProteinTokenizer) -> Floors:
    """The floors of a corpus: frequencies of the tokens that are predicted, so not of each protein's first."""
    counts = np.bincount(corpus.tokens, minlength=tokenizer.vocab_size)
    counts -= np.bincount(corpus.tokens[corpus.pieces[:-1]], minlength=tokenizer.vocab_size)
    shares = (counts + 1) / (counts.sum() + len(counts))
    residues = {letter: corpus.residues.get(letter, 0) + 1 for letter in {*AMINO_ACIDS, *corpus.residues}}
    total = sum(residues.values()) + corpus.num_proteins
    return Floors(
        token_nll=-np.log(shares),
        newline_share=float(shares[tokenizer.newline]),
        residue_nll={letter: math.log(total / count) for letter, count in residues.items()},
        end_nll=math.log(total / corpus.num_proteins),
    )


@dataclass(frozen=True)
class Scored:
    """One held-out protein: its tokens, which of them are predicted, and what was measured at each."""

    label: Label
    sequence: str
    targets: Int64[Tensor, "t"]
    predicted: Bool[Tensor, "t"]
    scores: TokenScores


def row(scored: Scored, tokenizer: ProteinTokenizer, floors: Floors) -> Row:
    """The row of one held-out protein: nats per token (`loss`), without line breaks, per residue, and the floors'.

    `weight` is the number of predicted tokens; values per residue weigh by residues.
    """
    mask = scored.predicted
    solid = mask & (scored.targets != tokenizer.newline)
    num_solid, num_residues = float(solid.sum()), float(scored.label.num_residues)
    unigram = torch.from_numpy(floors.token_nll)[scored.targets]
    nll = scored.scores.nll.double()
    residue_unigram = floors.end_nll + sum(floors.residue_nll.get(x, math.log(20)) for x in scored.sequence)
    values = {
        "loss": _mean(nll, mask),
        "nll_without_newlines": _mean(nll, solid),
        "nll_per_residue": float(nll[solid].sum()) / num_residues,
        "unigram_nll": _mean(unigram, mask),
        "unigram_nll_without_newlines": _mean(unigram + math.log1p(-floors.newline_share), solid),
        "residue_unigram_nll": residue_unigram / num_residues,
        "uniform_nll": math.log(floors.vocab_size),
        **_beside_teacher(scored.scores, mask),
    }
    return Row(
        id=scored.label.id,
        values=values,
        length=scored.label.num_residues,
        group=scored.label.group,
        weight=float(mask.sum()),
        weights={
            "nll_without_newlines": num_solid,
            "unigram_nll_without_newlines": num_solid,
            "nll_per_residue": num_residues,
            "residue_unigram_nll": num_residues,
        },
    )


def _beside_teacher(scores: TokenScores, mask: Bool[Tensor, "t"]) -> dict[str, float]:
    if scores.teacher_nll is None or scores.kl is None or scores.agrees is None:
        return {}
    return {
        "teacher_nll": _mean(scores.teacher_nll, mask),
        "nll_gap": _mean(scores.nll - scores.teacher_nll, mask),
        "kl": _mean(scores.kl, mask),
        "agreement": _mean(scores.agrees, mask),
    }


def _mean(values: Tensor, mask: Bool[Tensor, "t"]) -> float:
    return float(values[mask].double().mean())


def summary(rows: Sequence[Row]) -> dict[str, float]:
    """The value of each metric that the rows define, without intervals."""
    means = mean_values(rows)
    return {
        metric.name: math.exp(means[metric.value]) if metric.exponential else means[metric.value]
        for metric in METRICS
        if metric.value in means
    }


def warnings(rows: Sequence[Row]) -> list[str]:
    """What makes the figures untrustworthy, in words: a teacher no better than a floor teaches nothing."""
    found = summary(rows)
    teacher, floor = found.get("teacher_perplexity", 0.0), found["unigram_perplexity"]
    if teacher < floor:
        return []
    return [
        f"the teacher's perplexity {teacher:,.1f} is no better than the token unigram's {floor:,.1f}: "
        "is it a protein model, and of this tokenizer? Its ratio and KL mean nothing here"
    ]


def composition(sequences: Iterable[str]) -> dict[str, float]:
    """Share of each of the 20 amino acids; other letters are left out."""
    counts: Counter[str] = Counter()
    for sequence in sequences:
        counts.update(sequence)
    total = sum(counts[letter] for letter in AMINO_ACIDS)
    return {letter: counts[letter] / max(1, total) for letter in AMINO_ACIDS}


def composition_kl(sequences: Iterable[str], reference: Mapping[str, float] = SWISS_PROT) -> float:
    """KL(sequences ‖ reference) of the amino-acid composition in nats; the reference need not sum to one."""
    shares, total = composition(sequences), sum(reference.values())
    return sum(p * math.log(p * total / reference[letter]) for letter, p in shares.items() if p)
