"""Contacts found by mutual information in RNA families, and how long that takes. Writes benchmarks/evolution.json.

python benchmarks/bench_evolution.py DATA

DATA holds rna_family_msa (alignments of Rfam families in the columns of a chain) and rna_fullatom (the chains). Of each
family the L/2 pairs (|i − j| ≥ 4) of highest score are looked up in the structure: a contact has C1' or any two heavy
atoms within 8 Å. Plain mutual information and chance are the baselines. Intervals are a bootstrap over families.
"""

import csv
import sys
import time
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
from report import write_report
from scipy.spatial import cKDTree

from monosome.rna.alignment import GAP, Alignment, read_alignment
from monosome.rna.chain import Chain
from monosome.rna.evolution import MAX_DEPTH, evolution
from monosome.rna.files import read_structure

CONTACT, MIN_SEPARATION = 8.0, 4
NUM_BOOTSTRAP = 10_000
SCORES = ("apc", "apc_pseudocount_half", "plain", "chance")
COLUMNS, ROWS = 300, 5000


def families(data: Path) -> Iterator[tuple[str, Alignment, Chain, np.ndarray]]:
    """Name, alignment and structure of each family, and at which column of the alignment each residue stands."""
    with (data / "rna_fullatom" / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    of_sequence = {row["sequence"]: row["id"] for row in rows}
    of_file = {Path(row["source_path"]).stem: row["id"] for row in rows if row["source_repo"] == "coconet"}
    with (data / "rna_family_msa" / "families.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            alignment = read_alignment(data / "rna_family_msa" / f"{row['rfam']}.afa.gz")
            name = of_sequence.get(alignment.query) or of_file[row["pdb_file"]]
            (chain,) = read_structure(data / "rna_fullatom" / "pdb" / f"{name}.pdb.gz").chains
            yield row["rfam"], alignment, chain, columns_of(chain, alignment.query)


def columns_of(chain: Chain, query: str) -> np.ndarray:
    """Where the residues stand in the query; the structure of seven of the families lacks some in between."""
    blocks = SequenceMatcher(None, chain.sequence, query, autojunk=False).get_matching_blocks()
    columns = np.concatenate([np.arange(block.b, block.b + block.size) for block in blocks])
    assert len(columns) == len(chain), chain.id
    return columns


def contacts(chain: Chain, columns: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Which residues touch, any two heavy atoms, C1' among them, within 8 Å; and which pairs are in the structure."""
    residues = columns[np.nonzero(chain.resolved)[0]]
    pairs = cKDTree(chain.atoms[chain.resolved]).query_pairs(CONTACT, output_type="ndarray")
    touch, known = np.zeros((length, length), dtype=bool), np.zeros(length, dtype=bool)
    touch[residues[pairs[:, 0]], residues[pairs[:, 1]]] = known[residues] = True
    usable = np.triu(known[:, None] & known[None, :], MIN_SEPARATION)
    return touch | touch.T, usable


def precision(scores: np.ndarray, touch: np.ndarray, usable: np.ndarray) -> float:
    """Share of contacts among the L/2 usable pairs of highest score."""
    best = np.argsort(-scores[usable], kind="stable")[: len(scores) // 2]
    return float(touch[usable][best].mean())


def measure(data: Path) -> dict[str, dict[str, float]]:
    """Precision of each family by APC, plain mutual information and chance, with depths and times."""
    found = {}
    for name, alignment, chain, columns in families(data):
        touch, usable = contacts(chain, columns, len(alignment))
        used = alignment.thinned(MAX_DEPTH)  # weighted once
        started = time.process_time()
        told = evolution(used)
        seconds = time.process_time() - started
        found[name] = {
            "apc": precision(told.coupling, touch, usable),
            "apc_pseudocount_half": precision(evolution(used, pseudocount=0.5).coupling, touch, usable),
            "plain": precision(told.mutual_information, touch, usable),
            "chance": float(touch[usable].mean()),
            "length": len(alignment),
            "depth": alignment.depth,
            "effective_depth": told.effective_depth,
            "processor_seconds": seconds,
        }
    return found


def interval(values: np.ndarray) -> dict[str, float]:
    """Mean with its 95 % interval over families."""
    draw = np.random.default_rng(0).integers(len(values), size=(NUM_BOOTSTRAP, len(values)))
    low, high = np.quantile(values[draw].mean(axis=1), (0.025, 0.975))
    return {"mean": float(values.mean()), "low": float(low), "high": float(high), "n": len(values)}


def seconds_for_large() -> float:
    """Processor time for rows drawn by chance, none of which are neighbours."""
    rows = np.random.default_rng(0).integers(GAP + 1, size=(ROWS, COLUMNS)).astype(np.uint8)
    alignment = Alignment("A" * COLUMNS, rows)
    started = time.process_time()
    evolution(alignment)
    return time.process_time() - started


def main() -> None:
    """Measure and write."""
    found = measure(Path(sys.argv[1]))
    columns = {key: np.array([family[key] for family in found.values()]) for key in SCORES}
    figures = {
        "top_half_length_precision": {
            **{key: interval(values) for key, values in columns.items()},
            "apc_less_plain": interval(columns["apc"] - columns["plain"]),
        },
        f"processor_seconds_{COLUMNS}_columns_{ROWS}_rows": seconds_for_large(),
        "families": found,
    }
    write_report(__file__, figures)


if __name__ == "__main__":
    main()
