"""What `monosome plan` says of the package's recipes on cards that need not be here. Writes benchmarks/plan.json.

python benchmarks/bench_plan.py [TEACHER]

TEACHER is a folder with the config.json and the tokenizer of ProtGPT2, weights or not; without it the students are
planned alone. Nothing is measured but how long a plan takes: the figures show when a change makes a step larger.
"""

import json
import subprocess
import sys
import time
from typing import Any

from report import write_report

RECIPES = ("protein/tiny", "rna/small")
CARDS = ("rtx-4070-ti-super", "a100-80", "cpu")
LENGTHS = "50:500:150"


def plan(recipe: str, card: str, settings: list[str]) -> dict[str, Any]:
    """The table of a plan, and the seconds that it took."""
    started = time.perf_counter()
    words = ["plan", recipe, *settings, "--device", card, "--lengths", LENGTHS, "--json"]
    printed = subprocess.run([sys.executable, "-m", "monosome", *words], check=True, capture_output=True).stdout
    found = json.loads(printed)
    print(recipe, card, found["table"], file=sys.stderr)
    return {
        "settings": [setting.split("=")[0] for setting in settings],
        "parameters": found["parameters"],
        "batch_size": found["batch_size"],
        "micro_batch": {row["length"]: row["micro_batch"] for row in found["table"]},
        "peak_bytes": {row["length"]: row["peak_bytes"] for row in found["table"]},
        "savers": found["savers"],
        "seconds": round(time.perf_counter() - started, 1),
    }


def main() -> None:
    """Write the tables."""
    teacher = [f"loss.teacher={sys.argv[1]}"] if len(sys.argv) > 1 else []
    plans = {
        recipe: {card: plan(recipe, card, teacher if recipe.startswith("protein") else []) for card in CARDS}
        for recipe in RECIPES
    }
    write_report(__file__, {"command": f"python benchmarks/bench_plan.py{' TEACHER' * bool(teacher)}", "plans": plans})


if __name__ == "__main__":
    main()
