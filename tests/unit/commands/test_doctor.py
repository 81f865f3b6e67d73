import json

import pytest
import torch

from monosome.commands import doctor
from monosome.hardware.detect import Device, detect
from monosome.hardware.presets import preset

NOTHING_MISSING = dict.fromkeys((*doctor.PACKAGES, *doctor.TRACKERS), "1.0")
PLAIN_CPU = Device("cpu", "a processor", 2**34, None, cores=2, instructions=("avx2",))


def test_a_complete_machine_needs_no_advice(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    assert list(doctor.advice(PLAIN_CPU, NOTHING_MISSING)) == []


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ({"gemmi": None, "ViennaRNA": None}, "pip install ViennaRNA gemmi"),
        ({"tensorboard": None, "wandb": None}, "pip install tensorboard wandb"),
    ],
)
def test_what_is_missing_comes_with_what_to_type(
    monkeypatch: pytest.MonkeyPatch, missing: dict[str, str | None], command: str
):
    monkeypatch.setenv("PATH", "")
    (found,) = doctor.advice(PLAIN_CPU, NOTHING_MISSING | missing)
    assert found.command == command


@pytest.mark.skipif(torch.version.cuda is not None, reason="this build of PyTorch has CUDA")
def test_a_driver_without_a_cuda_build_is_noticed(tmp_path, monkeypatch: pytest.MonkeyPatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = doctor.advice(PLAIN_CPU, NOTHING_MISSING)
    assert "without CUDA" in found.finding


def test_the_report_says_what_this_machine_is(capsys: pytest.CaptureFixture[str]):
    doctor.run(json=True)
    report = json.loads(capsys.readouterr().out)
    device = detect()
    assert report["device"]["memory_bytes"] == device.memory_bytes
    assert report["preset"]["execution"] == preset(device).execution
    assert report["packages"]["torch"] == torch.__version__


def test_the_table_says_the_same(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "120")
    doctor.run(json=False)
    out = capsys.readouterr().out
    assert f"preset {preset(detect()).name}" in out
    assert torch.__version__ in out
