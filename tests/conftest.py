"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data sets, or a skip that says how to provide it."""
    folder = os.environ.get("MONOSOME_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("set MONOSOME_DATA to the folder of the real data sets")
    return Path(folder)
