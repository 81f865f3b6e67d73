from pathlib import Path

import pytest

from monosome.commands.train import train

HERE = ["execution.device=cpu", "execution.threads=1", "train.steps=6", "data.max_valid=20"]


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["execution.cache_teacher=true", "loss.teacher_logits=sampled"])
def test_students_of_a_sweep_ask_the_teacher_once(
    kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))
    teacher = train("protein/micro", HERE, out=tmp_path / "teacher", progress=False)
    assert teacher.outcome.step == 6
    said = []
    for temperature in (1, 4):
        settings = [*HERE, f"loss.teacher={tmp_path / 'teacher'}", f"loss.temperature={temperature}", kept]
        student = train("protein/micro", settings, out=tmp_path / f"student_{temperature}", progress=False)
        assert {"kl", "teacher_nll"} <= student.outcome.rows[0].values.keys()
        said.append("is computed once" in capsys.readouterr().err)
    assert said == [True, False]
    assert len(list((tmp_path / "cache" / "teachers").iterdir())) == 1
