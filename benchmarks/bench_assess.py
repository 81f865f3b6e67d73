"""Assessment: pairs per second as a user sees them, against a plain search for TM-score. Writes benchmarks/assess.json.

python benchmarks/bench_assess.py [FOLDER]

FOLDER holds models of about 70 nucleotides and their natives (`*solution*`) in one folder per target, as RNA-Puzzles'
standardised data set has them; without it, noisy copies of an ideal hairpin are made. The baseline is TM-score's search
written as in its paper, one fragment after the other with numpy's SVD, and is not tuned.
"""

import csv
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from report import write_report

from monosome.rna.comparison import Reference
from monosome.rna.files import read_structure, write_structure
from monosome.rna.geometry import hairpin
from monosome.rna.metrics import METRICS, assess
from monosome.rna.tm_score import tm_d0, tm_score

NUM_PAIRS, NUM_PARSED, NUM_PLAIN, NUM_RUNS = 1000, 60, 10, 5
LENGTHS = range(50, 100)
LONG = 1600


def plain_tm_score(model: np.ndarray, native: np.ndarray) -> float:
    """The baseline."""
    length, d0 = len(native), tm_d0(len(native))
    reach, best = min(max(d0, 4.5), 8.0), 0.0
    sizes = sorted({max(length // 2**power, 4) for power in range(5)} | {4}, reverse=True)
    for size in sizes:
        for start in range(length - size + 1):
            chosen = np.arange(start, start + size)
            for cut in [reach - 1] + [reach + 1] * 20:
                x, y = model[chosen], native[chosen]
                left, _, right = np.linalg.svd((x - x.mean(0)).T @ (y - y.mean(0)))
                right[2] *= np.sign(np.linalg.det(left @ right))
                moved = (model - x.mean(0)) @ (left @ right) + y.mean(0)
                distances = np.linalg.norm(moved - native, axis=1)
                best = max(best, float((1 / (1 + (distances / d0) ** 2)).mean()))
                near = np.flatnonzero(distances < max(cut, np.partition(distances, 2)[2]))
                if np.array_equal(near, chosen):
                    break
                chosen = near
    return best


def find_pairs(folder: Path | None, work: Path) -> list[tuple[Path, Path]]:
    """Models and natives of about 70 nucleotides."""
    if folder is None:
        native = hairpin("GGCACGUAGC" * 3 + "GAAA" + "GCUACGUGCC" * 3, 30)
        write_structure(native, work / "native.pdb", format="pdb")
        for seed in range(50):
            noise = np.random.default_rng(seed).normal(size=(len(native), 1, 3)).cumsum(axis=0).astype(np.float32)
            write_structure(replace(native, atoms=native.atoms + noise), work / f"{seed}.pdb", format="pdb")
        return [(work / f"{seed}.pdb", work / "native.pdb") for seed in range(50)]
    pairs = []
    for target in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(target.glob("*_rpr.pdb.gz"))
        natives = [file for file in files if "solution" in file.name]
        if natives and sum(map(len, read_structure(natives[0]).chains)) in LENGTHS:
            pairs += [(file, natives[0]) for file in files if file not in natives]
    return pairs


def seconds_for_all(pairs: list[tuple[Path, Path]], metrics: str, work: Path) -> float:
    """Wall time of `monosome assess --pairs`, start and parsing included."""
    table, out = work / "pairs.csv", work / "scores.csv"
    out.unlink(missing_ok=True)
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("model", "native"), *pairs])
    command = [sys.executable, "-m", "monosome", "assess", "--pairs", table, "-o", out, "--metrics", metrics]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    took = time.perf_counter() - started
    with out.open() as file:
        assert sum(not row["error"] for row in csv.DictReader(file)) == len(pairs)
    return took


def rates(pairs: list[tuple[Path, Path]], metrics: str, work: Path) -> dict[str, float]:
    """Pairs per second over several runs."""
    found = [len(pairs) / seconds_for_all(pairs, metrics, work) for _ in range(NUM_RUNS)]
    return {"median": statistics.median(found), "min": min(found), "max": max(found), "runs": NUM_RUNS}


def parsed_rate(pairs: list[tuple[Path, Path]], metrics: tuple[str, ...]) -> float:
    """Pairs per second of one process on structures that are read."""
    read = [(Reference.read(model), Reference.read(native)) for model, native in pairs]
    started = time.perf_counter()
    for model, native in read:
        assess(model, native, metrics=metrics)
    return len(pairs) / (time.perf_counter() - started)


def against_plain(pairs: list[tuple[Path, Path]]) -> dict[str, float]:
    """How many times faster the search is than the baseline, and the largest difference of scores."""
    ratios, differences = [], []
    for model_file, native_file in pairs:
        model, native = (read_structure(file).chains[0].atom("C1'") for file in (model_file, native_file))
        known = np.isfinite(model + native).all(axis=1) if len(model) == len(native) else np.zeros(0, dtype=bool)
        if not known.any():
            continue
        points = model[known].astype(np.float64), native[known].astype(np.float64)
        times = []
        for function in (plain_tm_score, lambda *both: tm_score(*both, len(both[1])).score):
            started = time.perf_counter()
            score = function(*points)
            times.append((time.perf_counter() - started, score))
        ratios.append(times[0][0] / times[1][0])
        differences.append(abs(times[0][1] - times[1][1]))
    return {"median_speedup": statistics.median(ratios), "largest_difference": max(differences), "n": len(ratios)}


def long_molecule(work: Path) -> dict[str, float]:
    """All metrics of a molecule of ribosomal length against itself, in a process of its own."""
    half = "".join(np.random.default_rng(0).choice(list("ACGU"), size=LONG // 2 - 2))
    pairs = {"A": "U", "C": "G", "G": "C", "U": "A"}
    chain = hairpin(half + "GAAA" + "".join(pairs[base] for base in reversed(half)), len(half))
    write_structure(chain, work / "long.cif")
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "monosome", "assess", work / "long.cif", work / "long.cif"], check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {"nucleotides": len(chain), "seconds": time.perf_counter() - started, "peak_bytes": peak}


def main() -> None:
    """Measure and write."""
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        some = find_pairs(folder, work)
        many = (some * (NUM_PAIRS // len(some) + 1))[:NUM_PAIRS]
        figures = {
            "long": long_molecule(work),
            "structures": "RNA-Puzzles" if folder else "noisy hairpins",
            "distinct_pairs": len(some),
            "pairs": len(many),
            "tm_and_rmsd_pairs_per_second": rates(many, "tm_score,rmsd", work),
            "all_metrics_pairs_per_second": rates(many, "", work),
            "parsed_tm_and_rmsd_pairs_per_second_one_core": parsed_rate(some[:NUM_PARSED], ("tm_score", "rmsd")),
            "parsed_all_metrics_pairs_per_second_one_core": parsed_rate(some[:NUM_PARSED], METRICS),
            "tm_search_against_plain": against_plain(some[:NUM_PLAIN]),
        }
    write_report(__file__, figures)


if __name__ == "__main__":
    main()
