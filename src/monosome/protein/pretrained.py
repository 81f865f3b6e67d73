"""Causal language models from a folder or the Hub, through transformers: the teacher, and whatever generates."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from monosome.errors import CheckpointError
from monosome.protein.tokens import HUB_NAME

EXPORT_FOLDER = "model"
"""Folder of a run that holds the trained model as transformers loads it."""


def locate(place: str) -> str:
    """The folder that transformers loads for `place`: itself, or the exported model of a run; a Hub name as it is."""
    folder = Path(place).expanduser()
    if not folder.exists():
        if not HUB_NAME.fullmatch(place):
            raise CheckpointError(
                f"there is no folder {place}", "give a run, a model's folder, or OWNER/NAME of the Hub"
            )
        return place
    for candidate in (folder, folder / EXPORT_FOLDER):
        if (candidate / "config.json").is_file():
            return str(candidate)
    raise CheckpointError(
        f"there is no language model in {folder}", "give a folder with config.json and model.safetensors, or a run"
    )


def load_language_model(place: str) -> nn.Module:
    """A causal language model in fp32 with SDPA attention, in evaluation mode.

    A local folder must hold safetensors. From the Hub transformers prefers them too, and reads a .bin file, where
    there is nothing else, without running code from it. Raises CheckpointError where nothing can be loaded.
    """
    from transformers import AutoModelForCausalLM

    found = locate(place)
    is_local = Path(found).is_dir()
    if is_local and not any(Path(found).glob("*.safetensors")):
        raise CheckpointError(
            f"{found} has a config.json but no weights", "it needs model.safetensors; save_pretrained writes it"
        )
    options = {"use_safetensors": True} if is_local else {}
    try:
        with quiet():
            model = AutoModelForCausalLM.from_pretrained(
                found, attn_implementation="sdpa", dtype=torch.float32, **options
            )
    except (OSError, ValueError, SafetensorError) as error:
        raise _not_loaded(place, is_local, error) from error
    module: nn.Module = model.eval()
    return module


def language_model_shapes(place: str) -> nn.Module:
    """The architecture of a language model by its config.json alone: its weights are shapes on the meta device.

    Raises CheckpointError where transformers knows no such architecture.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    found = locate(place)
    try:
        with quiet(), torch.device("meta"):
            config = AutoConfig.from_pretrained(found)
            model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa", dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise _not_loaded(place, Path(found).is_dir(), error) from error
    module: nn.Module = model.eval()
    return module


def _not_loaded(place: str, is_local: bool, error: Exception) -> CheckpointError:
    reason = str(error).strip().splitlines()[0]
    if is_local:
        return CheckpointError(f"{place} cannot be loaded as a causal language model: {reason}")
    return CheckpointError(
        f"there is no folder {place}, and the Hub gives no model of that name: {reason}",
        "give the folder of a model, or try again where there is a network",
    )


def content_hash(model: nn.Module) -> str:
    """Hexadecimal digest of the weights, wherever they lie."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' own progress bars and notices off the terminal; errors still come as exceptions."""
    from transformers.utils import logging as theirs

    level, bars = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    theirs.set_verbosity(logging.ERROR)
    theirs.disable_progress_bar()
    try:
        yield
    finally:
        theirs.set_verbosity(level)
        if bars:
            theirs.enable_progress_bar()


def vocab_size(model: Any) -> int:
    """Number of entries that the model's head scores."""
    return int(model.get_output_embeddings().weight.shape[0])
