"""A card's preset says how a recipe runs, never what it learns."""

import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from monosome.config import ExecutionConfig, NumericsConfig, Section

from .source import PACKAGE

SECTIONS: dict[str, type[Section]] = {"execution": ExecutionConfig, "numerics": NumericsConfig}
FROM_THE_DEVICE = {"threads"}  # the cores that the process may use, which no file can know


def preset_violations(file: Path) -> list[str]:
    """Presets that touch another section, set what is never "auto", leave an "auto" open, or hold a wrong value."""
    found = []
    for name, preset in tomllib.loads(file.read_text(encoding="utf-8")).items():
        found += [f"{name} touches {section}" for section in preset.keys() - SECTIONS.keys() - {"card"}]
        for section, config in SECTIONS.items():
            automatic = {key for key, field in config.model_fields.items() if field.default == "auto"}
            given = preset.get(section, {})
            found += [f"{name} sets {section}.{key}, which is never auto" for key in given.keys() - automatic]
            found += [f"{name} leaves {section}.{key} open" for key in automatic - given.keys() - FROM_THE_DEVICE]
            found += [f"{name}: {section}: {fault}" for fault in faults(config, given)]
    return found


def faults(config: type[Section], values: dict[str, object]) -> list[str]:
    """What the section says against the values."""
    try:
        config.model_validate({key: value for key, value in values.items() if key in config.model_fields})
    except ValidationError as error:
        return [f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors()]
    return []


def test_presets_touch_execution_and_numerics_only():
    assert preset_violations(PACKAGE / "hardware" / "presets.toml") == []


EXECUTION = 'execution = { device = "cuda", micro_batch = 8, checkpoint_blocks = true }\n'
NUMERICS = 'numerics = { precision = "fp32", tf32 = false, fused_optimizer = true }\n'


@pytest.mark.parametrize(
    ("settings", "violation"),
    [
        (EXECUTION + NUMERICS, None),
        (EXECUTION + NUMERICS + "model = { num_heads = 2 }\n", "card touches model"),
        (EXECUTION + NUMERICS + "train = { batch_size = 4 }\n", "card touches train"),
        (
            EXECUTION.replace("}", ", save_every = 5 }") + NUMERICS,
            "card sets execution.save_every, which is never auto",
        ),
        (EXECUTION.replace("micro_batch = 8, ", "") + NUMERICS, "card leaves execution.micro_batch open"),
        (EXECUTION.replace("8", "0") + NUMERICS, "card: execution: micro_batch: "),
    ],
)
def test_a_preset_that_reaches_further_is_refused(tmp_path: Path, settings: str, violation: str | None):
    file = tmp_path / "presets.toml"
    file.write_text(f"[card]\n{settings}")
    found = preset_violations(file)
    assert all(each.startswith(violation or "never") for each in found)
    assert bool(found) == bool(violation)
