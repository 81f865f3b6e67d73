"""Collections of secondary structures without coordinates: what the pair head learns from besides chains in 3D."""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monosome.errors import DataError
from monosome.rna.chain import Chain, empty_atoms
from monosome.rna.pairing import pairs_of
from monosome.rna.secondary import read_bytes

SUFFIXES = (".dbn", ".db", ".dot", ".csv")
"""Ends of names of files that are read, each with or without .gz."""


@dataclass(frozen=True)
class KnownPairs:
    """A sequence of A, C, G and U, and its pairs in dot-bracket form."""

    id: str
    sequence: str
    structure: str

    def chain(self) -> Chain:
        """The chain, of whose atoms nothing is known."""
        length = len(self.sequence)
        numbers = np.arange(1, length + 1)
        return Chain(self.id, self.sequence, empty_atoms(length), numbers, np.zeros(length, dtype=np.int64))


def read_known_pairs(path: Path) -> tuple[list[KnownPairs], str]:
    """The structures of a file, or of all files of a folder, each sequence once; and a note on those left out.

    Dot-bracket files have three lines a record: a name after `>`, the sequence, the structure; CSV files the columns
    sequence and structure, and perhaps id. T is read as U, and residues that were not seen (`-`) are taken out.
    Records with other letters, with a residue not seen that pairs, without a pair, or whose brackets do not match are
    left out. Raises DataError when none is left.
    """
    files = sorted(file for file in path.iterdir() if _is_read(file)) if path.is_dir() else [path]
    found: dict[str, KnownPairs] = {}
    num_records = 0
    for file in files:
        stem = file.name.partition(".")[0]
        for name, letters, structure in _records(file):
            num_records += 1
            sequence, structure = _seen(letters.upper().replace("T", "U"), structure)
            if sequence not in found and _is_usable(sequence, structure):
                digest = hashlib.sha256(sequence.encode()).hexdigest()[:8]  # names repeat, also between files
                found[sequence] = KnownPairs(f"{stem}:{name}:{digest}", sequence, structure)
    if not found:
        raise DataError(f"{path} has no usable secondary structure", "give dot-bracket files (.dbn) or CSV tables")
    left_out = num_records - len(found)
    note = f"{left_out} of {num_records} secondary structures left out: repeated, unpaired, or not readable"
    return list(found.values()), note if left_out else ""


def _is_read(file: Path) -> bool:
    return Path(file.name.lower().removesuffix(".gz")).suffix in SUFFIXES


def _records(file: Path) -> Iterator[tuple[str, str, str]]:
    """Name, sequence and structure of each record."""
    lines = [line.strip() for line in read_bytes(file).decode("utf-8-sig", errors="replace").splitlines()]
    if Path(file.name.lower().removesuffix(".gz")).suffix == ".csv":
        for number, row in enumerate(csv.DictReader(lines), start=1):
            if "sequence" in row and "structure" in row:
                yield row.get("id") or str(number), row["sequence"] or "", row["structure"] or ""
        return
    for place, line in enumerate(lines[:-2]):
        if line.startswith(">"):
            yield line[1:].strip(), lines[place + 1], lines[place + 2].split()[0] if lines[place + 2] else ""


def _seen(sequence: str, structure: str) -> tuple[str, str]:
    """Both without the residues that were not seen; nothing where these pair."""
    if "-" not in sequence or len(sequence) != len(structure):
        return sequence, structure
    both = list(zip(sequence, structure, strict=True))
    if any(letter == "-" and mark != "." for letter, mark in both):
        return "", ""
    kept = [(letter, mark) for letter, mark in both if letter != "-"]
    return "".join(letter for letter, _ in kept), "".join(mark for _, mark in kept)


def _is_usable(sequence: str, structure: str) -> bool:
    if len(sequence) != len(structure) or set(sequence) - set("ACGU") or set(structure) <= {"."}:
        return False
    try:
        return bool(pairs_of(structure))
    except DataError:
        return False
