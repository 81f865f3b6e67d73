"""Settings per card, as data: presets.toml holds them with the facts they rest on."""

import math
import os
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from monosome.errors import HardwareError, nearest
from monosome.hardware.detect import Device

BF16_CAPABILITY = (8, 0)
"""First compute capability with bf16 arithmetic: Ampere (CUDA C++ programming guide, "Compute Capabilities")."""
TENSOR_CORES = (7, 0)
"""First with tensor cores: Volta, in fp16. Before, fp16 is no faster than fp32, on most of Pascal 64 times slower (CUDA
C++ programming guide, "Arithmetic Instructions")."""

# Drivers report less than the nominal memory: error correction takes 6 % of an L4's, the driver itself 1–2 %.
_MEMORY_TOLERANCE = 0.15


@dataclass(frozen=True)
class Card:
    """What the maker says of a card: dense matrix TFLOP/s in bf16 (fp16 before Ampere) and memory bandwidth in GB/s."""

    title: str
    capability: tuple[int, int]
    memory_bytes: int
    tflops: float
    bandwidth: float
    source: str

    @property
    def bf16(self) -> bool:
        """Whether the card computes in bf16."""
        return self.capability >= BF16_CAPABILITY


@dataclass(frozen=True)
class Preset:
    """The settings that fill what a recipe leaves "auto", and `note`: why these."""

    name: str
    execution: dict[str, Any]
    numerics: dict[str, Any]
    note: str
    card: Card | None = None

    def values(self) -> dict[str, dict[str, Any]]:
        """The settings by section, as `config.fill_auto` takes them."""
        return {"execution": dict(self.execution), "numerics": dict(self.numerics)}


@cache
def presets() -> tuple[Preset, ...]:
    """All presets, in the file's order: cpu, mps, then cards by memory."""
    text = (resources.files("monosome") / "hardware" / "presets.toml").read_text(encoding="utf-8")
    return tuple(_parsed(name, entry) for name, entry in tomllib.loads(text).items())


def preset_named(name: str) -> Preset:
    """The preset of that name, such as "l4". Raises HardwareError for an unknown name, with the nearest."""
    named = {preset.name: preset for preset in presets()}
    if name not in named:
        raise HardwareError(f"there is no preset {name!r}", nearest(name, list(named)))
    return named[name]


def preset(device: Device) -> Preset:
    """The preset of a device, with the cores that it may use.

    A CUDA card is found by compute capability and memory. One that no preset describes takes the nearest in memory,
    then in capability, among those that agree with it on bf16; its micro-batch is scaled to the memory.
    """
    chosen = preset_named(device.kind) if device.capability is None else _nearest_card(device, device.capability)
    return replace(chosen, execution={**chosen.execution, "threads": _threads(device)})


def _threads(device: Device) -> int:
    """The cores that this process may use, or fewer where OMP_NUM_THREADS asks for fewer."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(device.cores, int(asked)) if asked.isdigit() and int(asked) else device.cores


def _parsed(name: str, entry: dict[str, Any]) -> Preset:
    if "card" not in entry:
        return Preset(name, entry["execution"], entry["numerics"], f"the settings for every {name.upper()}")
    facts = entry["card"]
    card = Card(
        title=facts["title"],
        capability=tuple(facts["capability"]),
        memory_bytes=facts["memory_gib"] * 2**30,
        tflops=float(facts["tflops"]),
        bandwidth=float(facts["bandwidth"]),
        source=facts["source"],
    )
    note = f"{card.title}: capability {_dotted(card.capability)}, {facts['memory_gib']} GiB ({card.source})"
    return Preset(name, entry["execution"], entry["numerics"], note, card)


def _nearest_card(device: Device, capability: tuple[int, int]) -> Preset:
    def distance(card: Card) -> tuple[bool, float, int]:
        memory = abs(math.log2(device.memory_bytes / card.memory_bytes))
        generations = abs(10 * (capability[0] - card.capability[0]) + capability[1] - card.capability[1])
        return card.bf16 != (capability >= BF16_CAPABILITY), memory, generations

    cards = [(each.card, each) for each in presets() if each.card]
    for card, exact in cards:
        if card.capability == capability and abs(device.memory_bytes / card.memory_bytes - 1) <= _MEMORY_TOLERANCE:
            return exact
    card, closest = min(cards, key=lambda pair: distance(pair[0]))
    share = min(1.0, device.memory_bytes / card.memory_bytes)
    micro_batch = max(1, math.floor(closest.execution["micro_batch"] * share))
    note = (
        f"no preset describes {device.name} (capability {_dotted(capability)}, {device.memory_bytes / 2**30:.0f} GiB): "
        f"it takes the nearest, {closest.name}"
    )
    numerics = closest.numerics if capability >= TENSOR_CORES else {**closest.numerics, "precision": "fp32"}
    return replace(closest, execution={**closest.execution, "micro_batch": micro_batch}, numerics=numerics, note=note)


def _dotted(capability: tuple[int, int]) -> str:
    return f"{capability[0]}.{capability[1]}"
