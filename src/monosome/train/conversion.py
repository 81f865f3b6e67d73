"""Checkpoints made smaller: the weights alone, in fewer bits, without the places of the machine they come from."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from monosome.config import Config, learned
from monosome.errors import CheckpointError
from monosome.train.checkpoint import Manifest, find, load_tensors, save, verify

Precision = Literal["float32", "bfloat16", "float16"]


def convert(path: Path, out: Path, config: type[Config], precision: Precision = "float32") -> Manifest:
    """The manifest of what was written to `out`: the weights that users get of the checkpoint found at `path`.

    Their moving average where there is one. Nobody can go on training from it. `config` is the type of its recipe,
    whose paths and whose execution are left out. Raises CheckpointError when the checkpoint is damaged, `out` is there
    already, or a weight is too large for the precision.
    """
    if out.exists():
        raise CheckpointError(f"{out} is there already", "choose another folder")
    source = find(path)
    manifest = verify(source)
    name = "ema" if "ema.safetensors" in manifest.files else "model"
    dtype: torch.dtype = getattr(torch, precision)
    tensors = load_tensors(source, name)
    state = {key: value.to(dtype) if value.is_floating_point() else value for key, value in tensors.items()}
    for key, value in state.items():
        if not value.isfinite().all():
            raise CheckpointError(f"{key} of {source} is not finite in {precision}", "convert it to float32")
    recipe = learned(config.model_validate(manifest.config))
    stretches = [replace(each, execution={}) for each in manifest.stretches]
    trimmed = replace(manifest, config=recipe, execution={}, cursor={}, stretches=stretches)
    return save(out, trimmed, {"model": state})
