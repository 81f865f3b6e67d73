"""Checkpoints: a folder with manifest.json and safetensors, whole or not there at all.

    step_00000100/manifest.json            what was learned, how far, where and with what; sha256 of each other file
                  model.safetensors        the weights
                  ema.safetensors          their moving average, where the recipe keeps one
                  optimizer.safetensors    the optimiser's state; not in `best`, which nobody goes on from
                  rows.json                what was measured on each held-out example; in `best` only

Nothing is ever unpickled.
"""

import hashlib
import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from monosome.atomic import replacing
from monosome.config import Values
from monosome.errors import CheckpointError
from monosome.task import Row

FORMAT = 1
MANIFEST = "manifest.json"
BEST = "best"
_STEP = re.compile(r"step_(\d{8,})")
_PACKAGES = ("monosome", "torch", "numpy", "safetensors", "transformers")

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Stretch:
    """A part of a run that one process carried out: steps `first` to `last`, where, how and with what rounding."""

    first: int
    last: int
    device: str
    execution: Values
    numerics: Values
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint says of itself.

    `config` is the recipe as it was asked for, "auto" included, so that it can be built on any machine; `execution` and
    `numerics` are what "auto" became where this was written, and `stretches` what it became in each part of the run.
    `step` counts finished steps; `cursor` is where the next one finds its batch. `seconds` is the time spent so far;
    `evaluation` holds the latest mean values on held-out data.
    """

    config: Values
    fingerprint: str
    execution: Values
    numerics: Values
    step: int
    cursor: Mapping[str, int]
    seconds: float
    evaluation: Mapping[str, float]
    versions: Mapping[str, str]
    stretches: Sequence[Stretch]
    format: int = FORMAT
    files: Mapping[str, str] = field(default_factory=dict)


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that the numbers depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}}


def step_folder(checkpoints: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return checkpoints / f"step_{step:08d}"


def save(folder: Path, manifest: Manifest, states: Mapping[str, State], rows: Sequence[Row] = ()) -> Manifest:
    """The manifest as written, with the checksums of the files: one NAME.safetensors for each of `states`.

    On any failure, a full disk included, `folder` is as it was before. Raises CheckpointError when the disk is full.
    """
    try:
        with replacing(folder) as temporary:
            temporary.mkdir()
            for name, state in states.items():
                _write_tensors(temporary / f"{name}.safetensors", state)
            if rows:
                (temporary / "rows.json").write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")
            complete = replace(manifest, files={file.name: _sha256(file) for file in sorted(temporary.iterdir())})
            (temporary / MANIFEST).write_text(json.dumps(asdict(complete), indent=1), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        hint = "make room there, then start the same command again: it goes on from the last whole checkpoint"
        raise CheckpointError(f"cannot write the checkpoint {folder}: {error}", hint) from error
    return complete


def load_manifest(path: Path) -> Manifest:
    """The manifest of a checkpoint folder.

    Raises CheckpointError when it is missing, damaged or of another format.
    """
    file = path / MANIFEST
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        number = values["format"]
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path} is not a checkpoint: it has no {MANIFEST}", "give the folder of a run"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(file) from error
    if number != FORMAT:
        hint = "pip install --upgrade monosome" if isinstance(number, int) and number > FORMAT else "train it again"
        raise CheckpointError(f"{path} has checkpoint format {number}, this monosome reads format {FORMAT}", hint)
    try:
        stretches = [Stretch(**stretch) for stretch in values.pop("stretches")]
        return Manifest(stretches=stretches, **values)
    except (KeyError, TypeError) as error:
        raise _damaged(file) from error


def verify(path: Path) -> Manifest:
    """The manifest of a checkpoint whose every file has its checksum.

    Raises CheckpointError naming the first file that is missing or damaged.
    """
    manifest = load_manifest(path)
    for name in manifest.files:
        _verified(path, manifest, name)
    return manifest


def load_tensors(path: Path, name: str) -> dict[str, Tensor]:
    """The tensors of NAME.safetensors, on the CPU, tied weights under each of their names.

    Raises CheckpointError when the file is missing or damaged.
    """
    file = _verified(path, load_manifest(path), f"{name}.safetensors")
    try:
        with safe_open(file, "pt") as opened:
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 - it is no dictionary
            return tensors | {alias: tensors[kept] for alias, kept in (opened.metadata() or {}).items()}
    except (SafetensorError, KeyError) as error:
        raise _damaged(file) from error


def load_rows(path: Path) -> list[Row]:
    """What was measured on each held-out example when the checkpoint was made; empty where none was kept."""
    manifest = load_manifest(path)
    if "rows.json" not in manifest.files:
        return []
    file = _verified(path, manifest, "rows.json")
    return [Row(**values) for values in json.loads(file.read_text(encoding="utf-8"))]


def load_weights(model: nn.Module, path: Path, prefer_ema: bool = True) -> Manifest:
    """The manifest of the checkpoint found at `path`, whose weights (their moving average, if any) are now the model's.

    Raises CheckpointError when the weights are of another model.
    """
    checkpoint = find(path)
    manifest = load_manifest(checkpoint)
    name = "ema" if prefer_ema and "ema.safetensors" in manifest.files else "model"
    load_state(model, load_tensors(checkpoint, name), checkpoint)
    return manifest


def begin_with(model: nn.Module, path: Path) -> list[str]:
    """The layers that the checkpoint found at `path` has not; all others now have its weights.

    Layers of another shape count as not found; what the checkpoint has besides is passed over.
    """
    checkpoint = find(path)
    manifest = load_manifest(checkpoint)
    state = load_tensors(checkpoint, "ema" if "ema.safetensors" in manifest.files else "model")
    own = model.state_dict()
    fitting = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    model.load_state_dict({**own, **fitting})
    return sorted(own.keys() - fitting.keys())


def load_state(model: nn.Module, state: State, origin: Path) -> None:
    """Copy the tensors into the model; raises CheckpointError naming the first that does not fit."""
    own = model.state_dict()
    missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    shapes = [key for key in own.keys() & state.keys() if own[key].shape != state[key].shape]
    faults = [f"{key} is missing" for key in missing] + [f"{key} is not in this model" for key in unknown]
    faults += [f"{key} is {_shape(state[key])} there and {_shape(own[key])} here" for key in sorted(shapes)]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        hint = f"the checkpoint's own recipe is in its manifest: monosome checkpoint show {origin}"
        raise CheckpointError(f"{origin} is of another model: {faults[0]}{more}", hint)
    model.load_state_dict(dict(state))


def find(path: Path) -> Path:
    """The checkpoint to use: `path` itself, or in a run or its folder of checkpoints the best, else the latest whole.

    Raises CheckpointError when there is none.
    """
    if (path / MANIFEST).exists():
        return path
    checkpoints = path / "checkpoints" if (path / "checkpoints").is_dir() else path
    if (checkpoints / BEST / MANIFEST).exists():
        return checkpoints / BEST
    found, damaged = latest(checkpoints)
    if found is None:
        raise (
            damaged[0] if damaged else CheckpointError(f"there is no checkpoint in {path}", "give the folder of a run")
        )
    return found


def latest(checkpoints: Path) -> tuple[Path | None, list[CheckpointError]]:
    """The latest whole checkpoint of a folder, and what is wrong with the later ones."""
    damaged = []
    for checkpoint in reversed(numbered(checkpoints)):
        try:
            verify(checkpoint)
        except CheckpointError as error:
            damaged.append(error)
        else:
            return checkpoint, damaged
    return None, damaged


def numbered(checkpoints: Path) -> list[Path]:
    """The checkpoints of a folder in the order of their steps, `best` aside, whole or not."""
    found = checkpoints.glob("step_*") if checkpoints.is_dir() else []
    return sorted((path for path in found if _STEP.fullmatch(path.name)), key=lambda path: int(path.name[5:]))


def _write_tensors(file: Path, state: State) -> None:
    """Write tensors, a tied one once: the file's metadata maps each further name to the one that is kept."""
    kept: dict[tuple[Any, ...], str] = {}
    tied: dict[str, str] = {}
    tensors: dict[str, Tensor] = {}
    for name, tensor in state.items():
        place = tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype
        if tensor.numel() and place in kept:
            tied[name] = kept[place]
            continue
        kept[place] = name
        tensors[name] = _own_storage(tensor)
    save_file(tensors, file, metadata=tied)


def _own_storage(tensor: Tensor) -> Tensor:
    """The tensor on the CPU, contiguous, in a storage of its own: safetensors refuses views of a shared one."""
    here = tensor.detach().to("cpu").contiguous()
    return here if here.untyped_storage().nbytes() == here.nbytes else here.clone()


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _verified(path: Path, manifest: Manifest, name: str) -> Path:
    file = path / name
    if name not in manifest.files or not file.is_file():
        raise CheckpointError(f"{file} is missing", "copy the checkpoint again, or use an earlier one")
    if _sha256(file) != manifest.files[name]:
        raise _damaged(file)
    return file


def _damaged(file: Path) -> CheckpointError:
    return CheckpointError(
        f"{file} is damaged", "copy the checkpoint again, or delete its folder to use an earlier one"
    )


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a scalar"
