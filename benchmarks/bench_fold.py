"""What `monosome fold` makes of RNAs that training has not seen, beside its starts, floors and other methods.

python benchmarks/bench_fold.py FOLDER [CHECKPOINT]

FOLDER is RNAmark's set (Tarafder et al. 2024, 51 of its targets): Natives/*.pdb.gz, and models of other methods in
models/*/TARGET/, most of which used alignments, scored here by the same code. Sequences are those
of the natives' residues; single sequence, no templates, no alignment. TM-score by residue number on C1'. Means
have 95 % bootstrap intervals over clusters of 80 % identity. Writes benchmarks/fold.json.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from report import write_report
from scipy.stats import spearmanr

from monosome.evaluate.figures import curves
from monosome.evaluate.intervals import interval
from monosome.processes import num_processors, worker_pool
from monosome.rna.chain import Chain, join
from monosome.rna.comparison import Reference
from monosome.rna.dotbracket import one_per_residue
from monosome.rna.files import read_structure
from monosome.rna.geometry import place_atoms
from monosome.rna.interactions import find_interactions
from monosome.rna.losses import lddt
from monosome.rna.metrics import assess
from monosome.rna.pairing import Pairs, pairs_of, predict_pairing
from monosome.rna.predict import load
from monosome.rna.refinement import Geometry
from monosome.rna.start import start_frames
from monosome.row import Row
from monosome.sequences.clusters import cluster_by_identity
from monosome.sequences.relatives import RNA

METRICS = ("tm_score", "lddt", "inf_all", "inf_wc", "inf_nwc")
BINS = {"all": range(10**6), "under_30": range(30), "30_to_130": range(30, 131), "above_200": range(201, 10**6)}
NUM_MODELS = 5

Values = dict[str, float | None]


def f1(found: Iterable[tuple[int, int]], true: Iterable[tuple[int, int]]) -> float:
    """F1 of base pairs; 1 where there are none and none were found, as in strands of a duplex."""
    found, true = set(map(tuple, found)), set(map(tuple, true))
    return 2 * len(found & true) / (len(found) + len(true)) if found or true else 1.0


def canonical(chain: Chain) -> Pairs:
    """Canonical pairs that the coordinates show."""
    return one_per_residue((pair.i, pair.j) for pair in find_interactions(chain).pairs if pair.is_canonical)


def scored(model: Chain, native: Reference, true: Pairs) -> Values:
    """Metrics of a model, undefined ones None."""
    found = assess(model, native, metrics=METRICS, mode="residue")
    return {**{name: getattr(found, name) for name in METRICS}, "wc_f1": f1(canonical(model), true)}


def laid_out(chain: Chain, pairs: Pairs, kind: Any = "paired") -> Chain:
    """A start with its atoms."""
    frames = start_frames(kind, torch.from_numpy(chain.segments), torch.from_numpy(chain.bases), pairs, 0)
    return replace(chain, atoms=place_atoms(frames, torch.from_numpy(chain.bases)).numpy())


def confidence(model: Chain, native: Chain, plddt: np.ndarray) -> np.ndarray:
    """Predicted and true lDDT of C1', 0 to 1, of every residue that the native has."""
    known = torch.from_numpy(np.isfinite(native.atom("C1'")).all(axis=1)).float()
    truth = torch.from_numpy(np.nan_to_num(native.atom("C1'")))
    local = lddt(torch.from_numpy(model.atom("C1'"))[None], truth[None], known[None])[0].numpy()
    return np.stack([plddt / 100, local], axis=1)[known.numpy() > 0]


def rank_correlation(pairs: np.ndarray) -> float | None:
    """Spearman's; None where one side does not vary."""
    return float(spearmanr(*pairs.T).statistic) if np.ptp(pairs, axis=0).all() else None


def reliability(pairs: np.ndarray) -> list[tuple[float, float, int]]:
    """Mean predicted and mean true lDDT of residues in tenths of the predicted, and how many there are."""
    tenths = np.minimum((pairs[:, 0] * 10).astype(int), 9)
    means = [(*pairs[tenths == tenth].mean(axis=0), int((tenths == tenth).sum())) for tenth in np.unique(tenths)]
    return [(round(float(one), 3), round(float(other), 3), num) for one, other, num in means]


def folded(checkpoint: str | None, name: str, native: Chain) -> tuple[dict[str, Values], np.ndarray]:
    """Values of a target by what made the structure; predicted and true lDDT of its residues."""
    torch.set_num_threads(1)
    predictor = load(checkpoint)
    reference, true = Reference.read(native), canonical(native)
    pairing = predict_pairing(native.sequence, np.zeros(len(native), dtype=np.int64))
    strand = replace(native, segments=np.zeros(len(native), dtype=np.int64))
    started = time.perf_counter()
    predictions = predictor.fold(native.sequence, id=name, num_models=NUM_MODELS)
    seconds = time.perf_counter() - started
    first, geometry = predictions[0], Geometry.of(predictions[0].chain).as_json()
    own = pairs_of(first.structure)
    values = scored(first.chain, reference, true)
    best = [assess(each.chain, reference, metrics=("tm_score",), mode="residue").tm_score or 0 for each in predictions]
    local = confidence(first.chain, native, first.plddt)
    values |= {
        "tm_score_best_of_5": max(best),
        "mean_plddt": first.mean_plddt / 100,
        "ptm": first.ptm,
        "plddt_spearman": rank_correlation(local),
        "seconds": seconds,
        **{key: None if value is None else float(value) for key, value in geometry.items()},
    }
    floors = {
        "helix": laid_out(strand, [], "helix"),
        "start_from_mfe": laid_out(strand, pairs_of(pairing.structure)),
        "start_from_own_pairs": laid_out(strand, own),
    }
    found = {kind: scored(chain, reference, true) for kind, chain in floors.items()}
    found["model_1"] = values
    scores: Values = {
        "mfe_f1": f1(pairs_of(pairing.structure), true),
        "mea_f1": f1(pairs_of(pairing.mea), true),
        "network_f1": f1(own, true),
    }
    found["pairs"] = scores | {f"{key} where there are pairs": value if true else None for key, value in scores.items()}
    for kind in ("start_from_mfe", "start_from_own_pairs"):
        found[f"model_1 - {kind}"] = _difference(values, found[kind])
    found["pairs - mea"] = _difference({"f1": found["pairs"]["network_f1"]}, {"f1": found["pairs"]["mea_f1"]})
    return found, local


def _difference(one: Values, other: Values) -> Values:
    shared = [name for name in other if one.get(name) is not None and other[name] is not None]
    return {name: float(one[name] or 0) - float(other[name] or 0) for name in shared}


def summary(rows: dict[str, list[Row]]) -> dict[str, Any]:
    """Mean and 95 % interval of every value, in bins of length."""
    found: dict[str, Any] = {}
    for kind, some in rows.items():
        found[kind] = {}
        for name, lengths in BINS.items():
            binned = [row for row in some if row.length in lengths]
            values: dict[str, Any] = {"targets": len(binned), "clusters": len({row.group for row in binned})}
            for metric in dict.fromkeys(key for row in binned for key in row.values):
                measured = interval(binned, metric)
                if measured is not None:
                    values[metric] = [
                        round(x, 3) if x is not None else None for x in (measured.value, measured.low, measured.high)
                    ]
            found[kind][name] = values
    return found


def published(folder: Path, natives: dict[str, Chain], groups: dict[str, str]) -> dict[str, list[Row]]:
    """Other methods' models by the same code."""
    rows: dict[str, list[Row]] = {}
    for name, native in natives.items():
        for file in sorted((folder / "models").glob(f"*/{name}/{name}*.pdb.gz")):
            # A folder is a method, with files of the target's name, or holds several, which the files name.
            method = file.name.removesuffix(".pdb.gz").removeprefix(name).removeprefix("_") or file.parents[1].name
            values = scored(join(read_structure(file).chains), Reference.read(native), canonical(native))
            rows.setdefault(method, []).append(Row(name, values, len(native), groups[name]))
    return rows


def each_target(folder: Path, checkpoint: str | None, report: Callable[[str], None]) -> dict[str, Any]:
    """All figures."""
    files = sorted((folder / "Natives").glob("*.pdb.gz"))
    natives = {file.name.removesuffix("_native.pdb.gz"): join(read_structure(file).chains) for file in files}
    clusters = cluster_by_identity([native.sequence for native in natives.values()], RNA)
    groups = {name: str(cluster) for name, cluster in zip(natives, clusters, strict=True)}
    rows: dict[str, list[Row]] = {}
    residues: list[np.ndarray] = []
    with worker_pool(num_processors(), load.__module__) as pool:
        jobs = {name: pool.submit(folded, checkpoint, name, native) for name, native in natives.items()}
        for name, native in natives.items():
            found, local = jobs[name].result()
            residues.append(local)
            for kind, values in found.items():
                rows.setdefault(kind, []).append(Row(name, values, len(native), groups[name]))
            latest = {kind: rows[kind][-1].values.get("tm_score") for kind in ("start_from_mfe", "model_1")}
            report(f"{name} {len(native)} nt, TM {latest}")
    targets = {row.id: dict(row.values) for row in rows["model_1"]}
    reliable = reliability(np.concatenate(residues))
    spearman = [row.values["plddt_spearman"] for row in rows["model_1"]]
    _draw(reliable)
    return {
        "figures": "mean, and 95 % interval by cluster",
        "checkpoint": load(checkpoint).fingerprint,
        "made_by": summary(rows),
        "other_methods": summary(published(folder, natives, groups)) if (folder / "models").is_dir() else {},
        "plddt": {
            "median_spearman": round(float(np.median([value for value in spearman if value is not None])), 3),
            "reliability": reliable,
        },
        "targets": targets,
    }


def _draw(reliable: list[tuple[float, float, int]]) -> None:
    series = {"residues": [(one, other) for one, other, _ in reliable], "ideal": [(0.0, 0.0), (1.0, 1.0)]}
    drawing = curves(series, x="predicted lDDT", y="lDDT", title="How reliable is predicted lDDT?")
    Path(__file__).with_name("fold_reliability.svg").write_text(drawing)


def main() -> None:
    """Measure and write."""
    os.environ.update(OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    checkpoint = sys.argv[2] if len(sys.argv) > 2 else None
    write_report(__file__, each_target(Path(sys.argv[1]), checkpoint, lambda line: print(line, file=sys.stderr)))


if __name__ == "__main__":
    main()
