"""The tables of Kaggle's "Stanford RNA 3D Folding", part 1 and 2: targets, and structures of C1' by residue."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count, pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from monosome.errors import DataError
from monosome.rna.chain import Chain, empty_atoms, find_segments
from monosome.rna.nucleotides import ATOM_INDEX, BASES, parse_sequence
from monosome.rna.tables import Row, has_columns, read_table

SEQUENCES, LABELS = "_sequences.csv", "_labels.csv"
"""How the names of the two tables end, after train, validation or test."""
MISSING = -1e6
"""Coordinates below stand for none."""
Part = Literal[1, 2]
"""Part 2 tells the strands of a target; part 1 has one."""


class Site(NamedTuple):
    """A residue as a row names it; `chain` and `copy` are part 2's."""

    id: str
    resname: str
    resid: str
    chain: str
    copy: str


@dataclass(frozen=True)
class Strand:
    """One strand of a target: its chain, which copy of it this is (from 1), its letters as the table has them."""

    chain: str
    copy: int
    letters: str


@dataclass(frozen=True)
class Target:
    """What a submission has rows for: strands in the order of the table's sequence, residues numbered through.

    `cutoff` is the day that the structure became known on, empty where the table has none.
    """

    id: str
    strands: tuple[Strand, ...]
    cutoff: str = ""

    @property
    def letters(self) -> str:
        """The letters of all strands, as rows repeat them."""
        return "".join(strand.letters for strand in self.strands)

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """The rows that a submission has for it."""
        number = count(1)
        return tuple(
            Site(f"{self.id}_{resid}", letter, str(resid), strand.chain, str(strand.copy))
            for strand in self.strands
            for letter, resid in zip(strand.letters, number, strict=False)
        )


def foldable(letters: str) -> str:
    """The letters as bases, one for each: T is read as U, and what is no base as A, since a row is due for it too."""
    return "".join(letter if letter in BASES else "U" if letter == "T" else "A" for letter in letters)


def part_of(table: Path) -> Part:
    """Which part of the competition a table is of: part 2 has stoichiometries, and copies of chains in its labels."""
    return 2 if has_columns(table, ("stoichiometry",)) or has_columns(table, ("chain", "copy")) else 1


def read_targets(sequences: Path) -> list[Target]:
    """The targets of a table of sequences.

    Strands come from `stoichiometry` and `all_sequences` where these make up `sequence`; else it is one strand. Raises
    DataError for a table that cannot be read or is empty, a target without letters, and one that comes twice.
    """
    found: dict[str, Target] = {}
    for line, row in enumerate(read_table(sequences, ("target_id", "sequence")), start=1):
        name, letters = row["target_id"], "".join(row["sequence"].split()).upper()
        if not name or not letters:
            raise DataError(f"{sequences}, target {line}: its {'sequence' if name else 'target_id'} is empty")
        if name in found:
            raise DataError(f"{sequences}, target {line}: {name} comes twice", "give each target its own name")
        found[name] = Target(name, _strands(row, letters), row.get("temporal_cutoff") or "")
    if not found:
        raise DataError(f"{sequences} has no targets", "give Kaggle's test_sequences.csv")
    return list(found.values())


def _strands(row: Row, letters: str) -> tuple[Strand, ...]:
    told = re.findall(r"([^;:{}\s]+):(\d+)", row.get("stoichiometry") or "")
    chains = _chain_lengths(row.get("all_sequences") or "")
    if len(told) == 1 and told[0][0] not in chains:
        chains = {told[0][0]: len(letters) // max(1, int(told[0][1]))}
    names = [(chain, copy) for chain, number in told for copy in range(1, int(number) + 1)]
    ends = np.cumsum([0, *(chains.get(chain, 0) for chain, _ in names)]).tolist()
    if not names or ends[-1] != len(letters):
        return (Strand(told[0][0] if told else "A", 1, letters),)
    return tuple(
        Strand(*name, letters[start:end])
        for name, (start, end) in zip(names, pairwise(ends), strict=True)
        if end > start
    )


def _chain_lengths(fasta: str) -> dict[str, int]:
    """Lengths by the author's name of each chain, from headers like `>1ABC_1|Chains A[auth X], B|RNA|…`."""
    lengths = {}
    for record in re.split(r"^>", fasta, flags=re.MULTILINE)[1:]:
        header, _, letters = record.partition("\n")
        for name in re.sub(r"^Chains? ", "", header.partition("|")[2].partition("|")[0]).split(","):
            author = re.search(r"\[auth (.+?)\]", name)
            lengths[author[1] if author else name.strip()] = len("".join(letters.split()))
    return lengths


@dataclass(frozen=True, eq=False)
class Structures:
    """All structures of one target in a table: C1' in Å, NaN where missing; `strands` are chain and copy."""

    ids: tuple[str, ...]
    letters: str
    numbers: Int64[np.ndarray, "n"]
    strands: tuple[tuple[str, str], ...]
    places: Float64[np.ndarray, "s n 3"]


def read_structures(path: Path) -> dict[str, Structures]:
    """The structures of each target of a table of labels, or of a submission.

    Raises DataError for a table that cannot be read, naming the line of a number that is none.
    """
    rows: dict[str, list[tuple[Row, list[float]]]] = {}
    axes: list[str] = []
    for line, row in enumerate(read_table(path, ("ID", "resid", "x_1", "y_1", "z_1")), start=2):
        axes = axes or [f"{axis}_{k}" for k in range(1, len(row)) if f"x_{k}" in row for axis in "xyz"]
        try:
            places = [float(row.get(axis) or "nan") for axis in axes]
            int(row["resid"])
        except ValueError as error:
            raise DataError(f"{path}, line {line}: {error}") from error
        rows.setdefault(row["ID"].rpartition("_")[0], []).append((row, places))
    return {name: _structures(found) for name, found in rows.items()}


def _structures(rows: Sequence[tuple[Row, list[float]]]) -> Structures:
    places = np.array([values for _, values in rows], dtype=np.float64).reshape(len(rows), -1, 3).swapaxes(0, 1)
    return Structures(
        ids=tuple(row["ID"] for row, _ in rows),
        letters="".join((row.get("resname") or "N")[0] for row, _ in rows),
        numbers=np.array([int(row["resid"]) for row, _ in rows], dtype=np.int64),
        strands=tuple((row.get("chain") or "", row.get("copy") or "") for row, _ in rows),
        places=np.where((places > MISSING).all(axis=-1, keepdims=True), places, np.nan),
    )


def find_tables(place: Path) -> list[tuple[Path, Path | None]]:
    """The tables of sequences in a folder, or the one named, each with its labels where they lie beside it."""
    found = []
    for sequences in [place] if place.name.endswith(SEQUENCES) else sorted(place.glob(f"*{SEQUENCES}")):
        labels = sequences.with_name(sequences.name.removesuffix(SEQUENCES) + LABELS)
        found.append((sequences, labels if labels.is_file() else None))
    return found


def read_labelled(sequences: Path, labels: Path | None) -> Iterator[tuple[Chain, str] | str]:
    """Each chain with its temporal cutoff, C1' of the first structure only; or a note on why one was left out.

    The number of a residue is its `resid`; strands end where chain or copy change (part 2). Without labels, as in a
    test set, every sequence is a chain without coordinates. Raises DataError for tables that cannot be read.
    """
    known = read_structures(labels) if labels else None
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


def _chain(name: str, sequence: str, labels: Structures) -> Chain:
    if len(labels.ids) != len(sequence):
        raise DataError(f"{len(labels.ids)} labels for {len(sequence)} nucleotides")
    atoms = empty_atoms(len(sequence))
    atoms[:, ATOM_INDEX["C1'"]] = labels.places[0]
    ends = np.array([False, *(one != other for one, other in pairwise(labels.strands))])
    breaks = ends | (np.diff(find_segments(atoms), prepend=0) != 0)
    return Chain(name, sequence, atoms, labels.numbers, segments=np.cumsum(breaks, dtype=np.int64))
