"""Long RNA: time, memory and broken links of a fold in windows, and the memory of 2,000 nt at once. Writes long.json.

python benchmarks/bench_long.py [FASTA] [MODELS]

FASTA holds one sequence; without it, 4,640 nt drawn at random, half of them in hairpins. `monosome fold` runs in a
process of its own with the shipped weights, its report and files included. Beside it the network of rna/small,
untrained, works on 2,000 nt at once. Memory is the resident set at its peak, of the whole process.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from report import write_report

from monosome.rna.files import read_structure
from monosome.rna.nucleotides import BASES
from monosome.rna.pairing import pairs_of
from monosome.rna.refinement import Geometry, join_near
from monosome.sequences.fasta import read_fasta

LENGTH, SMALL_LENGTH = 4640, 2000
ARM, LOOP = 14, 12
AT_ONCE = f"""
from monosome.commands.domain import task_for
from monosome.config import fill_auto, read_recipe
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset
from monosome.rna.predict import Predictor
from monosome.train.savers import PREDICTED_ROWS, work_in_pieces
task = task_for(read_recipe("rna/small"))
model = task.model().eval()
work_in_pieces(model, PREDICTED_ROWS)
config = fill_auto(task.config, preset(detect("cpu")).values())
sequence = open(0).read()
(found,) = Predictor(model, config, "untrained", "", window={SMALL_LENGTH}).fold(sequence, num_models=1)
assert len(found.chain) == {SMALL_LENGTH}
"""


def drawn(length: int) -> str:
    """A sequence with hairpins in it, the same every time."""
    draw = np.random.default_rng(0)
    complement = dict(zip("ACGU", "UGCA", strict=True))
    parts: list[str] = []
    while sum(map(len, parts)) < length:
        arm, loop = ("".join(draw.choice(list(BASES), size)) for size in (ARM, LOOP))
        parts += [arm, loop, "".join(complement[base] for base in reversed(arm)), loop]
    return "".join(parts)[:length]


def measured(command: list[str], text: str = "") -> dict[str, float]:
    """Seconds and peak resident bytes of a command."""
    started = time.monotonic()
    program = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
    program += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program, *command], input=text, text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "seconds": round(time.monotonic() - started, 1),
        "peak_gib": round(int(done.stderr.split()[-1]) * unit / 2**30, 2),
    }


def folded(sequence: str, num_models: int) -> dict[str, Any]:
    """What `monosome fold` makes of a sequence, and what it takes."""
    with tempfile.TemporaryDirectory() as folder:
        fasta, out = Path(folder) / "target.fasta", Path(folder) / "out"
        fasta.write_text(f">target\n{sequence}\n")
        command = [
            sys.executable,
            "-m",
            "monosome",
            "fold",
            str(fasta),
            "-o",
            str(out),
            "--num-models",
            str(num_models),
        ]
        figures = measured(command)
        models = json.loads((out / "target" / "confidence.json").read_text())["models"]
        for model in models:
            chain = join_near(read_structure(out / "target" / model["file"]).chains)
            assert chain.sequence == sequence
            geometry = Geometry.of(chain).as_json()
            model.update({name: round(value, 4) for name, value in geometry.items() if value is not None})
            places = chain.atom("C1'")
            model["radius_of_gyration"] = round(float(np.square(places - places.mean(0)).sum(1).mean() ** 0.5), 1)
            model["num_pairs"] = len(pairs_of(model.pop("secondary_structure")))
            del model["plddt"], model["file"]
    return {"length": len(sequence), **figures, "models": models}


def main() -> None:
    """Fold the long one, then the shorter one at once."""
    sequence = read_fasta(Path(sys.argv[1]))[0].sequence if len(sys.argv) > 1 else drawn(LENGTH)
    num_models = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    in_windows = folded(sequence, num_models)
    print(in_windows, file=sys.stderr, flush=True)
    at_once = measured([sys.executable, "-c", AT_ONCE], drawn(SMALL_LENGTH))
    threads = os.environ.get("OMP_NUM_THREADS", "of all cores")
    write_report(
        __file__,
        {"threads": threads, "in_windows": in_windows, "rna/small at once": {"length": SMALL_LENGTH, **at_once}},
    )


if __name__ == "__main__":
    main()
