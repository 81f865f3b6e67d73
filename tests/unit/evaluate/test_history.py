import json
from pathlib import Path
from typing import Any

import pytest

from monosome.evaluate.history import History, Run, page, read_run

MACHINE = {"processor": "a processor", "cores": 2, "memory_bytes": 1}


def written(path: Path, **figures: Any) -> Run:
    path.write_text(json.dumps({"date": "2026-01-02", "commit": "abc", "machine": MACHINE, **figures}))
    return read_run(path)


def test_every_number_is_a_figure_but_what_is_no_measurement(tmp_path: Path):
    found = written(
        tmp_path / "fold.json",
        seconds={"76nt": 0.5, "runs": 3},
        tm_score=[0.4, 0.3, 0.5],
        lengths=[70, 80],
        points=[{"recipe": "rna/micro", "peak": 12}],
        is_fast=True,
    )
    assert found.at == "2026-01-02"
    assert found.figures == {
        "seconds.76nt": 0.5,
        "seconds.runs": 3.0,
        "tm_score": 0.4,
        "lengths.1": 70.0,
        "lengths.2": 80.0,
        "points.1.peak": 12.0,
    }


def test_a_run_of_the_history_is_known_by_its_file(tmp_path: Path):
    assert written(tmp_path / "2026-01-03T10.00.00.json", seconds=1).at == "2026-01-03T10.00.00"


def history(before: dict[str, float], *runs: dict[str, float], machine: str = "m") -> History:
    later = [Run(f"2026-01-0{day}T10.30.00.5", "abc", machine, figures) for day, figures in enumerate(runs, 2)]
    return History("speed", Run("2026-01-01", "abc", "m", before), later)


def test_what_changed_by_more_than_a_fifth_is_noted_the_most_changed_first():
    found = history({"a": 10.0, "b": 1.0, "c": 2.0, "zero": 0.0}, {"a": 11.9, "b": 0.5, "c": 2.6, "zero": 3, "new": 1})
    assert found.noted == pytest.approx({"b": 0.5, "c": 1.3})
    assert found.ratio("zero", found.runs[-1]) is None
    assert found.ratio("new", found.runs[-1]) is None


def test_the_page_has_every_figure_over_time():
    found = page([history({"a": 10.0}, {"a": 10.0}, {"a": 20.0, "new": 7.0})], "monosome bench")
    (chapter,) = found.chapters
    picture, table = chapter.blocks
    assert table.columns == ["figure", "baseline", "2026-01-02 10:30", "2026-01-03 10:30", "last ÷ baseline"]
    assert [row[0] for row in table.rows] == ["a", "new"]
    assert table.rows[0][1:] == ["10.0", "10.0", "20.0", "200 %"]
    assert "<svg" in picture.svg
    assert found.data["noted"] == {"speed": {"a": 2.0}}


def test_another_machine_and_no_baseline_are_said():
    assert "Another machine" in page([history({"a": 1.0}, {"a": 1.0}, machine="n")], "").chapters[0].text
    assert "no baseline" in page([History("speed", None, [Run("1", "abc", "m", {"a": 1.0})])], "").chapters[0].text
