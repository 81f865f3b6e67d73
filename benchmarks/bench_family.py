"""What does adapting to a family bring? A model in full, by low-rank products, and one from nothing, beside its start.

python benchmarks/bench_family.py MODEL PROTEINS [SIZES [EPOCHS]]

MODEL is a protein language model, PROTEINS a FASTA file that families are picked from by clusters at 10 % shared
6-mers; SIZES such as 50,200,1000 are the members of each. Half of each family is held out for a profile HMM, which says
how many samples of each arm are members. Writes benchmarks/family.json.
"""

import copy
import os
import sys
import time
from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from report import write_report

from monosome.evaluate.intervals import interval
from monosome.protein.adaptation import MIN_MEMBERS, AdaptationSettings, adapt
from monosome.protein.family import build_profile, family_hits
from monosome.protein.generate import load_generator
from monosome.protein.sampling import SamplingSettings, sample
from monosome.row import Row
from monosome.sequences.clusters import cluster
from monosome.sequences.fasta import Record, read_fasta

KMER, SHARED = 6, 0.1
LONGEST, NUM_GENERAL, NUM_SAMPLES = 400, 400, 100


def families(records: list[Record], sizes: list[int]) -> dict[int, list[Record]]:
    """For each size the cluster whose number of usable members is nearest, cut to it; the halves need 20 each."""
    groups: dict[int, list[Record]] = defaultdict(list)
    for record, number in zip(records, cluster([each.sequence for each in records], KMER, SHARED), strict=True):
        groups[number].append(record)
    usable = [members(group) for group in groups.values()]
    found, left = {}, [group for group in usable if len(group) >= 2 * MIN_MEMBERS]
    for size in sizes:
        best = min(left, key=lambda group: abs(len(group) - size))
        left.remove(best)
        found[size] = best[: max(size, 2 * MIN_MEMBERS)]
    return found


def members(group: list[Record]) -> list[Record]:
    """The distinct records of two thirds to 1.5 times the median length, in a drawn order."""
    distinct = list({each.sequence: each for each in group}.values())
    middle = median(len(each.sequence) for each in distinct)
    kept = [each for each in distinct if middle / 1.5 <= len(each.sequence) <= 1.5 * middle]
    return [kept[index] for index in np.random.default_rng(0).permutation(len(kept))]


def fresh(model: Any) -> Any:
    """The same architecture with drawn weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return type(model)(model.config)


def arm(model: Any, tokenizer: Any, family: list[Record], general: list[str], settings: AdaptationSettings) -> Any:
    """Perplexities, memorisation, members among samples by the profile of the half that is held out, seconds."""
    half = len(family) // 2
    start = time.perf_counter()
    found = adapt(model, tokenizer, family[:half], general, settings)
    seconds = time.perf_counter() - start
    lengths = [len(each.sequence) for each in family]
    asked = SamplingSettings(seed=1, residues=(min(lengths), max(lengths)))
    drawn = [one.sequence for one in sample(model, tokenizer, NUM_SAMPLES, asked) if one.is_valid]
    hits = family_hits(build_profile([each.sequence for each in family[half:]]), drawn)
    rows = [Row(str(place), {"member": float(hit.is_member)}, 1) for place, hit in enumerate(hits)]
    return {
        "before": asdict(found.before),
        "after": asdict(found.after),
        "general_before": asdict(found.general_before),
        "general_after": asdict(found.general_after),
        "learning_rate": found.learning_rate,
        "epochs": len(found.losses),
        "members_among_valid_samples": asdict(interval(rows, "member")) if rows else None,
        "memorised": found.memorised,
        "held_out_alike": found.held_out_alike,
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """Adapt and write."""
    os.environ.update(OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    sizes = [int(size) for size in (sys.argv[3] if len(sys.argv) > 3 else "50,200,1000").split(",")]
    epochs = int(sys.argv[4]) if len(sys.argv) > 4 else 20
    records = [each for each in read_fasta(Path(sys.argv[2])) if len(each.sequence) <= LONGEST]
    model, tokenizer = load_generator(sys.argv[1])
    picked = families(records, sizes)
    taken = {each.id for family in picked.values() for each in family}
    rest = [each.sequence for each in records if each.id not in taken]
    general = [rest[index] for index in np.random.default_rng(0).permutation(len(rest))[:NUM_GENERAL]]
    settings = AdaptationSettings(max_epochs=epochs)
    arms = {
        "full": (model, settings),
        "lora": (model, replace(settings, method="lora")),
        "from nothing": (fresh(model), replace(settings, learning_rates=(3e-4, 1e-3))),
    }
    figures: dict[str, Any] = {}
    for size, family in picked.items():
        print(f"{size}: {len(family)} members such as {family[0].id}", file=sys.stderr)
        figures[str(size)] = {"members": len(family), "such_as": family[0].id} | {
            name: arm(copy.deepcopy(start), tokenizer, family, general, each) for name, (start, each) in arms.items()
        }
    write_report(__file__, {"epochs": epochs, "families": figures})


if __name__ == "__main__":
    main()
