"""Can the network hold real folds? Sixteen RNAs learned by heart, every frame at the origin to begin with.

python benchmarks/bench_overfit.py FOLDER [STEPS]

FOLDER holds structures (PDB or mmCIF). The first sixteen sequences of 50 to 80 nt that have every frame and no break
are trained on and scored: this says nothing of other RNAs, and everything of gradients, losses and the structure
module. Writes benchmarks/overfit.json.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from report import write_report

from monosome.config import build, override
from monosome.rna.dataset import read_collection
from monosome.rna.examples import ChainExamples, Recipe
from monosome.rna.recipe import BetaRhoConfig
from monosome.rna.task import BetaRhoTask
from monosome.task import mean_values
from monosome.train.loop import Trainer

NUM_CHAINS, LENGTHS = 16, range(50, 81)
SETTINGS = [
    "model.start=identity",
    "model.num_trunk_blocks=2",
    "loss.unclamped_share=1.0",
    "loss.plddt=0",
    "loss.pae=0",
    "optim.learning_rate=3e-3",
    "optim.warmup_steps=100",
    "data.crop_length=80",
    "train.batch_size=4",
    "execution.threads=1",
    "execution.save_every=0",
]


class Memory(BetaRhoTask):
    """BetaRho whose held-out chains are those that it trains on."""

    chosen: ChainExamples

    def examples(self, split: str) -> ChainExamples:
        """The same chains for both splits."""
        return self.chosen


def main() -> None:
    """Train, score and write."""
    os.environ.update(OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 1500
    whole = {chain.sequence: chain for chain in read_collection(sys.argv[1]).chains if _is_whole(chain)}
    chains = [chain.as_one_strand() for chain in list(whole.values())[:NUM_CHAINS]]
    every = f"execution.evaluate_every={max(1, steps // 5)}"
    task = Memory(build(BetaRhoConfig, override({"domain": "rna"}, [*SETTINGS, f"train.steps={steps}", every])))
    task.chosen = ChainExamples(chains, [chain.id for chain in chains], Recipe(start="identity"))
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(task, Path(folder) / "run", progress=sys.stderr.isatty())
        trainer.fit()
        seconds = time.monotonic() - started
        rows = task.evaluate(trainer.model.eval(), task.chosen)
    means = mean_values(rows)
    figures: dict[str, Any] = {
        "chains": [chain.id for chain in chains],
        "lengths": [len(chain) for chain in chains],
        "steps": steps,
        "batch_size": 4,
        "seconds_on_one_thread": round(seconds),
        "means": {name: round(means[name], 3) for name in ("tm_score", "lddt", "rmsd", "fape", "tm_helix")},
        "each": {
            row.id: {name: round(row.values[name] or 0, 3) for name in ("tm_score", "lddt", "rmsd")} for row in rows
        },
    }
    write_report(__file__, figures)


def _is_whole(chain: Any) -> bool:
    return len(chain) in LENGTHS and bool(chain.has_frame.all()) and not chain.segments.any()


if __name__ == "__main__":
    main()
