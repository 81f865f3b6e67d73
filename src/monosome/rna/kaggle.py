"""The files of Kaggle's "Stanford RNA 3D Folding", part 1 and 2: sequences, and C1' coordinates as labels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from monosome.errors import DataError
from monosome.rna.chain import Chain, empty_atoms, find_segments
from monosome.rna.nucleotides import ATOM_INDEX, parse_sequence
from monosome.rna.tables import read_table

SEQUENCES, LABELS = "_sequences.csv", "_labels.csv"
"""How the names of the two tables end, after train, validation or test."""
MISSING = -1e6
"""Coordinates below stand for none."""


@dataclass(frozen=True)
class Label:
    """A residue's number, strand (chain and copy in part 2) and C1' in Å, of the first reference structure."""

    number: int
    strand: tuple[str, str]
    place: tuple[float, float, float]


def find_tables(place: Path) -> list[tuple[Path, Path | None]]:
    """The tables of sequences in a folder, or the one named, each with its labels where they lie beside it."""
    found = []
    for sequences in [place] if place.name.endswith(SEQUENCES) else sorted(place.glob(f"*{SEQUENCES}")):
        labels = sequences.with_name(sequences.name.removesuffix(SEQUENCES) + LABELS)
        found.append((sequences, labels if labels.is_file() else None))
    return found


def read_labelled(sequences: Path, labels: Path | None) -> Iterator[tuple[Chain, str] | str]:
    """Each chain with its temporal cutoff, C1' only; or a note on why one was left out.

    The number of a residue is its `resid`; strands end where chain or copy change (part 2). Without labels, as in a
    test set, every sequence is a chain without coordinates. Raises DataError for tables that cannot be read.
    """
    known = _labels(labels) if labels else None
    num_unlabelled = 0
    for row in read_table(sequences, ("target_id", "sequence", "temporal_cutoff")):
        name = row["target_id"]
        if known is not None and name not in known:
            num_unlabelled += 1
            continue
        try:
            sequence, _ = parse_sequence(row["sequence"])
            chain = unresolved(name, sequence) if known is None else _chain(name, sequence, known[name])
            yield chain, row["temporal_cutoff"]
        except DataError as error:
            yield f"{name}: {error.message}"
    if num_unlabelled:
        yield f"{num_unlabelled} sequences without labels"


def unresolved(name: str, sequence: str) -> Chain:
    """A chain of one strand, numbered from 1, whose coordinates are not known."""
    atoms = empty_atoms(len(sequence))
    return Chain(name, sequence, atoms, np.arange(1, len(sequence) + 1), np.zeros(len(sequence), dtype=np.int64))


def _labels(path: Path) -> dict[str, list[Label]]:
    labels: dict[str, list[Label]] = {}
    for line, row in enumerate(read_table(path, ("ID", "resid", "x_1", "y_1", "z_1")), start=2):
        try:
            x, y, z = (float(row[axis] or "nan") for axis in ("x_1", "y_1", "z_1"))
            label = Label(int(row["resid"]), (row.get("chain", ""), row.get("copy", "")), (x, y, z))
        except ValueError as error:
            raise DataError(f"{path}, line {line}: {error}") from error
        labels.setdefault(row["ID"].rpartition("_")[0], []).append(label)
    return labels


def _chain(name: str, sequence: str, labels: Sequence[Label]) -> Chain:
    if len(labels) != len(sequence):
        raise DataError(f"{len(labels)} labels for {len(sequence)} nucleotides")
    places = np.array([label.place for label in labels], dtype=np.float64)
    places[~(places > MISSING).all(axis=1)] = np.nan
    atoms = empty_atoms(len(sequence))
    atoms[:, ATOM_INDEX["C1'"]] = places
    strands = [label.strand for label in labels]
    ends = np.array([False, *(one != other for one, other in pairwise(strands))])
    breaks = ends | (np.diff(find_segments(atoms), prepend=0) != 0)
    numbers = np.array([label.number for label in labels], dtype=np.int64)
    return Chain(name, sequence, atoms, residue_numbers=numbers, segments=np.cumsum(breaks, dtype=np.int64))
