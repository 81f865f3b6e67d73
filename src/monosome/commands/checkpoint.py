"""`monosome checkpoint`: what a checkpoint holds, and whether it is whole."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from monosome.commands.domain import config_type
from monosome.commands.output import print_json, print_table
from monosome.errors import CheckpointError
from monosome.train import checkpoint, conversion
from monosome.train.conversion import Precision


def show(path: Path, *, json: bool) -> None:
    """Print the manifest of a checkpoint, or of a run's best."""
    found = checkpoint.find(path)
    manifest = checkpoint.load_manifest(found)
    values = asdict(manifest)
    if json:
        print_json({"checkpoint": str(found), **values})
        return
    facts = {
        key: values[key] for key in ("fingerprint", "step", "seconds", "evaluation", "versions", "files", "format")
    }
    print_table(["fact", ""], list(_leaves(facts)), title=str(found))
    print()
    print_table(["recipe", ""], list(_leaves(manifest.config)))
    for stretch in manifest.stretches:
        print()
        how = {"device": stretch.device, "execution": stretch.execution, "numerics": stretch.numerics}
        print_table([f"steps {stretch.first} to {stretch.last}", ""], list(_leaves(how)))


def verify(path: Path, *, json: bool) -> None:
    """Check a checkpoint, or every one of a run; raises CheckpointError naming a damaged file when there is one."""
    faults: dict[str, CheckpointError] = {}
    checked = _checkpoints(path)
    for each in checked:
        try:
            checkpoint.verify(each)
        except CheckpointError as error:
            faults[str(each)] = error
    if json:
        print_json({"checkpoints": {str(each): _verdict(faults, each) for each in checked}})
    else:
        print_table(["checkpoint", ""], [[str(each), _verdict(faults, each)] for each in checked])
    if faults:
        raise next(iter(faults.values()))


def convert(path: Path, out: Path, precision: Precision, *, json: bool) -> None:
    """Write the weights alone and say how large they are."""
    domain = checkpoint.load_manifest(checkpoint.find(path)).config["domain"]
    manifest = conversion.convert(path, out, config_type(domain), precision)
    num_bytes = sum((out / name).stat().st_size for name in manifest.files)
    if json:
        print_json({"checkpoint": str(out), "fingerprint": manifest.fingerprint, "bytes": num_bytes})
        return
    print(f"{out}: step {manifest.step} of {manifest.fingerprint}, {num_bytes / 2**20:.1f} MiB in {precision}")


def _verdict(faults: dict[str, CheckpointError], each: Path) -> str:
    return faults[str(each)].message if str(each) in faults else "whole"


def _checkpoints(path: Path) -> list[Path]:
    if (path / checkpoint.MANIFEST).exists():
        return [path]
    folder = path / "checkpoints" if (path / "checkpoints").is_dir() else path
    best = folder / checkpoint.BEST
    return [*checkpoint.numbered(folder), *([best] if best.is_dir() else [])] or [checkpoint.find(path)]


def _leaves(values: dict[str, Any], prefix: str = "") -> Iterator[list[str]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield [f"{prefix}{key}", str(value)]
