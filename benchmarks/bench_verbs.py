"""Wall time of what a user waits for: help, and five structures of a tRNA. Writes benchmarks/verbs.json.

python benchmarks/bench_verbs.py
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import write_report

TRNA = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA"
NUM_RUNS = 5


def seconds(words: list[str], folder: Path) -> float:
    """Seconds that a fresh process takes, imports included."""
    started = time.perf_counter()
    environment = {**os.environ, "MONOSOME_CACHE": str(folder / "cache")}
    subprocess.run(
        [sys.executable, "-m", "monosome", *words], check=True, capture_output=True, cwd=folder, env=environment
    )
    return time.perf_counter() - started


def summary(times: list[float]) -> dict[str, float]:
    """Median, least and most, in seconds."""
    return {"median": statistics.median(times), "min": min(times), "max": max(times), "runs": len(times)}


def main() -> None:
    """Measure and write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds(["train", "rna/micro", "train.steps=2", "data.num_synthetic=12", "-o", "run"], folder)
        seconds(["--help"], folder)
        figures = {
            "help_seconds": summary([seconds(["--help"], folder) for _ in range(NUM_RUNS)]),
            "fold_76nt_five_structures_seconds": summary(
                [seconds(["fold", TRNA, "-o", f"out{k}", "--checkpoint", "run"], folder) for k in range(NUM_RUNS)]
            ),
        }
    write_report(__file__, figures)


if __name__ == "__main__":
    main()
