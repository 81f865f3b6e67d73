"""Predicted lDDT of proteins: ESMFold's (Lin et al. 2023) through transformers, or that of predictions on disk."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monosome.atomic import write_text
from monosome.errors import CheckpointError, DataError
from monosome.hardware.detect import detect
from monosome.places import cache_folder
from monosome.protein.pretrained import quiet
from monosome.protein.tokens import parse_protein

ESMFOLD = "facebook/esmfold_v1"
"""3.5 billion parameters, 8.4 GB to fetch from the Hub."""
CHUNK = 64
"""Rows of the pair representation that attention sees at once: memory grows with n² and no longer n³."""
BATCH_RESIDUES = 1024
"""Residues folded at once, padding included; a longer protein is folded alone."""
ALPHA_CARBON = 1
"""Place of CA among the 37 kinds of atom."""
SUFFIXES = (".pdb", ".ent", ".cif")


def predict_plddt(sequence: str, model: str = ESMFOLD) -> float:
    """Mean predicted lDDT over the residues' alpha carbons, 0 to 100; what was predicted before is not again.

    `model` is a folder or Hub name. Raises CheckpointError where it cannot be loaded, DataError for letters that are no
    amino acid.
    """
    return predict_plddts([sequence], model)[0]


def predict_plddts(sequences: Sequence[str], model: str = ESMFOLD) -> list[float]:
    """The mean predicted lDDT of each protein, those of like length folded together."""
    asked = [parse_protein(each, f"protein {place}", other_letters=True) for place, each in enumerate(sequences, 1)]
    files = {each: _file(each, model) for each in asked}
    waiting = sorted((each for each, file in files.items() if not file.is_file()), key=lambda each: (len(each), each))
    for batch in _batches(waiting):
        for sequence, value in zip(batch, _folded(_load(model), batch), strict=True):
            write_text(files[sequence], json.dumps({"model": model, "plddt": value, "sequence": sequence}) + "\n")
    return [float(json.loads(files[each].read_text())["plddt"]) for each in asked]


def _file(sequence: str, model: str) -> Path:
    digest = hashlib.sha256(f"{_identity(model)} {sequence}".encode()).hexdigest()
    return cache_folder() / "plddt" / digest[:2] / f"{digest}.json"


@cache
def _identity(model: str) -> str:
    """A Hub name, or what a local folder's files are: their names, sizes and times."""
    folder = Path(model)
    if not folder.is_dir():
        return model
    files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(folder.iterdir())]
    return json.dumps([str(folder.resolve()), files])


def _batches(sequences: Sequence[str]) -> Iterator[list[str]]:
    """Sequences of rising length, cut so that a padded batch has at most `BATCH_RESIDUES` residues."""
    batch: list[str] = []
    for sequence in sequences:
        if batch and (len(batch) + 1) * len(sequence) > BATCH_RESIDUES:
            yield batch
            batch = []
        batch.append(sequence)
    if batch:
        yield batch


@cache
def _load(place: str) -> Any:
    """ESMFold on the best device present; on a card its language model is in half precision."""
    from transformers import EsmForProteinFolding

    device = detect("auto").torch_device
    try:
        with quiet():
            model = EsmForProteinFolding.from_pretrained(place)
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(f"ESMFold cannot be loaded from {place}: {reason}", "give its folder") from error
    if device.type != "cpu":
        model.esm = model.esm.half()
    model.trunk.set_chunk_size(CHUNK)
    return model.to(device).eval()


@torch.no_grad()
def _folded(model: Any, sequences: Sequence[str]) -> list[float]:
    """ESMFold gives shares of 1 for every kind of atom of every residue."""
    found = model.infer(list(sequences))["plddt"][:, :, ALPHA_CARBON].float().cpu().numpy()
    return [float(100 * row[: len(sequence)].mean()) for row, sequence in zip(found, sequences, strict=True)]


def read_plddt(path: Path) -> float:
    """Mean predicted lDDT over alpha carbons in the B-factors of a predicted structure (PDB, mmCIF), 0 to 100.

    Programs write shares of 1 or percent: values that are all at most 1 are shares. Raises DataError where there is no
    alpha carbon, or a value is above 100 or below 0 and so no pLDDT.
    """
    import gemmi

    if not path.is_file():
        raise DataError(f"{path} is not there", "give a predicted structure as PDB or mmCIF")
    try:
        structure = gemmi.read_structure(str(path))
    except (RuntimeError, ValueError) as error:
        raise DataError(f"{path} is no structure: {error}", "give a predicted structure as PDB or mmCIF") from error
    atoms = [residue.find_atom("CA", "*", gemmi.Element("C")) for chain in structure[0] for residue in chain]
    values = np.array([atom.b_iso for atom in atoms if atom is not None])
    if not len(values):
        raise DataError(f"{path} has no alpha carbon", "is it a protein?")
    if values.min() < 0 or values.max() > 100:
        raise DataError(f"{path} has B-factors of {values.min():g} to {values.max():g}", "is it a prediction?")
    return float(values.mean() * (100 if values.max() <= 1 else 1))


def read_plddts(folder: Path) -> dict[str, float]:
    """The mean predicted lDDT of every structure in a folder, by the file's name without its suffix."""
    files = [file for file in sorted(folder.iterdir()) if file.suffix in SUFFIXES]
    if not files:
        raise DataError(f"there is no structure in {folder}", f"it must hold files named {', '.join(SUFFIXES)}")
    return {file.stem: read_plddt(file) for file in files}
