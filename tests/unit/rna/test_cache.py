"""Arrays kept on disk: computed once, computed again where what lies there is damaged."""

from pathlib import Path

import numpy as np
import pytest

from monosome.rna.cache import Values, cached


def test_arrays_are_computed_once_and_again_when_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path))
    calls = []

    def compute() -> Values:
        calls.append(1)
        return {"x": np.arange(3)}

    for _ in range(2):
        assert cached("kind", "digest", {"x": (3,)}, compute)["x"].tolist() == [0, 1, 2]
    assert len(calls) == 1
    (tmp_path / "kind" / "digest.npz").write_bytes(b"damaged")
    assert cached("kind", "digest", {"x": (3,)}, compute)["x"].tolist() == [0, 1, 2]
    assert len(calls) == 2
    cached("kind", "digest", {"x": (4,)}, compute)
    assert len(calls) == 3, "another shape is another thing"


def test_a_folder_that_cannot_be_written_costs_only_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "file"))
    assert cached("kind", "digest", {"x": (2,)}, lambda: {"x": np.ones(2)})["x"].tolist() == [1, 1]
