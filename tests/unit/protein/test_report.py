import json
from pathlib import Path

import pytest

from monosome.errors import DataError
from monosome.evaluate.page import Report, write_report
from monosome.protein.report import judge
from monosome.protein.speed import Load
from monosome.protein.task import DistillationTask


def test_a_report_of_all_that_can_be_wished_for(taught: DistillationTask, tmp_path: Path):
    teacher = taught.frozen()
    assert teacher is not None
    found = judge(taught, teacher, "valid", num_samples=6, load=Load(batch=2, length=12))
    titles = [chapter.title for chapter in found.chapters()]
    assert titles == ["Calibration", "Composition", "Speed", "Published figures"]
    write_report(Report("r", "s", "c", found.chapters(), found.data()), tmp_path)
    data = json.loads((tmp_path / "report.json").read_text())
    assert set(data["composition"]) == set(data["speed"]) == {"student", "teacher"}
    assert data["composition"]["student"] == data["composition"]["teacher"], "the same model, the same seed"
    assert sum(data["composition"]["student"]["shares"].values()) == pytest.approx(1)
    assert len(data["calibration"]["student"]["bins"]) == 15
    assert len(data["caveats"]) == 3
    page = (tmp_path / "report.md").read_text()
    assert "invalid: " in page
    assert "Swiss-Prot" in page


def test_by_default_nothing_is_sampled_or_timed(taught: DistillationTask):
    found = judge(taught, taught.model().eval(), "valid")
    assert [chapter.title for chapter in found.chapters()] == ["Calibration", "Published figures"]


def test_a_student_that_writes_no_protein_is_named(taught: DistillationTask):
    with pytest.raises(DataError, match="none of 4 sampled proteins"):
        judge(taught, taught.model().eval(), "valid", num_samples=4)
