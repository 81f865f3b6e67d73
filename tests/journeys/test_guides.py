"""The code in the guides runs as it stands."""

import re
import runpy
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "a-task-of-your-own.md"


def test_a_task_of_your_own_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert code is not None
    (tmp_path / "guide.py").write_text(code[1])
    monkeypatch.chdir(tmp_path)
    outcome = runpy.run_path("guide.py")["outcome"]
    assert outcome.step == 200
    assert outcome.evaluation["loss"] < outcome.evaluation["uniform"], "the second half repeats the first"
