"""Mutual information of RNA families against contacts in their experimental structures."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.data
@pytest.mark.slow
def test_strong_couplings_of_rfam_families_are_contacts(data_folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Mean precision of the L/2 strongest pairs over 74 families; measured: APC .506, plain .476, chance .084."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    found = importlib.import_module("bench_evolution").measure(data_folder)
    assert len(found) == 74
    apc, plain, chance = (
        sum(family[key] for family in found.values()) / len(found) for key in ("apc", "plain", "chance")
    )
    assert apc > plain + 0.02
    assert apc > 0.49
    assert plain > 5 * chance
