"""How well `monosome rank` orders models of other programs without the native.

    python benchmarks/bench_rank.py TS60 PUZZLES

TS60 is RNAmark's set (Tarafder et al. 2024; models of six programs for 51 RNAs), PUZZLES the early RNA-Puzzles, each in
a folder with its native (*_solution_0_rpr.pdb.gz) and what groups submitted. Per target Spearman's correlation of the
rank with the true TM-score (C1', by residue), and the TM-score of what stands first, beside the best single program and
the best model there is; 95 % bootstrap intervals by target. Writes benchmarks/rank.json.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from report import write_report
from scipy.stats import spearmanr

from monosome.evaluate.intervals import interval
from monosome.rna.chain import Chain
from monosome.rna.files import read_structure
from monosome.rna.metrics import assess
from monosome.rna.ranking import rank
from monosome.rna.refinement import join_near
from monosome.row import Row

MIN_MODELS = 3


def ts60(folder: Path) -> Iterator[tuple[str, Chain, dict[str, Chain]]]:
    """Each target with its native and its models by program."""
    for file in sorted((folder / "Natives").glob("*.pdb.gz")):
        name = file.name.removesuffix("_native.pdb.gz")
        models = {}
        for model in sorted((folder / "models").glob(f"*/{name}/{name}*.pdb.gz")):
            program = model.name.removesuffix(".pdb.gz").removeprefix(name).removeprefix("_") or model.parents[1].name
            models[program] = _read(model)
        yield name, _read(file), models


def puzzles(folder: Path) -> Iterator[tuple[str, Chain, dict[str, Chain]]]:
    """Each puzzle with its first native and what was submitted."""
    for native in sorted(folder.glob("*/*_solution_0*.pdb.gz")):
        others = [file for file in sorted(native.parent.glob("*.pdb.gz")) if "solution" not in file.name]
        yield native.parent.name, _read(native), {file.name.removesuffix(".pdb.gz"): _read(file) for file in others}


def _read(file: Path) -> Chain:
    return join_near(read_structure(file).chains)


def values(native: Chain, models: dict[str, Chain]) -> dict[str, float | None]:
    """How good the order is."""
    ordered = [each.name for each in rank(models)]
    scores = [assess(models[name], native, metrics=("tm_score",), mode="residue").tm_score or 0.0 for name in ordered]
    correlation = spearmanr(-np.arange(len(scores)), scores).statistic if np.ptp(scores) else float("nan")
    found = {"spearman": float(correlation), "first": scores[0], "best": max(scores), "mean": float(np.mean(scores))}
    return {name: value if np.isfinite(value) else None for name, value in found.items()} | {"models": len(scores)}


def summary(targets: list[tuple[str, Chain, dict[str, Chain]]]) -> dict[str, Any]:
    """Means with intervals, and each program's own mean where every target has its model."""
    rows = []
    for name, native, models in targets:
        if len(models) >= MIN_MODELS:
            rows.append(Row(name, values(native, models), len(native), name))
            print(name, rows[-1].values, file=sys.stderr)
    found: dict[str, Any] = {"targets": len(rows)}
    for metric in ("spearman", "first", "best", "mean", "models"):
        measured = interval(rows, metric)
        if measured is not None:
            found[metric] = [round(float(value), 3) for value in (measured.value, measured.low, measured.high)]
    shared = set.intersection(*(set(models) for _, _, models in targets))
    found["programs"] = {
        program: round(
            float(
                np.mean([assess(m[program], n, metrics=("tm_score",), mode="residue").tm_score for _, n, m in targets])
            ),
            3,
        )
        for program in sorted(shared)
    }
    return found | {"of": {row.id: dict(row.values) for row in rows}}


if __name__ == "__main__":
    write_report(
        __file__,
        {
            "figures": "mean, and 95 % interval by target",
            "ts60": summary(list(ts60(Path(sys.argv[1])))),
            "puzzles": summary(list(puzzles(Path(sys.argv[2])))),
        },
    )
