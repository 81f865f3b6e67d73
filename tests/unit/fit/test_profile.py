from pathlib import Path

import pytest
from toy import toy_task

from monosome.config import fill_auto
from monosome.fit.estimate import Step, training_step
from monosome.fit.profile import PHASES, Profiler
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset_named


def test_phases_modules_and_hot_spots():
    task = toy_task("model.width=96", "data.crop=200")
    config = fill_auto(task.config, preset_named("cpu").values())
    profiler = Profiler(task, config, detect("cpu"))
    found = profiler.measure(150, 4)
    assert tuple(found.seconds) == tuple(found.peak_bytes) == PHASES
    assert all(seconds > 0 for seconds in found.seconds.values())
    assert max(found.peak_bytes.values()) == pytest.approx(
        training_step(task, config, Step(150, 4)).peak_bytes, rel=0.15
    )
    modules = profiler.module_peaks(150, 4)
    assert {"embedding", "blocks.0", "blocks.1", "head"} <= set(modules)
    assert not {"end", *PHASES} & set(modules)
    assert max(modules.values()) <= 1.01 * max(found.peak_bytes.values())
    spots, times = profiler.hot_spots(150, 4)
    assert spots == sorted(spots, key=lambda spot: -spot.seconds)
    assert {"embedding", "blocks.*", "blocks.*.widen", "head"} <= {each.name for each in times}
    assert "CPU allocator" in profiler.counter


def test_the_timeline_has_the_measured_peak(tmp_path: Path):
    task = toy_task("model.width=96", "data.crop=200")
    profiler = Profiler(task, fill_auto(task.config, preset_named("cpu").values()), detect("cpu"))
    found = profiler.measure(150, 4)
    held = profiler.timeline(150, 4)
    assert [name for name, _ in held.phases] == [*PHASES, "end"]
    assert held.peak_bytes == pytest.approx(max(found.peak_bytes.values()), rel=0.01)
    assert "blocks.1.widen" in {life.module for life in held.largest}
    assert profiler.snapshot(150, 4, tmp_path / "snapshot.pickle") is None
