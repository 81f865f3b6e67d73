"""How well ViennaRNA's structures agree with those in 3D, and how long they take. Writes benchmarks/pairing.json.

python benchmarks/bench_pairing.py FOLDER

FOLDER holds experimental chains, one a file: manifest.csv (id), pdb/ID.pdb.gz and rna_clusters.csv (id, set,
cluster80). The truth is the canonical pairs between a chain's own residues, pseudoknots included; the prediction sees
the sequence alone, as one strand. F1 is averaged over chains, its 95 % interval resamples clusters. Times are of random
sequences, computed anew.
"""

import csv
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from unittest import mock

import numpy as np
from report import write_report

from monosome.evaluate.intervals import interval
from monosome.rna import pairing
from monosome.rna.chain import Chain, join
from monosome.rna.files import read_structure
from monosome.rna.interactions import find_interactions
from monosome.rna.pairing import Pairing, Pairs, pairs_of, predict_local_energies, predict_pairing
from monosome.row import Row

TIMED = (76, 500, 1000, 3000)
NUM_RUNS = 3


def f1(found: Pairs, true: Pairs) -> float | None:
    """F1 of pairs; None where there are none to find."""
    return 2 * len(set(found) & set(true)) / (len(found) + len(true)) if true else None


def chains(folder: Path) -> Iterator[tuple[Chain, str]]:
    """The chains of the folder with their clusters."""
    with (folder / "rna_clusters.csv").open() as file:
        clusters = {row["id"]: row["cluster80"] for row in csv.DictReader(file) if row["set"] == "fullatom"}
    with (folder / "manifest.csv").open() as file:
        names = [row["id"] for row in csv.DictReader(file)]
    for name in names:
        yield replace(join(read_structure(folder / "pdb" / f"{name}.pdb.gz").chains), id=name), clusters[name]


def compared(chain: Chain, cluster: str) -> Row:
    """F1 of each kind of structure on one chain, and the seconds that the fold took."""
    true = [(pair.i, pair.j) for pair in find_interactions(chain).pairs if pair.is_canonical]
    started = time.process_time()
    predicted = fold(chain.sequence)
    values: dict[str, float | None] = {"seconds": time.process_time() - started}
    structures = {"mfe": predicted.structure, "mea": predicted.mea, "centroid": predicted.centroid}
    values |= {f"{name}_f1": f1(pairs_of(structure), true) for name, structure in structures.items()}
    values["mea_minus_mfe"] = values["mea_f1"] - values["mfe_f1"] if true else None
    return Row(chain.id, values, len(chain), group=cluster)


def fold(sequence: str) -> Pairing:
    """The pairing of a single strand."""
    return predict_pairing(sequence, np.zeros(len(sequence), dtype=np.int64))


def seconds(length: int) -> dict[str, float]:
    """Least time of several runs: the pairing, then the local energies."""
    times = []
    for seed in range(NUM_RUNS if length <= 500 else 1):
        sequence = "".join(random.Random(seed).choices("ACGU", k=length))
        started = time.process_time()
        fold(sequence)
        folded = time.process_time()
        predict_local_energies(sequence, np.zeros(length, dtype=np.int64))
        times.append((folded - started, time.process_time() - folded))
    return {"pairing": min(one for one, _ in times), "local_energies": min(other for _, other in times)}


def main() -> None:
    """Measure and write."""
    folder = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as cache:
        os.environ["MONOSOME_CACHE"] = cache
        fold("GGGAAACCC")  # the first fold imports ViennaRNA
        figures = {"seconds": {f"{length}nt": seconds(length) for length in TIMED}}
        rows = [compared(chain, cluster) for chain, cluster in chains(folder)]
        short = [row for row in rows if row.length <= pairing.LONGEST_WHOLE]
        figures["agreement"] = {name: asdict(interval(short, name)) for name in rows[-1].values if name != "seconds"}
        figures["seconds"]["all_chains"] = sum(row.values["seconds"] for row in rows)
        long = {row.id: {"length": row.length, "in_windows": row.values} for row in rows if row not in short}
        with mock.patch.object(pairing, "LONGEST_WHOLE", 10**6):
            for chain, cluster in chains(folder):
                if chain.id in long:
                    long[chain.id]["whole"] = compared(chain, cluster).values
        figures["longer"] = long
    write_report(__file__, figures)


if __name__ == "__main__":
    main()
