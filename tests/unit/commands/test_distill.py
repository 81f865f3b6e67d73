from pathlib import Path
from typing import Any

import pytest

from monosome.commands import distill
from monosome.config import override


def test_it_is_train_with_a_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "proteins.fasta").write_text(">a\nMKT\n")
    monkeypatch.chdir(tmp_path)
    called: dict[str, Any] = {}
    monkeypatch.setattr(
        "monosome.commands.train.run", lambda recipe, settings, **options: called.update(options, r=recipe, s=settings)
    )
    distill.run("owner/name", ["loss.alpha=0.1"], size="micro", data="proteins.fasta", out=Path("o"), json=True)
    assert (called["r"], called["out"], called["json"]) == ("protein/micro", Path("o"), True)
    assert override({}, called["s"]) == {
        "loss": {"teacher": "owner/name", "alpha": 0.1},
        "data": {"path": str(tmp_path / "proteins.fasta")},
    }
