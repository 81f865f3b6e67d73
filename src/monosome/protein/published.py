"""Figures of other models as they were published, those of an invalid protocol marked so."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("published.toml")


@dataclass(frozen=True)
class Published:
    """A model's figures by name, where they stand, how they were measured, and why they must not be compared."""

    name: str
    source: str
    protocol: str
    invalid: str
    figures: Mapping[str, float]


def published() -> list[Published]:
    """Every model of published.toml."""
    tables = tomllib.loads(FILE.read_text(encoding="utf-8"))["model"]
    return [
        Published(**{**table, "figures": {name: float(value) for name, value in table["figures"].items()}})
        for table in tables
    ]
