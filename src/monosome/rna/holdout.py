"""What training must not see: sequences that are held out, and the chains that are their relatives."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monosome.errors import DataError
from monosome.rna import kaggle, prepared
from monosome.rna.files import is_structure
from monosome.rna.sources import read_source, sources
from monosome.sequences.fasta import Record, read_fasta
from monosome.sequences.leakage import Leak, find_leaks
from monosome.sequences.relatives import RNA


@dataclass(frozen=True)
class Overlaps:
    """The pairs of a chain and a held-out sequence that are relatives, the highest identity first."""

    leaks: tuple[Leak, ...]
    num_chains: int
    num_held_out: int

    @property
    def notes(self) -> dict[str, str]:
        """By the name of each chain that has a relative, a sentence that names the nearest."""
        notes: dict[str, str] = {}
        for leak in self.leaks:
            said = f"{leak.train}: a relative of {leak.valid} ({leak.identity:.0%} identity), held out"
            notes.setdefault(leak.train, said)
        return notes

    def report(self) -> dict[str, Any]:
        """Counts, the names of the chains that have relatives, and every pair, ready for JSON."""
        return {
            "num_chains": self.num_chains,
            "num_held_out": self.num_held_out,
            "num_related": len(self.notes),
            "related": sorted(self.notes),
            "overlaps": [asdict(leak) for leak in self.leaks],
        }


def find_overlaps(sequences: Mapping[str, str], held_out: Sequence[Record]) -> Overlaps:
    """The relatives of the held-out sequences among chains, given by name: those of `leakage.find_leaks`."""
    chains = [Record(name, "", sequence) for name, sequence in sequences.items()]
    leaks = find_leaks(chains, held_out, RNA) if held_out else []
    return Overlaps(tuple(leaks), len(chains), len(held_out))


def read_held_out(path: Path) -> list[Record]:
    """The sequences of a FASTA file, of a structure, or of a folder of structures, of Kaggle's tables, or prepared.

    Raises DataError when there are none.
    """
    if not (path.is_dir() or is_structure(path) or path.name.endswith(kaggle.SEQUENCES)):
        return read_fasta(path)
    if prepared.is_prepared(path):
        entries = prepared.read_prepared(path)
    else:
        entries = [entry for source in sources(path) for entry in read_source(source)[0]]
    if not entries:
        raise DataError(f"{path}: no usable RNA chain to hold out", "give a FASTA file or a folder of structures")
    return [Record(entry.chain.id, "", entry.chain.sequence) for entry in entries]
