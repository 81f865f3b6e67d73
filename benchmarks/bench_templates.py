"""What known structures add to `monosome fold`, on RNAs whose relatives are not among them.

    python benchmarks/bench_templates.py FOLDER LIBRARY

FOLDER is RNAmark's set (Tarafder et al. 2024, 51 of its targets): Natives/*.pdb.gz. LIBRARY comes from
`monosome prepare rna STRUCTURES LIBRARY --held-out FOLDER/Natives`: nothing related to a target. Which templates are
trusted was fitted on the library alone (tools/fit_templates.py). Single sequences; TM-score by residue number on C1'.
Means have 95 % bootstrap intervals over clusters of 80 % identity; differences are paired by target. Writes
benchmarks/templates.json.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_fold import NUM_MODELS, Values, canonical, scored, summary
from report import write_report

from monosome.processes import num_processors, worker_pool
from monosome.rna.chain import Chain, join
from monosome.rna.comparison import Reference
from monosome.rna.evidence import Given
from monosome.rna.files import read_structure
from monosome.rna.metrics import assess
from monosome.rna.pairing import predict_pairing
from monosome.rna.predict import TRUSTED, Prediction, load
from monosome.rna.refinement import Geometry
from monosome.rna.templates import GATE, TemplateLibrary, Templates
from monosome.row import Row
from monosome.sequences.clusters import cluster_by_identity
from monosome.sequences.relatives import RNA

NUM_SEARCHED, QUERY_LENGTH = 1000, 100


def best_of(predictions: list[Prediction], native: Reference) -> float:
    """The highest TM-score of the candidates."""
    return max(assess(each.chain, native, metrics=("tm_score",), mode="residue").tm_score or 0 for each in predictions)


def folded(library: Path, name: str, native: Chain) -> dict[str, Values]:
    """Values of a target without and with templates, and of the template that is thought best."""
    torch.set_num_threads(1)
    predictor, known = load(), Templates(TemplateLibrary.read(library), "any", 1.0)
    reference, true = Reference.read(native), canonical(native)
    found: dict[str, Values] = {}
    for kind, given in (("without", Given()), ("with", Given(templates=known))):
        started = time.perf_counter()
        predictions = predictor.fold(native.sequence, id=name, num_models=NUM_MODELS, given=given)
        seconds = time.perf_counter() - started
        found[kind] = scored(predictions[0].chain, reference, true)
        found[kind] |= {"tm_score_best_of_5": best_of(predictions, reference), "seconds": seconds}
        made_from = [each for each in predictions if each.origin.startswith("template")]
    geometry = Geometry.of(predictions[0].chain)
    is_trusted = predictions[0].rank == TRUSTED
    found["with"] |= {"is_trusted": float(is_trusted), "num_gaps": float(len(geometry.stereochemistry.links.outliers))}
    found["template"] = scored(made_from[0].chain, reference, true) if made_from else {}
    trusted = {key: value for key, value in found["with"].items() if key in ("tm_score", "lddt", "inf_all")}
    found["trusted"] = trusted if is_trusted else {}
    found["same without"] = {key: found["without"][key] for key in trusted} if is_trusted else {}
    paired = ("tm_score", "tm_score_best_of_5", "lddt", "inf_all")
    found["with - without"] = {
        key: float(found["with"][key] or 0) - float(found["without"][key] or 0)
        for key in paired
        if found["with"][key] is not None and found["without"][key] is not None
    }
    return found


def search_seconds(library: TemplateLibrary) -> float:
    """Median time of a search of a made-up query among NUM_SEARCHED of the library's structures, taken in turn."""
    library.templates = (library.templates * (NUM_SEARCHED // len(library.templates) + 1))[:NUM_SEARCHED]
    seconds = []
    for seed in range(5):
        query = "".join(np.random.default_rng(seed).choice(list("ACGU"), QUERY_LENGTH))
        probabilities = predict_pairing(query, np.zeros(QUERY_LENGTH, dtype=np.int64)).probabilities
        started = time.perf_counter()
        library.search(query, probabilities, before="any", max_identity=1.0)
        seconds.append(time.perf_counter() - started)
    return sorted(seconds)[2]


def measured(folder: Path, library: Path) -> dict[str, Any]:
    """All figures."""
    files = sorted((folder / "Natives").glob("*.pdb.gz"))
    natives = {file.name.removesuffix("_native.pdb.gz"): join(read_structure(file).chains) for file in files}
    clusters = cluster_by_identity([native.sequence for native in natives.values()], RNA)
    known, rows = TemplateLibrary.read(library), dict[str, list[Row]]()
    with worker_pool(num_processors(), load.__module__) as pool:
        jobs = {name: pool.submit(folded, library, name, native) for name, native in natives.items()}
        for (name, native), cluster in zip(natives.items(), clusters, strict=True):
            for kind, values in jobs[name].result().items():
                if values:
                    rows.setdefault(kind, []).append(Row(name, values, len(native), str(cluster)))
            latest = {kind: rows[kind][-1].values["tm_score"] for kind in ("without", "with")}
            print(name, len(native), "nt, TM", latest, file=sys.stderr)
    return {
        "figures": "mean, and 95 % interval by cluster",
        "gate": GATE,
        "library": {"chains": len(known.templates), "residues": sum(len(each.sequence) for each in known.templates)},
        "search_seconds": round(search_seconds(known), 2),
        "searched": f"{QUERY_LENGTH} nt among {NUM_SEARCHED} structures, one core",
        "made_by": summary(rows),
        "targets": {row.id: dict(row.values) for row in rows["with"]},
    }


if __name__ == "__main__":
    os.environ.update(OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    write_report(__file__, measured(Path(sys.argv[1]), Path(sys.argv[2])))
