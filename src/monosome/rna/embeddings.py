"""Embeddings that an RNA language model made of a sequence beforehand, one row a residue."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from monosome.errors import DataError
from monosome.rna.npz_features import Entry, find_entries

MODELS = {640: "RNA-FM", 1280: "RiNALMo", 256: "RibonanzaNet"}
"""Channels and whose they are (Chen et al. 2022; Penić et al. 2025; He et al. 2024); others are read as well."""
MAX_CHANNELS = 8192
"""More are taken for a mistake, or for a file made to fill the memory; the widest of these models has 1,280."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """Vectors of the residues of a sequence; `notes` tell what was left out of the file, and whose they look like."""

    values: Float32[np.ndarray, "n c"]
    notes: tuple[str, ...]


def read_embedding(path: Path, sequence: str) -> Embedding:
    """The embedding of a sequence in an NPY file, or in an NPZ file as its one array of fitting shape.

    That is (residues, channels), or with two rows more: the tokens that stand before and after the sequence, which are
    left out. A leading axis of 1, the batch, is passed over. Nothing is unpickled. Raises DataError where no array
    fits or several do, for values that are not finite, and for what is no NPZ or NPY file.
    """
    entries = find_entries(path)
    fitting = [entry for entry in entries if _num_extra(entry, len(sequence)) is not None]
    if len(fitting) != 1:
        shapes = ", ".join(f"{entry.name or 'its array'} {entry.shape} {entry.dtype}" for entry in entries) or "nothing"
        what = "several arrays" if fitting else "no array"
        wanted = f"{len(sequence)} residues × channels"
        raise DataError(f"{path} has {what} of {wanted}, but {shapes}", "give the embedding of this sequence, alone")
    values = fitting[0].read()
    values = values.reshape(values.shape[-2:])
    notes = []
    if _num_extra(fitting[0], len(sequence)):
        values = values[1:-1]
        notes.append("the first and last row, of the tokens around the sequence, were left out")
    with np.errstate(over="ignore"):  # what 32 bits do not hold is said below
        values = values.astype(np.float32)
    if not np.isfinite(values).all():
        first = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise DataError(f"{path}: the vector of residue {first + 1} is not finite", "make the embedding anew")
    model = MODELS.get(values.shape[1])
    notes.append(f"{values.shape[1]} channels" + (f", as of {model}" if model else ""))
    return Embedding(values, tuple(notes))


def _num_extra(entry: Entry, length: int) -> int | None:
    """Rows beyond the residues, 0 or 2; None where the array is no embedding of so many residues."""
    shape = entry.shape[1:] if len(entry.shape) == 3 and entry.shape[0] == 1 else entry.shape
    is_embedding = entry.is_number and len(shape) == 2 and 0 < shape[1] <= MAX_CHANNELS
    return shape[0] - length if is_embedding and shape[0] - length in (0, 2) else None
