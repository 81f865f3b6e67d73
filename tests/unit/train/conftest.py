"""The engine's tests train the toy task of the laws."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "laws"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fits a card is neither read from the user's cache nor written there."""
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path_factory.mktemp("cache")))
