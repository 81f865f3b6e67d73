"""What every benchmark writes: its figures, when, on what, and at which commit."""

import json
import subprocess
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from monosome.hardware.detect import detect


def write_report(script: str, figures: Mapping[str, Any]) -> None:
    """Write the figures of benchmarks/bench_NAME.py to benchmarks/NAME.json, and print them."""
    device = detect("cpu")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    machine = {"processor": device.name, "cores": device.cores, "memory_bytes": device.memory_bytes}
    report = {"date": str(date.today()), "commit": commit.stdout.strip(), "machine": machine, **figures}
    text = json.dumps(report, indent=1) + "\n"
    Path(script).with_name(Path(script).stem.removeprefix("bench_") + ".json").write_text(text)
    print(text)
