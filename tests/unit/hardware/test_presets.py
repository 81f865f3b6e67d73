import math

import pytest

from monosome.errors import HardwareError
from monosome.hardware.detect import Device, detect
from monosome.hardware.presets import preset, preset_named, presets

GIB = 2**30


def card(capability: tuple[int, int], gib: float, name: str = "a card") -> Device:
    return Device("cuda", name, math.floor(gib * GIB), capability, cores=8, instructions=())


def test_the_plan_has_a_preset_for_each_of_its_cards():
    cards = "t4 v100 rtx-4070-ti-super a10g l4 l40s a100-40 a100-80 h100 h200"
    assert [each.name for each in presets()] == ["cpu", "mps", *cards.split()]


# What torch reports as total_memory on each card: less than nominal, by driver and error correction.
@pytest.mark.parametrize(
    ("capability", "gib", "name"),
    [
        ((7, 5), 14.6, "t4"),
        ((7, 0), 15.8, "v100"),
        ((8, 9), 15.6, "rtx-4070-ti-super"),
        ((8, 6), 22.1, "a10g"),
        ((8, 9), 22.0, "l4"),
        ((8, 9), 44.5, "l40s"),
        ((8, 0), 39.4, "a100-40"),
        ((8, 0), 79.3, "a100-80"),
        ((9, 0), 79.1, "h100"),
        ((9, 0), 139.8, "h200"),
    ],
)
def test_a_card_is_known_by_capability_and_the_memory_it_reports(capability: tuple[int, int], gib: float, name: str):
    chosen = preset(card(capability, gib))
    assert chosen.name == name
    assert chosen.note == preset_named(name).note


@pytest.mark.parametrize(
    ("title", "capability", "gib", "name"),
    [
        ("GeForce RTX 5090", (12, 0), 31.4, "a100-40"),
        ("GeForce RTX 3060", (8, 6), 11.6, "rtx-4070-ti-super"),
        ("B200", (10, 0), 178.0, "h200"),
        ("Tesla P100", (6, 0), 15.9, "v100"),
        ("Quadro RTX 8000", (7, 5), 47.0, "t4"),
    ],
)
def test_an_unknown_card_takes_the_nearest_and_says_so(title: str, capability: tuple[int, int], gib: float, name: str):
    chosen = preset(card(capability, gib, title))
    assert chosen.name == name
    assert title in chosen.note
    assert f"takes the nearest, {name}" in chosen.note


def test_a_smaller_unknown_card_gets_a_smaller_micro_batch():
    full = preset_named("rtx-4070-ti-super").execution["micro_batch"]
    assert preset(card((8, 6), 8)).execution["micro_batch"] == full // 2
    assert preset(card((8, 6), 0.1)).execution["micro_batch"] == 1


@pytest.mark.parametrize("capability", [(5, 2), (6, 0), (6, 1), (7, 0), (7, 5)])
@pytest.mark.parametrize("gib", [4, 16, 24, 48, 80])
def test_no_bf16_and_no_tf32_before_ampere(capability: tuple[int, int], gib: float):
    assert preset(card(capability, gib)).numerics["precision"] == ("fp16" if capability >= (7, 0) else "fp32")
    assert preset(card(capability, gib)).numerics["tf32"] is False


def test_facts_and_settings_agree():
    for each in presets():
        if each.card:
            assert each.card.bf16 == (each.numerics["precision"] == "bf16") == each.numerics["tf32"]
            assert each.execution["device"] == "cuda"
            assert each.card.source
        else:
            assert each.execution["device"] == each.name


def test_the_preset_of_this_machine_uses_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    device = detect("cpu")
    assert preset(device).name == "cpu"
    assert preset(device).values()["execution"]["threads"] == device.cores


def test_an_unknown_preset_is_answered_with_the_nearest():
    with pytest.raises(HardwareError) as raised:
        preset_named("h10")
    assert raised.value.hint == "did you mean 'h100'?"


@pytest.mark.parametrize(("asked", "expected"), [("", 4), ("1", 1), ("16", 4), ("0", 4), ("many", 4)])
def test_omp_num_threads_may_ask_for_fewer(asked: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    device = Device("cpu", "a processor", 2**34, None, 4, ())
    assert preset(device).execution["threads"] == expected
