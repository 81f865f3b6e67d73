"""The report on many models of known structures: figures by method, length and motif, confidence, the worst to see."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from jaxtyping import Float

from monosome.evaluate.figures import bars, scatter
from monosome.evaluate.intervals import interval
from monosome.evaluate.page import Chapter, Picture, Report, Table
from monosome.evaluate.rows import interval_text, number
from monosome.evaluate.scene import Model, Scene, Stage
from monosome.rna.chain import Chain, join
from monosome.rna.dotbracket import one_per_residue
from monosome.rna.files import read_b_factors, read_structure
from monosome.rna.interactions import find_interactions
from monosome.rna.metrics import Assessment
from monosome.rna.motif_scores import KINDS, summarise
from monosome.rna.nucleotides import ATOM_NAMES
from monosome.rna.superposition import move
from monosome.row import Metric, Row

NUM_WORST = 5
NUM_LISTED = 1000
"""Models that the page lists; all are in report.json."""
NUM_BANDS = 10
"""Bands of confidence in which it is compared with the truth."""


@dataclass(frozen=True)
class Validated:
    """A model that was scored, with the scores of its residues and of its native's motifs."""

    model: Path
    native: Path
    method: str
    cluster: str
    found: Assessment

    @property
    def label(self) -> str:
        """What tables call it."""
        return f"{self.method}: {self.model.name}" if self.method else self.model.name


def report(models: Sequence[Validated], metrics: Sequence[Metric], command: str) -> Report:
    """The page; `metrics` are those that were asked for, the first decides which models are worst."""
    first = metrics[0]
    methods = list(dict.fromkeys(each.method for each in models))
    clusters = len({each.cluster for each in models})
    means = {method: _mean(models, method, first) for method in methods}
    best = max(methods, key=lambda method: means[method] * (1 if first.higher_is_better else -1))
    head = f"{len(models)} models of {len({each.native for each in models})} structures in {clusters} clusters"
    which = (
        f" Best of {len(methods)} methods by {first.title}: {best}, {number(means[best])}." if len(methods) > 1 else ""
    )
    return Report(
        title=f"{head} of sequences",
        summary=f"Mean {first.title} {number(_mean(models, None, first))}.{which}",
        command=command,
        chapters=[
            _figures(models, methods, metrics),
            _worst(models, first),
            _by_length(models, methods, first),
            *_motifs(models, methods),
            *_confidence(models, methods),
            _listed(models, metrics),
        ],
        data={"models": [_as_json(each, metrics) for each in models]},
    )


def _rows(models: Sequence[Validated], method: str | None, metrics: Sequence[Metric]) -> list[Row]:
    chosen = [each for each in models if method is None or each.method == method]
    return [
        Row(
            str(each.model),
            {one.name: getattr(each.found, one.name) for one in metrics},
            each.found.length,
            each.cluster,
        )
        for each in chosen
    ]


def _mean(models: Sequence[Validated], method: str | None, metric: Metric) -> float:
    found = interval(_rows(models, method, [metric]), metric.value)
    return found.value if found else float("nan")


def _figures(models: Sequence[Validated], methods: Sequence[str], metrics: Sequence[Metric]) -> Chapter:
    rows = []
    for metric in metrics:
        cells = [interval(_rows(models, method, [metric]), metric.value) for method in methods]
        unit = f" ({metric.unit})" if metric.unit else ""
        rows.append([metric.title + unit, *("–" if one is None else interval_text(one) for one in cells)])
    counts = [str(sum(each.method == method for each in models)) for method in methods]
    columns = ["metric", *(method or "mean [95 % interval]" for method in methods)]
    text = (
        "Means over models; intervals resample clusters of sequences, for the relatives of one RNA are not independent."
    )
    return Chapter("Figures", text, [Table(columns, [*rows, ["models", *counts]])])


def _worst(models: Sequence[Validated], metric: Metric) -> Chapter:
    scored = [each for each in models if getattr(each.found, metric.name) is not None]
    direction = 1 if metric.higher_is_better else -1
    worst = sorted(scored, key=lambda each: direction * getattr(each.found, metric.name))[:NUM_WORST]
    scenes = [scene(each, f"{metric.title} {number(getattr(each.found, metric.name))}") for each in worst]
    text = f"The {len(worst)} of the lowest rank by {metric.title}, each on its native, in grey. Choose one under RNA."
    return Chapter("The worst to look at", text, [Stage(scenes)] if scenes else [])


def scene(each: Validated, note: str) -> Scene:
    """A model laid on its native as its TM-score has it; residues of the native are those of the same number."""
    chains = read_structure(each.model).chains
    model, native = join(chains), join(read_structure(each.native).chains)
    atoms: Float[np.ndarray, "n 27 3"] = model.atoms
    if each.found.rotation is not None:
        flat = atoms.reshape(-1, 3).astype(np.float64)
        atoms = move(flat, np.array(each.found.rotation), np.array(each.found.translation)).reshape(atoms.shape)
    place = _places(model, native)
    grey = np.where((place >= 0)[:, None, None], native.atoms[place], np.nan)
    back = {int(there): here for here, there in enumerate(place) if there >= 0}
    pairs = [(back[i], back[j]) for i, j in _canonical(native) if i in back and j in back]
    plddt = confidence(each.model, chains)
    shown = Model(each.label, note, atoms, plddt, _canonical(model))
    below = Model("native", each.native.name, grey, None, pairs)
    return Scene(each.label, model.sequence, model.segments.tolist(), ATOM_NAMES, [shown], native=below)


def _places(model: Chain, native: Chain) -> np.ndarray:
    """The native's residue for each of the model's, −1 for none: in order if sequences agree, else by number."""
    if model.sequence == native.sequence:
        return np.arange(len(model))
    numbers = {label: place for place, label in enumerate(native.labels)}
    return np.array([numbers.get(label, -1) for label in model.labels])


def _canonical(chain: Chain) -> list[tuple[int, int]]:
    return one_per_residue((pair.i, pair.j) for pair in find_interactions(chain).pairs if pair.is_canonical)


def confidence(path: Path, chains: Sequence[Chain]) -> Float[np.ndarray, "n"] | None:
    """Predicted lDDT, 0 to 100, of the residues of these chains of a file: its B factors.

    None where these are something else, or the same for all.
    """
    factors = read_b_factors(path)
    found = np.array([factors[chain.id, number] for chain in chains for number in chain.residue_numbers.tolist()])
    if found.min() < 0 or found.max() > 100 or np.ptp(found) < 1e-3:
        return None
    return found * (100.0 if found.max() <= 1 else 1.0)


def _by_length(models: Sequence[Validated], methods: Sequence[str], metric: Metric) -> Chapter:
    series = {
        method or metric.title: [
            (float(each.found.length), float(getattr(each.found, metric.name)))
            for each in models
            if each.method == method and getattr(each.found, metric.name) is not None
        ]
        for method in methods
    }
    picture = scatter(series, x="nucleotides", y=metric.title, title="By length")
    return Chapter(
        "By length", "One point per model.", [Picture(picture, f"{metric.title} against length.", wide=True)]
    )


def _motifs(models: Sequence[Validated], methods: Sequence[str]) -> Iterator[Chapter]:
    """Mean lDDT of each class of motifs, method by method."""
    blocks = list[Picture]()
    for method in methods:
        values = defaultdict[str, list[float]](list)
        for each in models:
            if each.method == method and each.found.motifs is not None:
                for one in summarise(each.found.motifs):
                    if one.lddt is not None:
                        values[one.kind].append(one.lddt)
        if values:
            named = {kind.replace("_", " "): values[kind] for kind in KINDS if kind in values}
            heights = {kind: (fmean(found), None, None) for kind, found in named.items()}
            picture = bars(heights, y="lDDT", title=method or "lDDT by class of motif")
            counts = ", ".join(f"{kind} {len(found)}" for kind, found in named.items())
            blocks.append(
                Picture(picture, f"Mean over models of the mean over motifs. Models that have one: {counts}.")
            )
    if blocks:
        yield Chapter("By class of motif", "lDDT of the residues of each motif of the native.", blocks)


def _confidence(models: Sequence[Validated], methods: Sequence[str]) -> Iterator[Chapter]:
    """Predicted against true lDDT of residues, in bands of the predicted."""
    blocks = list[Picture]()
    for method in methods:
        points = [pair for each in models if each.method == method for pair in _told_and_true(each)]
        if points:
            told, true = np.array(points).T
            bands = np.minimum((told * NUM_BANDS).astype(int), NUM_BANDS - 1)
            means = [
                (float(told[bands == band].mean()), float(true[bands == band].mean())) for band in np.unique(bands)
            ]
            title = method or "Confidence"
            picture = scatter({"": means}, x="predicted lDDT", y="true lDDT", title=title, diagonal=True)
            gap = float(np.abs(told - true).mean())
            blocks.append(
                Picture(picture, f"{len(points):,} residues; mean distance {gap:.3f}. On the line it is right.")
            )
    if blocks:
        yield Chapter("Is the confidence right?", "Predicted lDDT is read from the column of B factors.", blocks)


def _told_and_true(each: Validated) -> list[tuple[float, float]]:
    """Predicted and true lDDT, 0 to 1, of the residues that have both."""
    if each.found.residues is None:
        return []
    chains = read_structure(each.model).chains
    told = confidence(each.model, chains)
    if told is None:
        return []
    numbers = [number for chain in chains for number in chain.residue_numbers.tolist()]
    by_number = {number: float(value) / 100 for number, value in zip(numbers, told, strict=True)}
    return [
        (by_number[one.number], one.lddt)
        for one in each.found.residues
        if one.lddt is not None and one.number in by_number
    ]


def _listed(models: Sequence[Validated], metrics: Sequence[Metric]) -> Chapter:
    rows = [
        [each.label, str(each.found.length), *(number(getattr(each.found, one.name)) for one in metrics)]
        for each in models[:NUM_LISTED]
    ]
    shown = "" if len(models) <= NUM_LISTED else f" The first {NUM_LISTED:,}; all are in report.json."
    return Chapter(
        "Every model", f"As it was measured.{shown}", [Table(["model", "nt", *(m.title for m in metrics)], rows)]
    )


def _as_json(each: Validated, metrics: Sequence[Metric]) -> dict[str, object]:
    known = {"model": str(each.model), "native": str(each.native), "method": each.method, "cluster": each.cluster}
    return {**known, "length": each.found.length, **{one.name: getattr(each.found, one.name) for one in metrics}}
