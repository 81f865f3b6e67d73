"""What a report says of a student beside its figures: calibration, what it writes, how fast, what others published."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from torch import nn

from monosome.errors import DataError
from monosome.evaluate.figures import INK, PALETTE, svg
from monosome.evaluate.intervals import Interval
from monosome.evaluate.page import Chapter, Picture, Table
from monosome.evaluate.rows import interval_text, number
from monosome.protein.calibration import Calibration
from monosome.protein.composition import MIN_SEQUENCES, SWISS_PROT, composition, composition_kl_interval
from monosome.protein.evaluation import Evaluation, Judge
from monosome.protein.published import Published, published
from monosome.protein.sampling import SamplingSettings, sample
from monosome.protein.speed import Load, Speed, measure_speeds
from monosome.protein.task import DistillationTask
from monosome.protein.tokens import AMINO_ACIDS, ProteinTokenizer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEGABYTE = 1e6


@dataclass(frozen=True)
class Written:
    """What a model wrote: proteins asked for, the valid ones, and how far their composition is from two references."""

    num: int
    valid: Sequence[str]
    kl_to_swiss_prot: Interval
    kl_to_training: Interval


@dataclass(frozen=True)
class Judgement:
    """A student's evaluation, and what was wished for besides."""

    evaluation: Evaluation
    written: Mapping[str, Written] = field(default_factory=dict)
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    load: Load | None = None

    @property
    def caveats(self) -> list[str]:
        """What to keep in mind beside the figures."""
        few = [
            f"{len(each.valid)} valid proteins of {name}: its composition wants {MIN_SEQUENCES:,}"
            for name, each in self.written.items()
            if len(each.valid) < MIN_SEQUENCES
        ]
        return [*self.evaluation.caveats, *few]

    def chapters(self) -> list[Chapter]:
        """Parts of a report."""
        found = [calibration_chapter(self.evaluation.calibrations)]
        if self.written:
            found.append(composition_chapter(self.written))
        if self.load:
            found.append(speed_chapter(self.speeds, self.load))
        return [*found, published_chapter(published())]

    def data(self) -> dict[str, Any]:
        """The same for other programs."""
        return {
            "caveats": self.caveats,
            "calibration": {model: asdict(each) for model, each in self.evaluation.calibrations.items()},
            "composition": {
                name: {**asdict(each), "valid": len(each.valid), "shares": composition(each.valid)}
                for name, each in self.written.items()
            },
            "load": asdict(self.load) if self.load else None,
            "speed": {name: asdict(each) for name, each in self.speeds.items()},
            "published": [asdict(each) for each in published()],
        }


def judge(
    task: DistillationTask, student: nn.Module, split: str, *, num_samples: int = 0, load: Load | None = None
) -> Judgement:
    """The student of a task on a split of its data, beside its teacher; both are on their device.

    `num_samples` proteins of each are compared in composition, none for 0; with a `load` time and memory are measured.

    Raises DataError where the teacher is no better than the token unigram, and where no sampled protein is valid.
    """
    teacher, tokenizer = task.teacher, task.tokenizer
    evaluation = Judge(tokenizer, task.floors, teacher, task.collate).evaluation(student, task.examples(split))
    models = {"student": student, **({"teacher": teacher} if teacher is not None else {})}
    training = {letter: math.exp(-task.floors.residue_nll[letter]) for letter in AMINO_ACIDS}
    written = {name: _written(model, tokenizer, num_samples, training) for name, model in models.items() if num_samples}
    return Judgement(evaluation, written, measure_speeds(models, tokenizer, load) if load else {}, load)


def _written(model: nn.Module, tokenizer: ProteinTokenizer, num: int, training: Mapping[str, float]) -> Written:
    valid = [one.sequence for one in sample(model, tokenizer, num, SamplingSettings()) if one.is_valid]
    if not valid:
        raise DataError(
            f"none of {num} sampled proteins is whole and valid", "train for longer, or leave --samples out"
        )
    return Written(num, valid, composition_kl_interval(valid), composition_kl_interval(valid, training))


def calibration_chapter(found: Mapping[str, Calibration]) -> Chapter:
    """How sure each model is, against how often it is right."""
    rows = [
        [model, interval_text(each.ece), str(len(each.bins)), str(sum(one.num_tokens for one in each.bins))]
        for model, each in found.items()
    ]
    points = {
        model: [(one.confidence, one.accuracy) for one in each.bins]
        for model, each in found.items()
        if model != "unigram"
    }
    text = (
        "How often the likeliest token is the true one, against its probability, in bins of equal mass. The "
        "calibration error is the mean gap. A unigram that is fitted well has none and knows nothing: read it beside "
        "the accuracy."
    )
    picture = Picture(reliability(points), "On the diagonal a model is as often right as it is sure.")
    return Chapter("Calibration", text, [Table(["model", "ECE [95 % interval]", "bins", "tokens"], rows), picture])


def reliability(series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Accuracy against confidence, one line a model, with the diagonal."""

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        highest = max(max(point) for points in series.values() for point in points)
        axes.plot([0, highest], [0, highest], color=PALETTE[5], linestyle=":", linewidth=1)
        for name, points in series.items():
            axes.plot(*zip(*points, strict=True), label=name, marker="o", markersize=4)
        axes.set(xlabel="confidence", ylabel="accuracy", title="Reliability")
        axes.legend()

    return svg(draw, name="reliability")


def composition_chapter(written: Mapping[str, Written]) -> Chapter:
    """What the models' proteins are made of, beside natural ones."""
    rows = [
        [
            name,
            f"{len(each.valid)} of {each.num}",
            interval_text(each.kl_to_swiss_prot),
            interval_text(each.kl_to_training),
        ]
        for name, each in written.items()
    ]
    total = sum(SWISS_PROT.values())
    shares = {"Swiss-Prot": {letter: share / total for letter, share in SWISS_PROT.items()}}
    shares |= {name: composition(each.valid) for name, each in written.items()}
    columns = ["model", "valid", "KL to Swiss-Prot", "KL to the training proteins"]
    text = (
        "Amino acids of sampled proteins (those that are whole and of the 20 letters), KL in nats with intervals that "
        "resample sequences. Wanted is less than 0.05, of at least 1,000 proteins. Drawn as ProtGPT2's card says: "
        "top 950, repetition penalty 1.2."
    )
    return Chapter(
        "Composition", text, [Table(columns, rows), Picture(composition_bars(shares), "Share of each amino acid.")]
    )


def composition_bars(shares: Mapping[str, Mapping[str, float]]) -> str:
    """Bars of each amino acid's share, one colour a source, the most frequent in the first source first."""

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        first, width = next(iter(shares.values())), 0.8 / len(shares)
        order = sorted(AMINO_ACIDS, key=lambda letter: -first[letter])
        for place, (name, values) in enumerate(shares.items()):
            heights = [values[letter] for letter in order]
            centres = [at + (place - (len(shares) - 1) / 2) * width for at in range(len(order))]
            axes.bar(centres, heights, width, label=name, color=(PALETTE[5], *PALETTE)[place])
        axes.set_xticks(range(len(order)), order)
        axes.tick_params(axis="x", colors=INK, length=0)
        axes.set(ylabel="share", title="Amino-acid composition")
        axes.legend()

    return svg(draw, name="composition")


def speed_chapter(speeds: Mapping[str, Speed], load: Load) -> Chapter:
    """Time and memory of each model at equal batch."""
    slowest = min(each.tokens_per_minute for each in speeds.values())
    rows = [
        [
            name,
            number(each.parameters / 1e6),
            number(each.tokens_per_minute),
            number(each.sequences_per_minute),
            f"{each.tokens_per_minute / slowest:.2f}×",
            number(each.scored_tokens_per_minute),
            number(each.latency_seconds),
            number(each.weight_bytes / MEGABYTE),
            number(each.peak_bytes / MEGABYTE),
        ]
        for name, each in speeds.items()
    ]
    columns = ["model", "M parameters", "tokens / min", "proteins / min", "speed-up", "read tokens / min"]
    columns += ["latency, s", "weights, MB", "peak, MB"]
    text = (
        f"Writing {load.batch} proteins of {load.length} tokens at once, reading as many, and writing one alone "
        "(latency). Medians of three turns; the peak is of writing, weights included."
    )
    return Chapter("Speed", text, [Table(columns, rows)])


def published_chapter(models: Sequence[Published]) -> Chapter:
    """What others published, with what speaks against it."""
    names = list(dict.fromkeys(name for model in models for name in model.figures))
    rows = [
        [
            model.name,
            *(number(model.figures.get(name)) for name in names),
            f"invalid: {model.invalid}" if model.invalid else model.protocol,
            model.source,
        ]
        for model in models
    ]
    text = (
        "Figures as published, of other proteins and other protocols: they stand here to be known, not to be compared "
        "with. Where a teacher is no better than counting tokens, its ratio and its KL measured nothing."
    )
    columns = ["model", *(name.replace("_", " ") for name in names), "protocol", "source"]
    return Chapter("Published figures", text, [Table(columns, rows)])
