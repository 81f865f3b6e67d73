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
    spots = profiler.hot_spots(150, 4)
    assert spots == sorted(spots, key=lambda spot: -spot.seconds)
    assert "CPU allocator" in profiler.counter
