"""A run whose memory is really bounded, by the kernel: it goes on with fewer examples at once, and learns the same."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import resource, sys
from pathlib import Path
import numpy as np
import torch
from monosome.config import build, override, read_recipe
from monosome.rna.recipe import BetaRhoConfig
from monosome.rna.task import BetaRhoTask
from monosome.train.loop import Trainer

torch.set_num_threads(1)
folder, room = Path(sys.argv[1]), int(sys.argv[2])
config = build(BetaRhoConfig, override(read_recipe("rna/micro"), sys.argv[3:]))
trainer = Trainer(BetaRhoTask(config), folder, progress=False)
trainer.task.examples("train"), trainer.model
np.ones((64, 64)) @ np.ones((64, 64))  # OpenBLAS takes its buffers once, and ends the process where it cannot
def status(name):  # VmHWM, unlike getrusage's ru_maxrss, knows nothing of the process that started this one
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(lines[name].split()[0])
if room:
    bound = status("VmData") + room
    resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
before = status("VmHWM")
trainer.fit()
print(status("VmHWM") - before)
"""
SETTINGS = [
    "data.num_synthetic=32",
    "train.steps=3",
    "train.batch_size=16",
    "model.dropout=0.1",
    "model.pair_channels=96",
]
# Every tensor its own mapping, returned when it is freed: what glibc keeps for later counts against the bound as well.
ALLOCATOR = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "0"}
AT_ONCE = ["execution.micro_batch=16", "execution.log_every=1", "execution.evaluate_every=0", "execution.save_every=0"]


def _trained(folder: Path, room: int) -> tuple[list[float], int, str]:
    """Losses by step, bytes taken beyond what was there before the first step, and what was said."""
    command = [sys.executable, "-c", CHILD, str(folder), str(room), *SETTINGS, *AT_ONCE]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | ALLOCATOR)
    assert ran.returncode == 0, ran.stderr
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line], int(ran.stdout.split()[-1]), ran.stderr


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(resource, "RLIMIT_DATA") or sys.platform != "linux", reason="bounds memory as Linux does"
)
def test_a_run_that_does_not_fit_goes_on_with_fewer_at_once_and_learns_the_same(tmp_path: Path) -> None:
    free, taken, said = _trained(tmp_path / "free", 0)
    assert "out of memory" not in said
    bounded, _, said = _trained(tmp_path / "bounded", round(0.8 * taken))
    assert "out of memory in step 1, at 16 examples" in said
    assert "going on with 8 at once, execution.micro_batch=8" in said
    assert bounded == pytest.approx(free, rel=1e-5)
    manifest = json.loads(next((tmp_path / "bounded" / "checkpoints").glob("*/manifest.json")).read_text())
    assert manifest["execution"]["micro_batch"] in (4, 8)
    assert (
        manifest["fingerprint"]
        == json.loads(next((tmp_path / "free" / "checkpoints").glob("*/manifest.json")).read_text())["fingerprint"]
    )
