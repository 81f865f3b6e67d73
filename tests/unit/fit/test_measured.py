import resource
import sys
from typing import Any

import pytest
import torch
from toy import toy_task

from monosome.config import fill_auto
from monosome.errors import HardwareError
from monosome.fit.measured import measured
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset
from monosome.task import Task
from monosome.train.micro_batches import Held

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="where memory of a CPU ends is tried on Linux alone")
HERE = detect("cpu")


def hungry(room: int) -> Task[Any, Any, Any]:
    """A task whose memory ends where a batch holds more than that many letters."""
    task, forward = toy_task("train.batch_size=8", "data.crop=200"), toy_task().forward

    def bounded(model: torch.nn.Module, batch: Any) -> Any:
        if batch.letters.numel() > room:
            torch.empty(2**50)
        return forward(model, batch)

    task.forward = bounded  # type: ignore[method-assign]
    return task


def found(task: Task[Any, Any, Any], lengths: list[int]) -> list[Held]:
    return list(measured(task, fill_auto(task.config, preset(HERE).values()), HERE, lengths))


def test_the_most_that_fit_are_found_on_the_way_past_failures() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    rows = found(hungry(120), [10, 20, 24, 60, 130, 140])
    assert [row.micro_batch for row in rows] == [8, 6, 5, 2, 0, 0]
    assert all(row.seconds_per_example and row.peak_bytes for row in rows[:4])
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_the_peak_is_that_of_the_trial() -> None:
    """Whether a whole step's examples are computed at once or fewer, what one forward pass takes is in the peak."""
    size = 2**28
    for room in (80, 40):
        task = hungry(room)
        bounded = task.forward

        def filling(model: torch.nn.Module, batch: Any, forward: Any = bounded) -> Any:
            outputs = forward(model, batch)
            torch.ones(size // 4 * int(len(batch.letters) > 1))
            return outputs

        (free,) = found(hungry(room), [10])
        task.forward = filling  # type: ignore[method-assign]
        (filled,) = found(task, [10])
        assert filled.peak_bytes > 0.8 * size
        assert filled.peak_bytes > free.peak_bytes + 0.8 * size


def test_where_nothing_fits_is_said() -> None:
    with pytest.raises(HardwareError, match="with one example of length 20"):
        found(hungry(10), [20])
