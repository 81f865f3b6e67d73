"""Importance: of a made-up task whose truth is known, and of BetaRho trained for a few steps."""

import json
from pathlib import Path
from typing import Any

import pytest

from monosome.commands import evaluate as command
from monosome.commands.domain import task_for
from monosome.config import override, read_recipe
from monosome.errors import ConfigError
from monosome.evaluate.importance import LEFT_OUT, SHUFFLED, importance
from monosome.row import Metric, Row
from monosome.task import Examples, Task
from monosome.train.loop import Trainer

AnyTask = Task[Any, Any, Any]


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> AnyTask:
    """A task whose metrics get worse by what is taken from the input "needed", and that has no use for "idle"."""

    def disturbed(example: float, name: str, seed: int | None) -> float:
        lost = 1.0 if seed is None else 0.5 + seed % 2
        return example - lost if name == "needed" else example

    made = task_for(read_recipe("rna/micro"))
    metrics = (Metric("score", "score", "score", higher_is_better=True), Metric("loss", "loss", "loss"))
    for name, value in (("metrics", metrics), ("inputs", lambda: ("needed", "idle")), ("disturbed", disturbed)):
        monkeypatch.setattr(made, name, value)
    return made


class Numbers:
    content_hash = "numbers"

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int, /) -> float:
        return float(index)


def rows(examples: Examples[float]) -> list[Row]:
    values = [examples[index] for index in range(len(examples))]
    return [Row(str(n), {"score": value, "loss": -value}, 1, group=str(n // 2)) for n, value in enumerate(values)]


def test_what_is_lost_is_measured_for_each_input_metric_and_way(task: AnyTask):
    found = {(each.input, each.way, each.metric.name): each for each in importance(task, Numbers(), rows, num_seeds=4)}
    assert len(found) == 8
    assert found["needed", LEFT_OUT, "score"].interval.value == pytest.approx(1.0)
    assert found["needed", LEFT_OUT, "loss"].interval.value == pytest.approx(1.0), "higher loss is worse"
    assert found["needed", LEFT_OUT, "loss"].seeds is None
    shuffled = found["needed", SHUFFLED, "score"]
    assert shuffled.interval.value == pytest.approx(1.0)
    assert shuffled.interval.num_groups == 3
    assert shuffled.seeds is not None
    assert shuffled.seeds[0] <= shuffled.interval.value <= shuffled.seeds[1]
    assert all(each.interval.value == 0 for (name, *_), each in found.items() if name == "idle")


def test_a_task_of_one_input_says_so(task: AnyTask, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(task, "inputs", lambda: ())
    with pytest.raises(ConfigError, match="one input"):
        importance(task, Numbers(), rows)


def test_the_report_of_a_trained_run_has_every_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    settings = ["train.steps=3", "train.batch_size=2", "data.num_synthetic=12", "optim.warmup_steps=1"]
    task = task_for(override(read_recipe("rna/micro"), [*settings, "data.valid_share=0.4", "execution.device=cpu"]))
    Trainer(task, tmp_path / "run", progress=False).fit()
    wishes = command.Wishes(importance=True)
    command.run(tmp_path / "run", split="valid", settings=[], wishes=wishes, out=None, json=True)
    printed = json.loads(capsys.readouterr().out)["importance"]
    folder = tmp_path / "run" / "evaluation-valid"
    report = json.loads((folder / "report.json").read_text())
    assert report["importance"] == printed
    assert {each["input"] for each in printed} == set(task.inputs())
    assert {each["metric"] for each in printed} == {"tm_score", "loss"}
    assert all(each["low"] <= each["value"] <= each["high"] for each in printed)
    for name in ("report.md", "report.html"):
        text = (folder / name).read_text()
        assert "Importance of inputs" in text
        assert all(each in text for each in task.inputs())
    assert report["command"].endswith("--importance")
