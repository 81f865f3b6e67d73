"""What every benchmark writes: its figures, when, on what, and at which commit."""

import json
import os
import subprocess
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from monosome.atomic import write_text
from monosome.hardware.detect import detect, devices

OUT = "MONOSOME_BENCH_OUT"
"""Where `monosome bench` wants the figures of a run; without it they become the baseline."""


def write_report(script: str, figures: Mapping[str, Any]) -> None:
    """Write the figures of benchmarks/bench_NAME.py to benchmarks/NAME.json, or where a runner wants; print them."""
    baseline = Path(script).with_name(Path(script).stem.removeprefix("bench_") + ".json")
    report = {"date": str(date.today()), "commit": _commit(Path(script).parent), "machine": _machine(), **figures}
    text = json.dumps(report, indent=1) + "\n"
    write_text(Path(os.environ.get(OUT, baseline)), text)
    print(text)


def _commit(folder: Path) -> str:
    words = ["git", "describe", "--always", "--abbrev=7", "--exclude=*", "--dirty"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False).stdout.strip()


def _machine() -> dict[str, Any]:
    host = detect("cpu")
    cards = [device.name for device in devices() if device.kind != "cpu"]
    machine = {"processor": host.name, "cores": host.cores, "memory_bytes": host.memory_bytes}
    return machine | ({"cards": cards} if cards else {})
