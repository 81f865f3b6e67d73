"""The files of Kaggle's "Stanford RNA 3D Folding": sequences, and C1' coordinates as labels."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from monosome.errors import DataError
from monosome.rna.chain import Chain, empty_atoms, find_segments
from monosome.rna.nucleotides import ATOM_INDEX, parse_sequence
from monosome.rna.tables import read_table

SEQUENCES, LABELS = "train_sequences.csv", "train_labels.csv"
MISSING = -1e6
"""Coordinates below stand for none."""

Label = tuple[int, float, float, float]
"""Residue number and C1' in Å, of the first reference structure where there are several."""


def read_labelled(folder: Path) -> Iterator[tuple[Chain, str] | str]:
    """Each labelled chain with its temporal cutoff, C1' only; or a note on why one was left out.

    The number of a residue is its `resid`. Raises DataError for tables that cannot be read.
    """
    labels = _labels(folder / LABELS)
    num_unlabelled = 0
    for row in read_table(folder / SEQUENCES, ("target_id", "sequence", "temporal_cutoff")):
        rows = labels.get(row["target_id"])
        if rows is None:
            num_unlabelled += 1
            continue
        try:
            yield _chain(row["target_id"], row["sequence"], rows), row["temporal_cutoff"]
        except DataError as error:
            yield f"{row['target_id']}: {error.message}"
    if num_unlabelled:
        yield f"{num_unlabelled} sequences without labels"


def _labels(path: Path) -> dict[str, list[Label]]:
    labels: dict[str, list[Label]] = {}
    for line, row in enumerate(read_table(path, ("ID", "resid", "x_1", "y_1", "z_1")), start=2):
        try:
            x, y, z = (float(row[axis] or "nan") for axis in ("x_1", "y_1", "z_1"))
            label = int(row["resid"]), x, y, z
        except ValueError as error:
            raise DataError(f"{path}, line {line}: {error}") from error
        labels.setdefault(row["ID"].rpartition("_")[0], []).append(label)
    return labels


def _chain(name: str, text: str, labels: Sequence[Label]) -> Chain:
    sequence, _ = parse_sequence(text)
    if len(labels) != len(sequence):
        raise DataError(f"{len(labels)} labels for {len(sequence)} nucleotides")
    places = np.array([label[1:] for label in labels], dtype=np.float64)
    places[~(places > MISSING).all(axis=1)] = np.nan
    atoms = empty_atoms(len(sequence))
    atoms[:, ATOM_INDEX["C1'"]] = places
    numbers = np.array([label[0] for label in labels], dtype=np.int64)
    return Chain(name, sequence, atoms, residue_numbers=numbers, segments=find_segments(atoms))
