"""A student judged on held-out proteins: rows, figures with intervals, calibration, and whether to believe them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from monosome.errors import DataError
from monosome.evaluate.intervals import Interval, resampled
from monosome.evaluate.rows import Measure, measures
from monosome.protein.calibration import Calibration, calibration
from monosome.protein.composition import MIN_SEQUENCES
from monosome.protein.metrics import METRICS, Floors, Scored, row, warnings
from monosome.protein.objectives import predicted
from monosome.protein.packing import Block, Label
from monosome.protein.scoring import of_row, token_figures
from monosome.protein.student import run_packed
from monosome.protein.tokens import ProteinTokenizer
from monosome.task import Examples, Metric, Row

Array = np.ndarray
Collate = Callable[[Sequence[Block]], Any]
"""Blocks as one padded batch of tokens, segments and positions."""

BATCH_TOKENS = 4096
"""Tokens per batch of evaluation, padding included."""
MODELS = ("student", "teacher", "unigram")

GAP_CLOSED = Metric("gap_closed", "", "gap closed", "share of nats from unigram to teacher", higher_is_better=True)
UNIGRAM_ECE = Metric("unigram_ece", "", "unigram ECE", "share")
ECE = Metric("ece", "", "calibration error (ECE)", "share", floor="unigram_ece")
TEACHER_ECE = Metric("teacher_ece", "", "teacher ECE", "share", floor="unigram_ece")


@dataclass(frozen=True)
class Evaluation:
    """One row per protein, every figure of all of them with its interval, and the calibration of each model."""

    rows: Sequence[Row]
    measures: Sequence[Measure]
    calibrations: Mapping[str, Calibration]
    caveats: Sequence[str]


@dataclass(frozen=True)
class Judge:
    """Scores any student on held-out blocks, beside the teacher and the floors."""

    tokenizer: ProteinTokenizer
    floors: Floors
    teacher: nn.Module | None
    collate: Collate

    def rows(self, model: nn.Module, examples: Examples[Block]) -> list[Row]:
        """One row per protein, in order; a protein longer than a block is scored in pieces, each on its own."""
        found = {index: row(scored, self.tokenizer, self.floors) for index, scored in self.scored(model, examples)}
        return [found[index] for index in sorted(found)]

    def evaluation(self, model: nn.Module, examples: Examples[Block]) -> Evaluation:
        """The whole of it. Raises DataError where the teacher is no better than the token unigram."""
        rows, sure = dict[int, Row](), _Sureness(self.floors)
        for index, scored in self.scored(model, examples):
            rows[index] = row(scored, self.tokenizer, self.floors)
            sure.add(scored)
        ordered = [rows[index] for index in sorted(rows)]
        if faults := warnings(ordered):
            hint = (
                "score the student alone: --set loss.teacher= --set data.tokenizer=TEACHER; or train a better teacher"
            )
            raise DataError(faults[0], hint)
        calibrations = sure.calibrations()
        found = [*measures(ordered, METRICS), *_gap_closed(ordered), *_errors(calibrations)]
        return Evaluation(ordered, found, calibrations, _caveats(ordered))

    def scored(self, model: nn.Module, examples: Examples[Block]) -> Iterator[tuple[int, Scored]]:
        """Index and scores of each protein, by ascending length."""
        for indices in _batches([len(examples[index].tokens) for index in range(len(examples))]):
            blocks = [examples[index] for index in indices]
            yield from zip(indices, self._scored(model, blocks), strict=True)

    @torch.no_grad()
    def _scored(self, model: nn.Module, blocks: Sequence[Block]) -> Iterator[Scored]:
        batch = self.collate(blocks).to(next(model.parameters()).device)
        packed = batch.tokens, batch.segments, batch.positions
        taught = run_packed(self.teacher, *packed) if self.teacher is not None else None
        figures = token_figures(run_packed(model, *packed), taught, batch.tokens)
        mask, targets = predicted(batch.segments).cpu(), batch.tokens[:, 1:].cpu()
        for index, block in enumerate(blocks):
            sequence = self.tokenizer.decode(block.tokens.tolist())
            label = block.label or Label(str(index), "", len(sequence))
            yield Scored(label, sequence, targets[index], mask[index], of_row(figures, index, len(blocks)))


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices by ascending length, cut so that a padded batch has at most `BATCH_TOKENS` tokens."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batch and (len(batch) + 1) * lengths[index] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


@dataclass
class _Sureness:
    """Confidence and success of each model at every predicted token."""

    floors: Floors
    confidences: dict[str, list[Any]] = field(default_factory=dict)
    successes: dict[str, list[Any]] = field(default_factory=dict)
    clusters: list[Any] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    num_proteins: int = 0

    def add(self, scored: Scored) -> None:
        """Take in a protein."""
        mask, figures = scored.predicted, scored.figures
        self._take("student", figures["confidence"][mask].numpy(), figures["correct"][mask].numpy())
        if "teacher_confidence" in figures:
            self._take("teacher", figures["teacher_confidence"][mask].numpy(), figures["teacher_correct"][mask].numpy())
        hits = (scored.targets[mask] == self.floors.best_token).numpy().astype(np.float32)
        share = np.float32(np.exp(-self.floors.token_nll.min()))
        self._take("unigram", np.full(len(hits), share, dtype=np.float32), hits)
        number = self.numbers.setdefault(scored.label.group or scored.label.id, len(self.numbers))
        self.clusters.append(np.full(len(hits), number))
        self.num_proteins += 1

    def _take(self, model: str, confidence: Any, success: Any) -> None:
        self.confidences.setdefault(model, []).append(confidence)
        self.successes.setdefault(model, []).append(success)

    def calibrations(self) -> dict[str, Calibration]:
        """The calibration of each model."""
        clusters = np.concatenate(self.clusters)
        return {
            model: calibration(
                np.concatenate(self.confidences[model]),
                np.concatenate(self.successes[model]),
                clusters,
                self.num_proteins,
            )
            for model in MODELS
            if model in self.confidences
        }


def _errors(calibrations: Mapping[str, Calibration]) -> list[Measure]:
    floor = calibrations["unigram"].ece
    metrics = {"student": ECE, "teacher": TEACHER_ECE, "unigram": UNIGRAM_ECE}
    return [
        Measure(metrics[model], found.ece, None if model == "unigram" else floor)
        for model, found in calibrations.items()
    ]


def _gap_closed(rows: Sequence[Row]) -> list[Measure]:
    """Which share of the nats between unigram and teacher the student has gained; none without a teacher."""
    interval = gap_closed(rows)
    return [Measure(GAP_CLOSED, interval, None)] if interval else []


def gap_closed(rows: Sequence[Row]) -> Interval | None:
    """(unigram − student) / (unigram − teacher) in nats per token: 0 is the unigram, 1 the teacher.

    A weak teacher makes perplexity ratios near 1 for free, and not this share. None without a teacher.
    """
    sums: dict[str, Array] = {}
    for each in rows:
        values = [each.values.get(name) for name in ("unigram_nll", "loss", "teacher_nll")]
        if None in values:
            return None
        key = each.group or each.id
        sums[key] = sums.get(key, np.zeros(3)) + each.weight * np.array(values, dtype=np.float64)
    table = np.array(list(sums.values()))
    return resampled(table, lambda s: (s[:, 0] - s[:, 1]) / (s[:, 0] - s[:, 2]), len(rows))


def _caveats(rows: Sequence[Row]) -> list[str]:
    """What to keep in mind beside the figures."""
    if len(rows) >= MIN_SEQUENCES:
        return []
    return [f"{len(rows)} held-out proteins: below {MIN_SEQUENCES:,} the figures move with the sample"]
