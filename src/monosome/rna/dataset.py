"""Collections of RNA chains: where they are read from, and which belong together."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from monosome.errors import DataError
from monosome.rna import kaggle, prepared
from monosome.rna.chain import Chain
from monosome.rna.files import read_structure
from monosome.rna.prepared import Entry
from monosome.rna.tables import has_columns, read_table
from monosome.sequences.clusters import cluster

SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif")
"""Names of structure files end so, or so and .gz."""
MIN_USABLE = 2
"""Fewer residues with C1' have no shape."""
KMER, MIN_SHARED = 10, 0.2
"""Chains that share a fifth of their 10-mers are relatives: about 85 % identity (.85^10 = .2), or one within the other.

On 799 chains this makes 437 clusters where alignment at 80 % identity makes 475.
"""


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
        return tuple(entry.group for entry in self.entries)

    @property
    def dates(self) -> tuple[str, ...]:
        """The day each chain became known, YYYY-MM-DD, or empty."""
        return tuple(entry.date for entry in self.entries)

    @cached_property
    def content_hash(self) -> str:
        """Hexadecimal digest of chains and groups, wherever they lie."""
        digest = hashlib.sha256()
        for entry in self.entries:
            digest.update(f"{entry.chain.id} {entry.chain.sequence} {entry.group}\n".encode())
            for values in (np.nan_to_num(entry.chain.atoms), entry.chain.residue_numbers, entry.chain.segments):
                digest.update(values.tobytes())
        return digest.hexdigest()


Facts = tuple[str, float | None]
"""Date and resolution."""


@dataclass(frozen=True)
class Source:
    """Files that are read together, one structure file or Kaggle's two tables, and facts by chain from a manifest."""

    name: str
    files: tuple[Path, ...]
    facts: Mapping[str, Facts]

    def sha256(self) -> str:
        """Hexadecimal digest of the files."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(file.read_bytes())
        return digest.hexdigest()


def read_collection(path: Path | str) -> Collection:
    """The chains of a folder: of structure files, of Kaggle's CSVs, or one that `monosome prepare rna` wrote.

    Structure files may lie in folders below; beside them manifest.csv (id, date, resolution) and rna_clusters.csv
    (id, cluster80) are used where they are. Without clusters, chains that share 10-mers are grouped. Raises DataError
    when nothing usable is there.
    """
    place = Path(path).expanduser()
    if prepared.is_prepared(place):
        return Collection(tuple(prepared.read_prepared(place)), ())
    entries: list[Entry] = []
    notes: list[str] = []
    for source in sources(place):
        found, remarks = read_source(source, taken={entry.chain.id for entry in entries})
        entries += found
        notes += remarks
    if not entries:
        raise DataError(f"{place}: no usable RNA chain", notes[0] if notes else "")
    groups, remarks = find_groups(place, [(entry.chain.id, entry.chain.sequence) for entry in entries])
    grouped = tuple(replace(entry, group=group) for entry, group in zip(entries, groups, strict=True))
    return Collection(grouped, (*notes, *remarks))


def sources(path: Path) -> list[Source]:
    """What there is to read at `path`, in the order of names. Raises DataError when there is nothing."""
    if (path / kaggle.LABELS).is_file():
        return [Source(kaggle.LABELS, (path / kaggle.SEQUENCES, path / kaggle.LABELS), {})]
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if _is_structure(file))
    if not files:
        hint = f"give a folder of structures ({', '.join(SUFFIXES)}, also .gz) or of {kaggle.SEQUENCES} and labels"
        raise DataError(f"{path}: no structure files and no Kaggle tables are there", hint)
    facts = _facts(path / prepared.MANIFEST)
    return [Source(file.relative_to(path).as_posix() if path.is_dir() else file.name, (file,), facts) for file in files]


def read_source(source: Source, taken: set[str]) -> tuple[list[Entry], list[str]]:
    """The usable chains of one source, still without groups, and notes; names in `taken` are left out."""
    try:
        found = list(_kaggle(source) if source.name == kaggle.LABELS else _structure(source))
    except DataError as error:
        return [], [error.message if str(source.files[0]) in error.message else f"{source.name}: {error.message}"]
    entries: list[Entry] = []
    notes = [each for each in found if isinstance(each, str)]
    for entry in (each for each in found if isinstance(each, Entry)):
        num_usable = entry.num_resolved
        if num_usable < MIN_USABLE:
            notes.append(f"{entry.chain.id}: {num_usable} usable residues")
        elif entry.chain.id in taken:
            notes.append(f"{source.name}: there is a chain {entry.chain.id} already")
        else:
            taken.add(entry.chain.id)
            entries.append(entry)
    return entries, notes


def find_groups(path: Path, chains: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """The group of each (id, sequence), and notes: from rna_clusters.csv if it has them all, else by shared 10-mers."""
    table = path / "rna_clusters.csv"
    known = {row["id"]: row["cluster80"] for row in read_table(table, ("id", "cluster80"))} if table.is_file() else {}
    absent = [name for name, _ in chains if name not in known]
    if not absent:
        return [known[name] for name, _ in chains], []
    notes = [f"rna_clusters.csv lacks {len(absent)} chains ({absent[0]} …): all were grouped anew"] if known else []
    return [str(number) for number in cluster([sequence for _, sequence in chains], KMER, MIN_SHARED)], notes


def _is_structure(path: Path) -> bool:
    return path.is_file() and path.name.removesuffix(".gz").lower().endswith(SUFFIXES) and path.name[0] != "."


def _facts(manifest: Path) -> dict[str, Facts]:
    columns = ("id", "date", "resolution")
    if not has_columns(manifest, columns):
        return {}
    return {row["id"]: (row["date"], _number(row["resolution"])) for row in read_table(manifest, columns)}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _kaggle(source: Source) -> Iterator[Entry | str]:
    for found in kaggle.read_labelled(source.files[0].parent):
        yield found if isinstance(found, str) else Entry(found[0], date=found[1], source=source.name)


def _structure(source: Source) -> Iterator[Entry | str]:
    reading = read_structure(source.files[0])
    yield from (f"{source.name}: {note}" for note in reading.notes)
    stem = source.files[0].name.removesuffix(".gz").rpartition(".")[0]
    for chain in reading.chains:
        name = stem if len(reading.chains) == 1 else f"{stem}_{chain.id}"
        date, resolution = source.facts.get(name, (reading.date, reading.resolution))
        yield Entry(replace(chain, id=name), date=date, resolution=resolution, source=source.name)
