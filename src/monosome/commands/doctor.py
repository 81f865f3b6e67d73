"""`monosome doctor`: what this machine is, which settings suit it, what is missing."""

import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from monosome import __version__
from monosome.commands.output import print_json, print_table
from monosome.hardware.detect import Device, detect, devices
from monosome.hardware.presets import Preset, preset

PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "ViennaRNA", "gemmi", "optuna")
TRACKERS = ("tensorboard", "wandb")


@dataclass(frozen=True)
class Advice:
    """What is missing or could be better, and what to type for it."""

    finding: str
    command: str


def run(*, json: bool) -> None:
    """Print what this machine is, the preset that applies, the versions, and advice."""
    device = detect()
    chosen = preset(device)
    versions = {name: _version(name) for name in (*PACKAGES, *TRACKERS)}
    found = list(advice(device, versions))
    if json:
        print_json(_as_json(device, chosen, versions, found))
    else:
        _print(device, chosen, versions, found)


def advice(device: Device, versions: dict[str, str | None]) -> Iterator[Advice]:
    """What is missing or could be better on a machine that has these versions of packages."""
    missing = [name for name in PACKAGES if versions[name] is None]
    if missing:
        yield Advice(f"not installed: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    trackers = [name for name in TRACKERS if versions[name] is None]
    if trackers:
        yield Advice(f"runs cannot be followed in {' or '.join(trackers)}", f"pip install {' '.join(trackers)}")
    if device.kind == "cpu" and shutil.which("nvidia-smi"):
        if torch.version.cuda is None:
            yield Advice(
                "there is an NVIDIA driver, and PyTorch is built without CUDA", "pip install --force-reinstall torch"
            )
        else:
            yield Advice(f"PyTorch (CUDA {torch.version.cuda}) finds no card: driver too old, or no card", "nvidia-smi")
    if device.kind == "cpu" and {"amx", "avx512_bf16"} & set(device.instructions):
        # Training a transformer on an AMX processor went 1.9 times as fast; forward and backward of a 512-2048-512
        # network on 2 cores of a Zen 5 EPYC (AVX-512 BF16) 3.5 times, torch 2.13.
        yield Advice(
            "this processor computes bf16 2 to 3 times as fast as fp32", "monosome train … numerics.precision=bf16"
        )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _as_json(device: Device, chosen: Preset, versions: dict[str, str | None], found: list[Advice]) -> dict[str, Any]:
    return {
        "monosome": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "device": asdict(device),
        "devices": [asdict(each) for each in devices()],
        "preset": {"name": chosen.name, "note": chosen.note, **chosen.values()},
        "packages": versions,
        "advice": [asdict(each) for each in found],
    }


def _print(device: Device, chosen: Preset, versions: dict[str, str | None], found: list[Advice]) -> None:
    machine = [
        ["system", platform.platform()],
        ["cores allowed", str(device.cores)],
        ["instruction sets", ", ".join(device.instructions) or "none that matter"],
    ]
    for each in devices():
        capability = f", capability {each.capability[0]}.{each.capability[1]}" if each.capability else ""
        machine.append([each.kind, f"{each.name}{capability}, {each.memory_bytes / 2**30:.1f} GiB"])
    print_table(["machine", ""], machine)
    print()
    settings = [
        [f"{section}.{key}", str(value)] for section, values in chosen.values().items() for key, value in values.items()
    ]
    print_table([f"preset {chosen.name}", "fills what is auto"], settings)
    print(chosen.note)
    print()
    packages = {"monosome": __version__, "python": platform.python_version(), **versions}
    print_table(["package", "version"], [[name, number or "not installed"] for name, number in packages.items()])
    print()
    if found:
        print_table(["could be better", "type"], [[each.finding, each.command] for each in found])
    else:
        print("nothing is missing")
