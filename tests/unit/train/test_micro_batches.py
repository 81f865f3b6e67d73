from dataclasses import replace
from pathlib import Path

import pytest
from toy import toy_task

from monosome.config import fill_auto
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset
from monosome.train.micro_batches import Held, MicroBatches, Place

TABLE = MicroBatches((Held(50, 8, 1000, 0.1), Held(100, 8, 2000, 0.2), Held(200, 2, 3000, 0.8)))


@pytest.mark.parametrize(("length", "number"), [(1, 8), (50, 8), (100, 8), (101, 2), (200, 2), (250, 1), (900, 1)])
def test_a_length_is_held_by_the_row_that_reaches_it(length: int, number: int) -> None:
    assert TABLE.most(length) == number


def test_a_number_that_failed_is_halved_from_its_row_on() -> None:
    found = TABLE.bounded(90, 4)
    assert [row.micro_batch for row in found.rows] == [8, 4, 2]
    assert [row.peak_bytes for row in found.rows] == [1000, None, 3000]
    beyond = TABLE.bounded(300, 1)
    assert [(row.length, row.micro_batch) for row in beyond.rows][2:] == [(200, 2), (300, 1)]


def test_examples_are_held_by_their_longest() -> None:
    assert TABLE.holds([60] * 8)
    assert not TABLE.holds([60] * 7 + [150])


def test_times_between_and_beyond_rows() -> None:
    assert TABLE.seconds(75) == pytest.approx(0.15)
    assert TABLE.seconds(20) == pytest.approx(0.1)
    assert TABLE.seconds(400) == pytest.approx(3.2)
    assert MicroBatches((Held(64, 8),)).seconds(64) is None


def test_a_table_says_where_it_steps_down() -> None:
    assert str(TABLE) == "8 at once up to length 100, 2 at once up to length 200"


def place(*settings: str) -> Place:
    task, here = toy_task(*settings), detect("cpu")
    return Place(here, fill_auto(task.config, preset(here).values()), task.examples("train").content_hash)


def test_a_table_is_kept_for_its_card_and_recipe_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path))
    here = place()
    assert here.load() is None
    assert here.save(TABLE)
    assert here.load() == TABLE
    assert place("execution.micro_batch=3", "execution.log_every=1").load() == TABLE
    assert place("execution.checkpoint_blocks=true").load() is None
    assert place("numerics.precision=bf16").load() is None
    assert place("train.batch_size=16").load() is None
    assert replace(here, device=replace(here.device, memory_bytes=1)).load() is None


def test_a_broken_table_is_none_and_a_closed_folder_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path))
    here = place()
    here.save(TABLE)
    here.path.write_text("{")
    assert here.load() is None
    (tmp_path / "file").touch()
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "file"))
    assert not here.save(TABLE)
