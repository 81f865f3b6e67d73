"""How large the page of a hundred predictions is, and how long it takes: `python benchmarks/bench_pages.py STRUCTURES`.

The first hundred chains of 30 to 200 nucleotides in a folder of PDB or mmCIF files, each as five models of all heavy
atoms: itself, and itself with every atom moved by 1 Å, which compresses worse than any prediction. Writes
benchmarks/pages.json.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from report import write_report as write_figures

from monosome.evaluate.page import Chapter, Report, write_report
from monosome.evaluate.scene import Stage, library
from monosome.rna.chain import Chain
from monosome.rna.files import read_structure
from monosome.rna.predict import Prediction
from monosome.rna.scene import scene

NUM, SHORTEST, LONGEST, NUM_MODELS = 100, 30, 200, 5


def chains(folder: Path) -> list[Chain]:
    """The first chains of a fitting length."""
    found = list[Chain]()
    for file in sorted(folder.rglob("*.*")):
        if file.name.split(".")[-1] in ("pdb", "cif", "gz") and len(found) < NUM:
            found += [chain for chain in read_structure(file).chains if SHORTEST <= len(chain) <= LONGEST][:1]
    return found


def predictions(chain: Chain, draw: np.random.Generator) -> list[Prediction]:
    """A chain as the candidates that `fold` would hand on."""
    made = list[Prediction]()
    for number in range(NUM_MODELS):
        noise = draw.normal(size=chain.atoms.shape).astype(np.float32) * bool(number)
        plddt = draw.uniform(30, 95, len(chain)).astype(np.float32)
        moved = replace(chain, atoms=chain.atoms + noise)
        made.append(Prediction(moved, plddt, 0.5, "." * len(chain), f"candidate {number}"))
    return made


def main() -> None:
    """Build the page and weigh it."""
    draw = np.random.default_rng(0)
    targets = [predictions(chain, draw) for chain in chains(Path(sys.argv[1]))]
    started = time.perf_counter()
    scenes = [scene(each[0].chain.id, each) for each in targets]
    report = Report(f"{len(scenes)} RNAs", "", "", [Chapter("In three dimensions", "", [Stage(scenes)])])
    with tempfile.TemporaryDirectory() as folder:
        size = write_report(report, Path(folder)).stat().st_size
    molstar = library()
    assert molstar is not None
    lengths = [len(each[0].chain) for each in targets]
    figures = {
        "num_targets": len(targets),
        "num_models": NUM_MODELS,
        "num_nucleotides": sum(lengths),
        "seconds": round(time.perf_counter() - started, 2),
        "page_megabytes": round(size / 1e6, 2),
        "viewer_megabytes": round((len(molstar.program) + len(molstar.style)) / 1e6, 2),
        "bytes_per_nucleotide_and_model": round((size - len(molstar.program)) / sum(lengths) / NUM_MODELS, 1),
    }
    write_figures(__file__, figures)


if __name__ == "__main__":
    main()
