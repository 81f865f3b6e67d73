"""What is recorded of a card's allocator: every block of a step, and the history that PyTorch's own viewer shows."""

from pathlib import Path

import pytest
import torch

from monosome.config import build, fill_auto, override
from monosome.fit.profile import Profiler
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset
from monosome.rna.recipe import BetaRhoConfig
from monosome.rna.task import BetaRhoTask

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card"),
]


def test_the_timeline_of_a_card_has_the_measured_peak_and_a_history(tmp_path: Path) -> None:
    task = BetaRhoTask(build(BetaRhoConfig, override({"domain": "rna"}, ["data.num_synthetic=12"])))
    device = detect("cuda")
    profiler = Profiler(task, fill_auto(task.config, preset(device).values()), device)
    found = profiler.measure(64, 2)
    held = profiler.timeline(64, 2)
    assert held.peak_bytes == pytest.approx(max(found.peak_bytes.values()), rel=0.05)
    assert any(life.module.startswith("trunk.") for life in held.largest)
    path = profiler.snapshot(64, 2, tmp_path / "snapshot.pickle")
    assert path is not None
    assert path.stat().st_size > 0
