"""Machines to rent, and what a run costs on each: cloud.toml holds the prices with their dates."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from monosome.hardware.presets import Card, preset_named


@dataclass(frozen=True)
class Instance:
    """A rented machine; `dollars_per_hour` pays for all its cards. `source` says whose figure it is, and of when."""

    name: str
    card: str
    num_cards: int
    dollars_per_hour: float
    source: str

    @property
    def hardware(self) -> Card:
        """What the maker says of the card."""
        found = preset_named(self.card).card
        assert found is not None
        return found

    def hours_at_least(self, flops: float) -> float:
        """Hours of one card for so many operations at its full speed, which no run reaches: a bound from below."""
        return flops / (self.hardware.tflops * 1e12) / 3600

    def dollars_at_least(self, flops: float) -> float:
        """What those hours cost."""
        return self.hours_at_least(flops) * self.dollars_per_hour


@cache
def instances() -> tuple[Instance, ...]:
    """All machines with a known price, in the file's order."""
    text = (resources.files("monosome") / "fit" / "cloud.toml").read_text(encoding="utf-8")
    return tuple(Instance(**entry) for entry in tomllib.loads(text)["instance"])
