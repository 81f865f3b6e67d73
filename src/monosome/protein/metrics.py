"""How well a student knows held-out proteins, beside its teacher and beside floors that know nothing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from monosome.protein.packing import Label, PackedCorpus
from monosome.protein.scoring import TokenFigures
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
    Metric("accuracy", "correct", "accuracy", "share of tokens", higher_is_better=True, floor="unigram_accuracy"),
    Metric(
        "teacher_perplexity",
        "teacher_nll",
        "teacher perplexity",
        "per token",
        exponential=True,
        floor="unigram_perplexity",
    ),
    Metric(
        "teacher_perplexity_without_newlines",
        "teacher_nll_without_newlines",
        "teacher perplexity, no line breaks",
        "per token",
        exponential=True,
        floor="unigram_perplexity_without_newlines",
    ),
    Metric(
        "teacher_perplexity_per_residue",
        "teacher_nll_per_residue",
        "teacher perplexity per residue",
        "per residue",
        exponential=True,
        floor="residue_unigram_perplexity",
    ),
    Metric(
        "teacher_accuracy",
        "teacher_correct",
        "teacher accuracy",
        "share of tokens",
        higher_is_better=True,
        floor="unigram_accuracy",
    ),
    Metric("perplexity_ratio", "nll_gap", "perplexity ratio", "student / teacher", exponential=True),
    Metric("kl", "kl", "KL(teacher ‖ student)", "nats per token, T = 1"),
    Metric("log_ratio_minus_kl", "nll_gap_minus_kl", "ln(ratio) − KL", "nats per token"),
    Metric("reverse_kl", "reverse_kl", "KL(student ‖ teacher)", "nats per token, T = 1"),
    Metric("agreement", "agreement", "top-1 agreement", "share of tokens", higher_is_better=True),
    Metric("top5_agreement", "top5_agreement", "top-5 agreement", "share of five tokens", higher_is_better=True),
    Metric("unigram_perplexity", "unigram_nll", "unigram perplexity", "per token", exponential=True),
    Metric(
        "unigram_perplexity_without_newlines",
        "unigram_nll_without_newlines",
        "unigram perplexity, no line breaks",
        "per token",
        exponential=True,
    ),
    Metric("unigram_accuracy", "unigram_correct", "unigram accuracy", "share of tokens", higher_is_better=True),
    Metric("residue_unigram_perplexity", "residue_unigram_nll", "amino-acid unigram", "per residue", exponential=True),
    Metric("uniform_perplexity", "uniform_nll", "uniform perplexity", "per token", exponential=True),
)
"""Perplexities are exp of mean nats per token or residue over all held-out proteins together. Per residue, all nats but
those of line breaks count; the amino-acid unigram beside it pays for residues and for the end, as the model does. KL
and ln(ratio) are equal on text that the teacher itself writes: far apart, one of them is not what it seems."""

AVERAGED = {"correct", "teacher_nll", "teacher_correct", "kl", "reverse_kl", "agreement", "top5_agreement"}
"""Figures of tokens that a row holds the mean of, under the same name."""


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

    @property
    def best_token(self) -> int:
        """The token that the unigram deems likeliest, always."""
        return int(self.token_nll.argmin())


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
    figures: TokenFigures


def row(scored: Scored, tokenizer: ProteinTokenizer, floors: Floors) -> Row:
    """The row of one held-out protein: nats per token (`loss`), without line breaks, per residue, and the floors'.

    `weight` is the number of predicted tokens; values per residue weigh by residues.
    """
    mask, figures = scored.predicted, scored.figures
    solid = mask & (scored.targets != tokenizer.newline)
    num_solid, num_residues = float(solid.sum()), float(scored.label.num_residues)
    unigram = torch.from_numpy(floors.token_nll)[scored.targets]
    residue_unigram = floors.end_nll + sum(floors.residue_nll.get(x, math.log(20)) for x in scored.sequence)
    values = {
        **{name: _mean(value, mask) for name, value in figures.items() if name in AVERAGED},
        "loss": _mean(figures["nll"], mask),
        "unigram_nll": _mean(unigram, mask),
        "unigram_nll_without_newlines": _mean(unigram + math.log1p(-floors.newline_share), solid),
        "unigram_correct": _mean((scored.targets == floors.best_token).double(), mask),
        "residue_unigram_nll": residue_unigram / num_residues,
        "uniform_nll": math.log(floors.vocab_size),
    }
    for name in ("nll", "teacher_nll"):
        if name in figures:
            values[f"{name}_without_newlines"] = _mean(figures[name], solid)
            values[f"{name}_per_residue"] = float(figures[name][solid].double().sum()) / num_residues
    if "teacher_nll" in figures:
        values["nll_gap"] = values["loss"] - values["teacher_nll"]
        values["nll_gap_minus_kl"] = values["nll_gap"] - values["kl"]
    solid_weights = {name: num_solid for name in values if name.endswith("_without_newlines")}
    residue_weights = {name: num_residues for name in values if name.endswith(("_per_residue", "residue_unigram_nll"))}
    return Row(
        id=scored.label.id,
        values=values,
        length=scored.label.num_residues,
        group=scored.label.group,
        weight=float(mask.sum()),
        weights=solid_weights | residue_weights,
    )


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
    """What makes the figures untrustworthy, in words: a teacher no better than a floor teaches nothing.

    With line breaks and without: where lines end is learned in a few steps, and lowers the first alone.
    """
    found = summary(rows)
    for tail, words in (("", ""), ("_without_newlines", " without line breaks")):
        teacher, floor = found.get(f"teacher_perplexity{tail}", 0.0), found.get(f"unigram_perplexity{tail}", math.inf)
        if teacher >= floor:
            return [
                f"the teacher's perplexity{words} {teacher:,.1f} is no better than the token unigram's {floor:,.1f}: "
                "is it a protein model, and of this tokenizer? Its ratio and KL mean nothing here"
            ]
    return []
