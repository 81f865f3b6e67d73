import io
import json
import math
import sys
from pathlib import Path

import pytest
from toy import ToyConfig

from monosome.config import build
from monosome.errors import ConfigError
from monosome.train.journal import Journal, StepLine, read_journal


def line(step: int, loss: float = 0.5) -> StepLine:
    return StepLine(step, loss, {"calm": 2.0}, {"calm": 1.0}, 1e-3, 0.1, 100.0, 1.0, 2**20)


def config(**execution: object) -> ToyConfig:
    return build(ToyConfig, {"domain": "toy", "execution": execution})


def journal(folder: Path, step: int = 0, *, progress: bool = False, **execution: object) -> Journal:
    return Journal(folder, config(**execution), "abc", step, progress=progress)


def test_each_line_is_on_disk_at_once(tmp_path: Path) -> None:
    with journal(tmp_path) as writing:
        writing.step(line(10))
        writing.evaluation(10, {"loss": 0.75}, 2.0)
        first, second = read_journal(tmp_path)
    assert first == {
        "step": 10,
        "loss": 0.5,
        "terms": {"calm": 2.0},
        "weights": {"calm": 1.0},
        "learning_rate": 1e-3,
        "grad_norm": 0.1,
        "units_per_second": 100.0,
        "seconds": 1.0,
        "memory_bytes": 2**20,
    }
    assert second == {"step": 10, "evaluation": {"loss": 0.75}, "seconds": 2.0}


def test_going_on_drops_later_lines_and_a_torn_one(tmp_path: Path) -> None:
    with journal(tmp_path) as writing:
        for step in (10, 20, 30):
            writing.step(line(step))
        writing.evaluation(20, {"loss": 1.0}, 2.0)
    with (tmp_path / "metrics.jsonl").open("a") as torn:
        torn.write('{"step": 40, "lo')
    assert [each["step"] for each in read_journal(tmp_path)] == [10, 20, 30, 20]
    with journal(tmp_path, step=20) as writing:
        assert [each["step"] for each in read_journal(tmp_path)] == [10, 20, 20]
        writing.step(line(30))
    assert [each["step"] for each in read_journal(tmp_path)] == [10, 20, 20, 30]


def test_numbers_without_a_word_in_json_become_null(tmp_path: Path) -> None:
    with journal(tmp_path) as writing:
        writing.step(StepLine(1, 1.0, {"calm": math.nan}, {}, 1e-3, math.inf, 1.0, 1.0, 1))
    written = json.loads((tmp_path / "metrics.jsonl").read_text(), parse_constant=pytest.fail)
    assert written["terms"]["calm"] is None
    assert written["grad_norm"] is None


def test_no_journal_is_empty(tmp_path: Path) -> None:
    assert read_journal(tmp_path) == []


def test_a_log_file_gets_a_line_each_with_loss_rate_and_time_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with journal(tmp_path, progress=True) as writing:
        writing.advance(10, 0.5, 100.0)
        writing.step(line(10))
        writing.evaluation(10, {"loss": 0.75}, 2.0)
        writing.say("[stopped]")
    shown = capsys.readouterr()
    assert shown.out == ""
    step, evaluation, said = shown.err.splitlines()
    assert step.startswith("step 10: loss 0.5, 100 units/s, 00:00:")
    assert step.endswith("left of 12 steps")
    assert "held-out loss 0.75" in evaluation
    assert said == "[stopped]"


def test_a_terminal_gets_a_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with journal(tmp_path, step=2, progress=True) as writing:
        writing.advance(12, 0.5, 1234.0)
    assert "12/12" in terminal.getvalue()
    assert "loss 0.5  1,234 units/s" in terminal.getvalue()


@pytest.mark.parametrize(
    ("setting", "value", "module"), [("tensorboard", True, "tensorboard"), ("wandb", "offline", "wandb")]
)
def test_a_missing_extra_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: object, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    with (
        pytest.raises(ConfigError, match=rf"execution\.{setting} needs {module}.*\n.*monosome\[track\]"),
        journal(tmp_path, **{setting: value}),
    ):
        pass
    assert not (tmp_path / "metrics.jsonl").exists()


def test_tensorboard_holds_each_step_once_after_going_on(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with journal(tmp_path, tensorboard=True) as writing:
        for step in (1, 2, 3):
            writing.step(line(step, loss=10.0))
    with journal(tmp_path, step=2, tensorboard=True) as writing:
        writing.step(line(3, loss=30.0))
        writing.evaluation(3, {"loss": 4.0}, 1.0)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(1, 10.0), (2, 10.0), (3, 30.0)]
    assert [event.value for event in events.Scalars("valid/loss")] == [4.0]
    assert [event.value for event in events.Scalars("train/terms/calm")][-1] == 2.0
