"""The whole study at toy size: every stage, every decision, resumed without training anything again."""

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from monosome.commands import study
from monosome.config import toml_value
from monosome.errors import ConfigError, DataError
from monosome.evaluate.page import write_report
from monosome.protein import decisions
from monosome.protein.study import ALPHAS, TEMPERATURES, Study, StudyResult, run_study
from monosome.protein.study_report import study_report, teacher_gain
from monosome.train.loop import Trainer

TOY = {
    "data.block_length": 128,
    "data.max_valid": 8,
    "model.num_layers": 1,
    "model.num_heads": 2,
    "model.width": 16,
    "model.positions": 128,
    "optim.learning_rate": 3e-3,
    "train.batch_size": 8,
    "execution.threads": 1,
    "execution.device": "cpu",
}


def settings(path: Path) -> list[str]:
    return [f"{key}={toml_value(value)}" for key, value in {"data.path": str(path), **TOY}.items()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def result(teacher_folder: Path, folder: Path) -> StudyResult:
    """A study whose medium student never meets its limit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(decisions.MAX_RATIO, "tiny", 500.0)
        patch.setitem(decisions.MAX_RATIO, "small", 500.0)
        patch.setitem(decisions.MAX_RATIO, "medium", 0.5)
        return run_study(Study(str(teacher_folder), folder, settings(teacher_folder.parent), progress=False))


@pytest.mark.slow
def test_temperature_then_alpha_then_the_control(result: StudyResult):
    assert [trial.settings["loss.temperature"] for trial in result.temperature.trials] == list(TEMPERATURES)
    best = result.temperature.winner
    assert best is not None
    assert best.values["perplexity_ratio"] == min(t.values["perplexity_ratio"] for t in result.temperature.trials)
    assert {trial.settings["loss.temperature"] for trial in result.alpha.trials} == {best.settings["loss.temperature"]}
    assert [trial.settings["loss.alpha"] for trial in result.alpha.trials] == list(ALPHAS)
    arms = {arm.settings["loss.alpha"]: arm for arm in result.control.arms}
    assert arms.keys() == {result.chosen["loss.alpha"], 1.0}
    assert all(len(arm.trials) == 3 and arm.interval("perplexity").low is not None for arm in arms.values())
    assert teacher_gain(result.control).num_examples == 3


@pytest.mark.slow
def test_every_arm_has_one_budget_and_one_rate(result: StudyResult, folder: Path):
    recipes = [
        (path / "recipe.toml").read_text() for path in (folder / "runs").iterdir() if "proportion=0.1" in path.name
    ]
    assert len(recipes) >= len(TEMPERATURES) + len(ALPHAS) - 1 + 5
    for line in ("learning_rate", "warmup_steps", "steps =", "batch_size", "proportion"):
        assert len({next(x for x in recipe.splitlines() if x.startswith(line)) for recipe in recipes}) == 1


@pytest.mark.slow
def test_decisions_are_acted_on(result: StudyResult, folder: Path):
    actions = {size: [each["decision"]["action"] for each in attempts] for size, attempts in result.sizes.items()}
    assert actions == {"tiny": ["release"], "small": ["release"], "medium": ["retrain", "retrain", "keep"]}
    shares = [each["settings"]["data.proportion"] for each in result.sizes["medium"]]
    assert shares == [0.1, 0.2, 0.5]
    assert sorted(path.name for path in (folder / "models").iterdir()) == ["small", "tiny"]
    assert (folder / "models" / "tiny" / "model.safetensors").is_file()


@pytest.mark.slow
def test_the_report_shows_all_of_it(result: StudyResult, tmp_path: Path):
    page = write_report(study_report(result, "monosome study"), tmp_path)
    assert page.read_text().count("<svg") >= 2
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["sizes"] == result.sizes
    assert len(written["temperature"]["trials"]) == len(TEMPERATURES)
    assert "With and without the teacher" in (tmp_path / "report.md").read_text()


@pytest.mark.slow
def test_the_verb_says_what_was_decided(
    result: StudyResult, teacher_folder: Path, folder: Path, capsys: pytest.CaptureFixture[str]
):
    data, words = teacher_folder.parent, settings(teacher_folder.parent)[1:]
    study.run(
        str(teacher_folder),
        words,
        data=str(data),
        out=folder,
        short=False,
        seeds=3,
        existing="",
        jobs=1,
        json=True,
    )
    printed = json.loads(capsys.readouterr().out)
    assert printed["chosen"] == result.chosen
    assert Path(printed["report"]).is_file()
    with pytest.raises(ConfigError, match="holds another study"):
        run_study(Study(str(teacher_folder), folder, words))


@pytest.mark.slow
def test_what_is_done_is_not_done_again(result: StudyResult, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Trainer, "fit", None)
    assert run_study(result.study) == result
    (result.study.folder / "results" / "tiny.json").unlink()
    with pytest.raises(TypeError, match="not callable"):
        run_study(result.study)


@pytest.mark.slow
def test_an_existing_model_is_to_be_beaten(teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The teacher itself stands for the existing model, which no student beats: the ladder is climbed to its end."""
    monkeypatch.setattr("monosome.protein.study.SIZES", ("tiny",))
    monkeypatch.setattr("monosome.protein.study.TEMPERATURES", (2.0,))
    monkeypatch.setattr("monosome.protein.study.ALPHAS", (0.5,))
    there = {"num_layers": 2, "num_heads": 2, "width": 24, "positions": 128}
    monkeypatch.setattr(decisions, "read_recipe", lambda name: {"model": there})
    (tmp_path / "models-tiny").symlink_to(teacher_folder)
    wanted = Study(
        str(teacher_folder),
        tmp_path / "study",
        settings(teacher_folder.parent),
        short=True,
        num_seeds=1,
        existing=str(tmp_path / "models-{size}"),
        progress=False,
    )
    attempts: Any = run_study(wanted).sizes["tiny"]
    assert [each["decision"]["action"] for each in attempts] == ["retrain"] * 5 + ["keep"]
    assert [each["settings"]["loss.temperature"] for each in attempts] == [2.0] + [10.0] * 5
    assert attempts[-1]["settings"]["model.width"] == 24
    assert attempts[-1]["settings"]["data.proportion"] == 0.5


def test_a_teacher_that_knows_nothing_is_refused_at_once(model_folder: Path, student: nn.Module, tmp_path: Path):
    with pytest.raises(DataError, match="no better than the token unigram"):
        run_study(Study(str(model_folder), tmp_path / "study", settings(Path())[1:], progress=False))
    assert not (tmp_path / "study" / "runs").exists()


def test_what_the_study_sets_itself_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"the study itself sets loss\.alpha"):
        run_study(Study("teacher", tmp_path / "study", ["loss.alpha=0.5"]))
    with pytest.raises(ConfigError, match=r"no setting 'loss\.alfa'"):
        run_study(Study("teacher", tmp_path / "study", ["loss.alfa=0.5"]))
    assert not (tmp_path / "study").exists()
