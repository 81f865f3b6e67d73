"""Refinement: what was off before and after, what it did to the scores, and how long it took. Writes refine.json.

python benchmarks/bench_refine.py [FOLDER] [SAMPLE]

FOLDER holds rna_fullatom, rna_ts60 and rna_puzzles_early; without it, ideal hairpins stand for natural chains. The
baseline is the structure as it came. Sets: natural chains as they are; the same as a network gives them, every
nucleotide ideal on its own frame, moved by 0.5 Å and turned by 5° at random; all published models of rna_ts60 and 100
of RNA-Puzzles, or SAMPLE of these, drawn at random. One thread.
"""

import csv
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from report import write_report

from monosome.rna.chain import Chain
from monosome.rna.files import read_structure
from monosome.rna.frames import Frames
from monosome.rna.geometry import duplex, place_atoms, random_hairpin
from monosome.rna.metrics import assess
from monosome.rna.nucleotides import FRAME_ATOMS
from monosome.rna.refinement import Geometry, Refinement, join_near, refine
from monosome.rna.stereochemistry import stereochemistry

NUM_NATIVES, LENGTHS = 20, range(30, 131)
NUM_PUZZLES = 100
"""Models of RNA-Puzzles, evenly from all targets."""
TIMED = (38, 100, 200, 400)
"""Half the lengths of duplexes that are timed."""
GOALS = {
    "no gaps": lambda shape, clashes: not shape.links.outliers,
    "no wrong hands": lambda shape, clashes: not shape.centres.outliers,
    "bonds reached": lambda shape, clashes: shape.bonds.within >= 0.99,
    "angles reached": lambda shape, clashes: shape.angles.within >= 0.98,
    "clashscore reached": lambda shape, clashes: clashes.score <= 20,
}
SCORES = ("tm_score", "lddt", "inf_all")
TOLD = (
    *("length", "seconds", "shift", "tm_score change", "lddt change", "num_gaps after", "num_inverted after"),
    *("clashscore before", "clashscore after"),
)
"""What is said of each model while the benchmark runs."""
SHORT = 30
"""Nucleotides under which TM-score is left out: its d0 is below 1 Å."""


def as_predicted(chain: Chain, seed: int) -> Chain:
    """Ideal nucleotides on the frames of a chain, 0.5 Å and 5° off."""
    draw = np.random.default_rng(seed)
    corners = np.take_along_axis(chain.atoms, FRAME_ATOMS[chain.bases][..., None], axis=1)
    frames = Frames.from_points(*torch.from_numpy(corners).unbind(1))
    axes = draw.normal(size=(len(chain), 3))
    axes *= np.tan(np.radians(5 * draw.normal(size=(len(chain), 1))) / 2) / np.linalg.norm(axes, axis=1)[:, None]
    update = np.concatenate([axes, draw.normal(size=(len(chain), 3)) * 0.5 / np.sqrt(3)], axis=1)
    moved = frames.compose_update(torch.from_numpy(update).float())
    return replace(chain, atoms=place_atoms(moved, torch.from_numpy(chain.bases)).numpy())


def natives(folder: Path | None) -> list[Chain]:
    """Whole chains of good geometry, in an order of their own."""
    if folder is None:
        return [random_hairpin(seed) for seed in range(NUM_NATIVES)]
    found = []
    with (folder / "rna_fullatom" / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if int(row["length"]) in LENGTHS and row["chain_breaks"] == "0"]
    for row in rows:
        chain = read_structure(next((folder / "rna_fullatom" / "pdb").glob(f"{row['id']}.*"))).chains[0]
        shape = stereochemistry(chain)
        is_good = (shape.bonds.within or 0) > 0.98 and (shape.angles.within or 0) > 0.96 and not shape.centres.outliers
        if is_good and chain.has_frame.all() and not chain.segments.any():
            found.append(replace(chain, id=row["id"]))
    order = np.random.default_rng(0).permutation(len(found))
    return [found[place] for place in order[:NUM_NATIVES]]


def models(folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """Set, model and native of each published model."""
    for native in sorted((folder / "rna_ts60" / "Natives").glob("*_native.pdb.gz")):
        name = native.name.removesuffix("_native.pdb.gz")
        for file in sorted((folder / "rna_ts60" / "models").glob(f"*/{name}/*")):
            method = file.name.removesuffix(".pdb.gz").removeprefix(name).strip("_") or "RNAComposer"
            yield f"rna_ts60 {method}", file, native
    pairs = []
    for target in sorted((folder / "rna_puzzles_early").iterdir()):
        files = sorted(target.glob("*_rpr.pdb.gz"))
        for native in [file for file in files if "solution" in file.name][:1]:
            pairs += [(file, native) for file in files if "solution" not in file.name]
    for place in np.linspace(0, len(pairs) - 1, NUM_PUZZLES).round().astype(int):
        yield "RNA-Puzzles", *pairs[place]


def figures(found: Refinement, native: Chain | Path, seconds: float) -> dict[str, Any]:
    """What one refinement did."""
    scores = [assess(chain, native, metrics=SCORES) for chain in (found.start, found.chain)]
    values: dict[str, Any] = {"seconds": seconds, "length": len(found.chain), "shift": found.shift}
    for when, geometry in (("before", found.before), ("after", found.after)):
        goals = {f"{name} {when}": bool(reached(*parts(geometry))) for name, reached in GOALS.items()}
        values |= {f"{name} {when}": value for name, value in geometry.as_json().items()}
        values |= goals | {f"all goals {when}": all(goals.values())}
    for name in SCORES:
        before, after = (getattr(score, name) for score in scores)
        if before is not None and after is not None and (name != "tm_score" or len(found.chain) >= SHORT):
            values[f"{name} change"] = after - before
    return values


def parts(geometry: Geometry) -> tuple[Any, Any]:
    """What the goals are set for."""
    return geometry.stereochemistry, geometry.clashes


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares, medians and means over one set."""
    result: dict[str, Any] = {"n": len(rows), "milliseconds_per_nucleotide": milliseconds(rows)}
    for when in ("before", "after"):
        result |= {f"{name} {when}": mean(row[f"{name} {when}"] for row in rows) for name in ("all goals", *GOALS)}
        for name in ("bonds_within", "angles_within"):
            result[f"{name} {when}"] = mean(row[f"{name} {when}"] for row in rows)
        result[f"clashscore {when}, median"] = statistics.median(row[f"clashscore {when}"] for row in rows)
        result |= {
            f"{name} {when}": sum(row[f"{name} {when}"] for row in rows) for name in ("num_gaps", "num_inverted")
        }
    for name in SCORES:
        changes = [row[f"{name} change"] for row in rows if f"{name} change" in row]
        if changes:
            result[f"{name} change"] = {"n": len(changes), "mean": mean(changes), "lowest": min(changes)}
    moved = [abs(row["tm_score change"]) for row in rows if "tm_score change" in row]
    result["tm_score change, mean size"] = mean(moved) if moved else None
    result["tm_score within 0.005"] = mean(change < 0.005 for change in moved) if moved else None
    result["clashscore above the start's"] = sum(row["clashscore after"] > row["clashscore before"] for row in rows)
    kept = [row["inf_all change"] >= -0.01 for row in rows if "inf_all change" in row]
    result["inf_all no worse than 0.01"] = mean(kept) if kept else None
    result["shift"] = {"mean": mean(row["shift"] for row in rows), "max": max(row["shift"] for row in rows)}
    return result


def mean(values: Any) -> float:
    """The mean, shares included."""
    return round(float(np.mean(list(values))), 4)


def milliseconds(rows: list[dict[str, Any]]) -> float:
    """Time over all lengths."""
    return round(1000 * sum(row["seconds"] for row in rows) / sum(row["length"] for row in rows), 2)


def timed(chain: Chain) -> tuple[Refinement, float]:
    """A refinement and how long it took."""
    started = time.perf_counter()
    found = refine(chain)
    return found, time.perf_counter() - started


def main() -> None:
    """Refine all sets on one thread."""
    torch.set_num_threads(1)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    published = list(models(folder)) if folder else []
    if len(sys.argv) > 2:
        order = np.random.default_rng(0).permutation(len(published))[: int(sys.argv[2])]
        published = [published[place] for place in sorted(order)]
    rows = defaultdict(list)
    for seed, native in enumerate(natives(folder)):
        rows["natural chains"].append(figures(*with_native(native, native)))
        rows["rigid predictions"].append(figures(*with_native(as_predicted(native, seed), native)))
    for name, file, native_file in published:
        found = figures(*with_native(join_near(read_structure(file).chains), native_file))
        print(file.name, {key: found[key] for key in TOLD if key in found}, file=sys.stderr, flush=True)
        rows[name].append(found)
        rows["published models"].append(found)
    helices = [duplex(("GCAUC" * half)[:half]) for half in TIMED]
    seconds = {len(helix): round(timed(as_predicted(helix, 0))[1], 2) for helix in helices}
    write_report(__file__, {"sets": {name: summary(each) for name, each in rows.items()}, "seconds": seconds})


def with_native(start: Chain, native: Chain | Path) -> tuple[Refinement, Chain | Path, float]:
    """A refinement, the native it is held against, and its time."""
    found, seconds = timed(start)
    return found, native, seconds


if __name__ == "__main__":
    main()
