"""The paired start against natives, and its time by length. Writes benchmarks/starts.json.

python benchmarks/bench_starts.py [FOLDER]

FOLDER holds RNAmark's natives in Natives/*.pdb.gz (Tarafder et al. 2024, 51 of its targets); without it only times are
measured, on the package's known.fasta and on those sequences end to end. Sequences are those of the natives' residues.
Pairs come from ViennaRNA's structure of minimum free energy and, as an upper bound, from the native itself. Means have
95 % bootstrap intervals over clusters of 80 % identity. Nothing here was used to choose a constant.
"""

import os
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from report import write_report

from monosome.evaluate.intervals import interval
from monosome.rna.chain import Chain, join
from monosome.rna.comparison import Reference
from monosome.rna.dotbracket import one_per_residue
from monosome.rna.files import read_structure
from monosome.rna.geometry import place_atoms
from monosome.rna.interactions import find_interactions
from monosome.rna.metrics import assess
from monosome.rna.pairing import Pairs, pairs_of, predict_pairing
from monosome.rna.start import Start, start_frames
from monosome.row import Row
from monosome.sequences.clusters import cluster_by_identity
from monosome.sequences.relatives import RNA

NUM_MODELS = 5
METRICS = ("tm_score", "lddt", "inf_all", "inf_wc", "clashscore")
BINS = {"all": range(10**6), "under_30": range(30), "30_to_130": range(30, 131), "above_200": range(201, 10**6)}
LENGTHS = (38, 76, 152, 304, 500)
GAP = 1.9
"""O3'–P (Å) above which a link is open."""


def model(chain: Chain, start: Start, pairs: Pairs, seed: int) -> Chain:
    """The start as a chain of one strand with all atoms."""
    strand = np.zeros(len(chain), dtype=np.int64)
    frames = start_frames(start, torch.from_numpy(strand), torch.from_numpy(chain.bases), pairs, seed)
    return replace(chain, segments=strand, atoms=place_atoms(frames, torch.from_numpy(chain.bases)).numpy())


def scores(native: Chain, start: Start, pairs: Pairs, num_models: int) -> dict[str, float | None]:
    """Metrics of the first model, and the best TM-score of all."""
    reference = Reference.read(native)
    models = [model(native, start, pairs, seed) for seed in range(num_models)]
    first = assess(models[0], reference, metrics=METRICS, mode="residue")
    others = [assess(each, reference, metrics=("tm_score",), mode="residue").tm_score or 0.0 for each in models[1:]]
    links = np.linalg.norm(models[0].atom("O3'")[:-1] - models[0].atom("P")[1:], axis=-1)
    values = {name: getattr(first, name) for name in METRICS}
    return {
        **values,
        "tm_score_best_of_5": max([first.tm_score or 0.0, *others]),
        "open_links_percent": 100 * float((links > GAP).mean()),
    }


def by_bin(rows: list[Row]) -> dict[str, dict[str, Any]]:
    """Means with intervals, in bins of length."""
    found: dict[str, dict[str, Any]] = {}
    for name, lengths in BINS.items():
        some = [row for row in rows if row.length in lengths]
        found[name] = {"targets": len(some), "clusters": len({row.group for row in some})}
        for metric in rows[0].values:
            measured = interval(some, metric)
            if measured is not None:
                ends = [None if end is None else round(end, 3) for end in (measured.low, measured.high)]
                found[name][metric] = [round(measured.value, 3), *ends]
    return found


def accuracy(folder: Path) -> dict[str, Any]:
    """Scores of each start, mean and 95 % interval."""
    files = sorted((folder / "Natives").glob("*.pdb.gz"))
    natives = [join(read_structure(file).chains) for file in files]
    groups = [str(number) for number in cluster_by_identity([native.sequence for native in natives], RNA)]
    rows: dict[str, list[Row]] = {"helix": [], "paired_mfe": [], "paired_native": []}
    for file, native, group in zip(files, natives, groups, strict=True):
        strand = np.zeros(len(native), dtype=np.int64)
        predicted = pairs_of(predict_pairing(native.sequence, strand).structure)
        found = find_interactions(native).pairs
        true = one_per_residue((pair.i, pair.j) for pair in found if pair.is_canonical)
        for name, measured in (
            ("helix", scores(native, "helix", [], 1)),
            ("paired_mfe", scores(native, "paired", predicted, NUM_MODELS)),
            ("paired_native", scores(native, "paired", true, NUM_MODELS)),
        ):
            rows[name].append(Row(file.name.removesuffix("_native.pdb.gz"), measured, len(native), group))
        print(file.name, rows["paired_mfe"][-1].values["tm_score"], file=sys.stderr)
    return {name: by_bin(some) for name, some in rows.items()}


def times() -> dict[str, float]:
    """Processor seconds for one start of a length, the median of five, on one thread."""
    known = Path(__file__).parent.parent / "src/monosome/rna/known.fasta"
    letters = "".join(line for line in known.read_text().splitlines() if not line.startswith(">"))
    found = {}
    for length in LENGTHS:
        sequence = (letters * (length // len(letters) + 1))[:length]
        strand = np.zeros(length, dtype=np.int64)
        pairs = pairs_of(predict_pairing(sequence, strand).structure)
        taken = []
        for _ in range(5):
            started = time.process_time()
            start_frames("paired", torch.from_numpy(strand), torch.from_numpy(strand), pairs)
            taken.append(time.process_time() - started)
        found[str(length)] = round(statistics.median(taken), 3)
    return found


def main() -> None:
    """Measure and write."""
    os.environ.update(OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    figures: dict[str, Any] = {"seconds_by_length": times()}
    if len(sys.argv) > 1:
        figures |= {"figures": "mean, and 95 % interval by cluster", "natives": accuracy(Path(sys.argv[1]))}
    write_report(__file__, figures)


if __name__ == "__main__":
    main()
