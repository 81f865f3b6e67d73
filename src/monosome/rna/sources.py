"""Where RNA chains are read from: structure files, Kaggle's tables, FASTA, and lists of PDB ids."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from monosome.errors import DataError
from monosome.rna import kaggle, prepared, rcsb
from monosome.rna.chain import Chain
from monosome.rna.files import SUFFIXES, is_structure, read_models
from monosome.rna.nucleotides import parse_sequence
from monosome.rna.prepared import Entry
from monosome.rna.tables import has_columns, read_table
from monosome.sequences.fasta import read_fasta

MIN_USABLE = 2
"""Fewer residues with C1' have no shape."""

Facts = tuple[str, float | None]
"""Date and resolution."""
Watch = Callable[[int, int], None]
"""What is told how many are done, and of how many."""


@dataclass(frozen=True)
class Source:
    """Files that are read together: one structure, Kaggle's two tables, or a FASTA file.

    `facts` are those of a manifest, by chain; `chains` the ones wanted, or none for all.
    """

    name: str
    files: tuple[Path, ...]
    facts: Mapping[str, Facts] = field(default_factory=dict)
    chains: tuple[str, ...] = ()

    @property
    def has_coordinates(self) -> bool:
        """Whether chains without coordinates are an error here."""
        return is_structure(self.files[0]) or len(self.files) > 1

    def sha256(self) -> str:
        """Hexadecimal digest of the files and of what is wanted of them."""
        digest = hashlib.sha256(" ".join(self.chains).encode())
        for file in self.files:
            digest.update(file.read_bytes())
        return digest.hexdigest()


def sources(path: Path) -> list[Source]:
    """What there is to read in a folder or file, in the order of names; a list of PDB ids is for `listed_sources`.

    Structure files may lie in folders below; date and resolution are those of manifest.csv where it lies beside them.
    Raises DataError when there is nothing.
    """
    if tables := kaggle.find_tables(path):
        return [Source(first.name, (first, *((second,) if second else ()))) for first, second in tables]
    if path.is_file() and not is_structure(path):
        return [Source(path.name, (path,))]
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if is_structure(file))
    if not files:
        hint = f"give a folder of structures ({', '.join(SUFFIXES)}, also .gz) or of Kaggle's CSVs, or a FASTA file"
        raise DataError(f"{path}: no structure files and no Kaggle tables are there", hint)
    facts = _facts(path / prepared.MANIFEST)
    return [Source(file.relative_to(path).as_posix() if path.is_dir() else file.name, (file,), facts) for file in files]


def is_list(path: Path) -> bool:
    """Whether `path` is a text file of PDB ids: no structure, and no FASTA."""
    if not path.is_file() or is_structure(path) or path.suffix in (".gz", ".csv"):
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        first = next((line for line in lines if line.strip()), "")
    return bool(first) and not first.startswith((">", ";"))


def listed_sources(path: Path, folder: Path, watch: Watch, address: str) -> tuple[list[Source], list[str]]:
    """The entries that a list of PDB ids names, downloaded to `folder`, and notes on those that are not to be had."""
    names = rcsb.read_names(path)
    files, notes = rcsb.download_all(names, folder, watch, address)
    return [Source(file.name, (file,), chains=names[name]) for name, file in files.items()], notes


def read_source(source: Source) -> tuple[list[Entry], list[str]]:
    """The usable chains of one source, without clusters, and notes on what was left out and why."""
    try:
        found = list(_read(source))
    except DataError as error:
        return [], [error.message if str(source.files[0]) in error.message else f"{source.name}: {error.message}"]
    entries = [each for each in found if isinstance(each, Entry)]
    notes = [each for each in found if isinstance(each, str)]
    absent = [name for name in source.chains if not any(e.chain.id.endswith(f"_{name}") for e in entries)]
    notes += [f"{source.name}: there is no RNA chain {name}" for name in absent]
    return entries, notes


def _read(source: Source) -> Iterator[Entry | str]:
    if is_structure(source.files[0]):
        read = _structure(source)
    elif source.files[0].name.endswith(kaggle.SEQUENCES):
        read = _kaggle(source)
    else:
        read = _fasta(source)
    for each in read:
        if isinstance(each, Entry) and source.has_coordinates and each.num_resolved < MIN_USABLE:
            yield f"{each.chain.id}: {each.num_resolved} usable residues"
        else:
            yield each


def _structure(source: Source) -> Iterator[Entry | str]:
    reading, *others = read_models(source.files[0])
    yield from (f"{source.name}: {note}" for note in reading.notes)
    stem = source.files[0].name.removesuffix(".gz").rpartition(".")[0]
    for chain in reading.chains:
        if source.chains and chain.id not in source.chains:
            continue
        name = stem if len(reading.chains) == 1 and not source.chains else f"{stem}_{chain.id}"
        date, resolution = source.facts.get(name, (reading.date, reading.resolution))
        models = [each.atoms for other in others for each in other.chains if _is_model(each, chain)]
        yield Entry(
            replace(chain, id=name),
            date=date,
            resolution=resolution,
            source=source.name,
            models=np.stack(models) if models else None,
        )


def _is_model(other: Chain, chain: Chain) -> bool:
    """Whether a chain of another model is this one elsewhere."""
    same = np.array_equal(other.residue_numbers, chain.residue_numbers)
    return (other.id, other.sequence) == (chain.id, chain.sequence) and same


def _kaggle(source: Source) -> Iterator[Entry | str]:
    for found in kaggle.read_labelled(source.files[0], source.files[1] if len(source.files) > 1 else None):
        yield found if isinstance(found, str) else Entry(found[0], date=found[1], source=source.name)


def _fasta(source: Source) -> Iterator[Entry | str]:
    for record in read_fasta(source.files[0]):
        try:
            sequence, notes = parse_sequence(record.sequence)
        except DataError as error:
            yield f"{record.id}: {error.message}"
            continue
        yield from (f"{record.id}: {note}" for note in notes)
        yield Entry(kaggle.unresolved(record.id, sequence), source=source.name)


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
