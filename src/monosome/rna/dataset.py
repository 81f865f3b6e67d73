"""Collections of RNA chains, and which of them belong together."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from monosome.errors import DataError
from monosome.rna import prepared
from monosome.rna.chain import Chain
from monosome.rna.prepared import Entry
from monosome.rna.sources import MIN_USABLE, read_source, sources
from monosome.rna.tables import read_table
from monosome.sequences.clusters import cluster_by_identity
from monosome.sequences.relatives import RNA


@dataclass(frozen=True, eq=False)
class Collection:
    """Chains with what is known of them, and notes on what was left out and why."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...]

    @property
    def chains(self) -> tuple[Chain, ...]:
        """The chains."""
        return tuple(entry.chain for entry in self.entries)

    @property
    def groups(self) -> tuple[str, ...]:
        """The cluster of each chain; a split must not part it."""
        return tuple(entry.cluster for entry in self.entries)

    @property
    def dates(self) -> tuple[str, ...]:
        """The day each chain became known, YYYY-MM-DD, or empty."""
        return tuple(entry.date for entry in self.entries)

    @property
    def resolutions(self) -> tuple[float | None, ...]:
        """The resolution of each chain in Å, where it is known."""
        return tuple(entry.resolution for entry in self.entries)

    @property
    def models(self) -> dict[str, Float32[np.ndarray, "m n 27 3"]]:
        """The further models of the chains that are ensembles, by name, in Å."""
        return {entry.chain.id: entry.models for entry in self.entries if entry.models is not None}

    @cached_property
    def content_hash(self) -> str:
        """Hexadecimal digest of chains and clusters, wherever they lie."""
        digest = hashlib.sha256()
        for entry in self.entries:
            digest.update(f"{entry.chain.id} {entry.chain.sequence} {entry.cluster}\n".encode())
            for values in (np.nan_to_num(entry.chain.atoms), entry.chain.residue_numbers, entry.chain.segments):
                digest.update(values.tobytes())
            if entry.models is not None:
                digest.update(np.nan_to_num(entry.models).tobytes())
        return digest.hexdigest()


def read_collection(path: Path | str) -> Collection:
    """The chains with coordinates of a folder: of structures, of Kaggle's CSVs, or one that `prepare rna` wrote.

    Structure files may lie in folders below; beside them manifest.csv (id, date, resolution) and rna_clusters.csv
    (id, cluster80) are used where they are. Raises DataError when nothing usable is there.
    """
    place = Path(path).expanduser()
    if prepared.is_prepared(place):
        entries = prepared.read_prepared(place)
        known = tuple(entry for entry in entries if entry.num_resolved >= MIN_USABLE)
        notes = [f"{len(entries) - len(known)} chains without coordinates"] if len(known) < len(entries) else []
        if not known:
            raise DataError(f"{place}: no chain has coordinates", "prepare a folder of structures, or Kaggle's labels")
        return Collection(known, tuple(notes))
    found: dict[str, Entry] = {}
    notes = []
    for source in sources(place):
        entries, remarks = read_source(source)
        notes += [*remarks, *take(entries, found)]
    usable = [entry for entry in found.values() if entry.num_resolved >= MIN_USABLE]
    if not usable:
        raise DataError(f"{place}: no usable RNA chain", notes[0] if notes else "")
    clusters, remarks = find_clusters(place, [(entry.chain.id, entry.chain.sequence) for entry in usable])
    grouped = tuple(replace(entry, cluster=name) for entry, name in zip(usable, clusters, strict=True))
    return Collection(grouped, (*notes, *remarks))


def take(entries: Sequence[Entry], found: dict[str, Entry]) -> list[str]:
    """Notes on the entries whose names are in `found` already; the others are added to it."""
    notes = []
    for entry in entries:
        if found.setdefault(entry.chain.id, entry) is not entry:
            notes.append(f"{entry.source}: there is a chain {entry.chain.id} already")
    return notes


def find_clusters(path: Path, chains: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """The cluster of each (id, sequence), and notes: from rna_clusters.csv if it has them all, else at 80 % identity.

    Never by another program that may be installed: which chains are held out must not depend on the machine.
    """
    table = path / "rna_clusters.csv"
    known = {row["id"]: row["cluster80"] for row in read_table(table, ("id", "cluster80"))} if table.is_file() else {}
    absent = [name for name, _ in chains if name not in known]
    if not absent:
        return [known[name] for name, _ in chains], []
    notes = [f"rna_clusters.csv lacks {len(absent)} chains ({absent[0]} …): all were clustered anew"] if known else []
    return [str(number) for number in cluster_by_identity([sequence for _, sequence in chains], RNA)], notes
