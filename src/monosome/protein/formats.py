"""Proteins in the forms they come in: FASTA, tables, ProtGPT2's text, blocks of its tokens, data sets of the Hub.

All are read one protein at a time. Tables are CSV, TSV or parquet: one protein a row, or rows that together are text
in ProtGPT2's format or blocks of its tokens (UniRef50 as ProtGPT2 was trained on it), where a protein may begin in one
row and end in the next.
"""

import csv
import gzip
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

from monosome.errors import DataError
from monosome.protein.natural import NATURAL
from monosome.protein.tokens import END, HUB_NAME, ProteinTokenizer, load_tokenizer
from monosome.sequences.fasta import Record, iter_fasta, open_text

HUB = "hf://"
SUFFIXES = ("fasta", "fa", "faa", "csv", "tsv", "txt", "parquet")
VALID_SPLITS = ("valid", "validation", "test")
"""Names of the held-out split among data sets of the Hub, the best first."""
SEQUENCE, TOKENS, TEXT = "sequence", "input_ids", "text"
NAMES = ("id", "entry", "accession", "name")
"""Columns that name a protein; UniProt's own tables call it Entry."""
ROWS = 1024
"""Rows of a parquet file, and proteins to decode, that are held at once."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Reading:
    """What must be known to read a table: the column of sequences, and the tokenizer of blocks of tokens."""

    column: str = ""
    tokenizer: str = ""


@dataclass(frozen=True)
class LocalFiles:
    """One file, or a folder with a file for each split."""

    path: Path

    @property
    def has_splits(self) -> bool:
        """Whether training and held-out proteins are apart."""
        return self.path.is_dir()

    def records(self, split: str, reading: Reading) -> Iterator[Record]:
        """The proteins of the split, in its file's order."""
        return read_file(self._file(split), reading, unique=split != "train" or not self.has_splits)

    def content_hash(self, split: str) -> str:
        """Hexadecimal digest of the file that the split is made of, the same for plain and gzipped text."""
        return _digest(self._file(split))

    def name(self, split: str) -> str:
        """What to call the split in a message."""
        return str(self._file(split))

    def _file(self, split: str) -> Path:
        if not self.path.is_dir():
            return self.path
        for name in (f"{split}.{suffix}{packed}" for suffix in SUFFIXES for packed in ("", ".gz")):
            if (self.path / name).is_file():
                return self.path / name
        raise DataError(
            f"there is no {split}.fasta or {split}.fasta.gz in {self.path}, nor another file of proteins of that name",
            "give a folder with both train and valid, or one file, which is split by clusters",
        )

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class HubDataset:
    """A data set of the Hub, or a folder laid out as one, read as a stream."""

    title: str

    @property
    def has_splits(self) -> bool:
        """Whether training and held-out proteins are apart."""
        return self._valid_split is not None

    def records(self, split: str, reading: Reading) -> Iterator[Record]:
        """The proteins of the split, in its order; where none is held out, those of "train"."""
        rows = self._splits[self._valid_split if split == "valid" and self._valid_split else "train"]
        return _from_rows(iter(rows), reading, self.name(split))

    def content_hash(self, split: str) -> str:
        """The data set's revision and the split; of a folder the hexadecimal digest of its files."""
        folder = Path(self.title)
        if folder.is_dir():
            files = sorted(file for file in folder.rglob("*") if file.is_file())
            revision = hashlib.sha256(" ".join(map(_digest, files)).encode()).hexdigest()
        else:
            from huggingface_hub import HfApi

            try:
                revision = str(HfApi().dataset_info(self.title).sha)
            except OSError as error:
                raise self._unreachable(error) from error
        return f"{revision} {split}"

    def name(self, split: str) -> str:
        """What to call the split in a message."""
        return f"{self.title}, {split}"

    @property
    def _valid_split(self) -> str | None:
        return next((name for name in VALID_SPLITS if name in self._splits), None)

    @cached_property
    def _splits(self) -> Mapping[str, Iterable[Row]]:
        try:
            from datasets import load_dataset
        except ImportError as error:
            raise _not_installed("data sets of the Hub need", "datasets") from error
        try:
            found = load_dataset(self.title, streaming=True)
        except (OSError, ValueError) as error:
            raise self._unreachable(error) from error
        if "train" not in found:
            raise DataError(f"{self.title} has no split train: {', '.join(found)}", "give another data set")
        return found

    def _unreachable(self, error: Exception) -> DataError:
        reason = str(error).strip().partition("\n")[0]
        return DataError(f"the Hub gives no data set {self.title}: {reason}", "give a file, or try where it is reached")

    def __str__(self) -> str:
        return self.title


def locate(path: str) -> LocalFiles | HubDataset:
    """Where the proteins of `data.path` are; what is both a path here and a Hub name is the path."""
    here = Path(path).expanduser() if path else NATURAL
    if path.startswith(HUB):
        return HubDataset(path.removeprefix(HUB))
    if here.exists():
        return LocalFiles(here)
    if HUB_NAME.fullmatch(path) and path.lower().removesuffix(".gz").rpartition(".")[2] not in SUFFIXES:
        return HubDataset(path)
    raise DataError(f"{here} is not there", "data.path is a file of proteins, or a folder with train and valid")


def read_file(path: Path, reading: Reading, *, unique: bool = True) -> Iterator[Record]:
    """The proteins of a file, by its suffix; one of an unknown suffix is read as FASTA.

    `unique` refuses a FASTA name that comes twice, and keeps the names in memory for that. Raises DataError for what
    cannot be read, naming line or row.
    """
    match path.name.lower().removesuffix(".gz").rpartition(".")[2]:
        case "csv" | "tsv" as kind:
            return _from_rows(_csv_rows(path, "," if kind == "csv" else "\t"), reading, str(path))
        case "parquet":
            return _from_rows(_parquet_rows(path, reading), reading, str(path))
        case "txt":
            return _from_text(_lines(path), str(path))
        case _:
            return iter_fasta(path, unique=unique)


def _lines(path: Path) -> Iterator[str]:
    with open_text(path) as lines:
        yield from lines


def _csv_rows(path: Path, delimiter: str) -> Iterator[Row]:
    with open_text(path) as lines:
        try:
            yield from csv.DictReader(lines, delimiter=delimiter)
        except csv.Error as error:
            raise DataError(f"{path} is no table: {error}", "write it as CSV with a header") from error


def _parquet_rows(path: Path, reading: Reading) -> Iterator[Row]:
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise _not_installed("parquet files need", "pyarrow") from error
    try:
        with ParquetFile(path) as file:
            names = file.schema_arrow.names
            wanted = [
                name for name in names if name.lower() in (reading.column.lower(), SEQUENCE, TOKENS, TEXT, *NAMES)
            ]
            for batch in file.iter_batches(ROWS, columns=wanted or names):
                yield from batch.to_pylist()
    except ArrowInvalid as error:
        raise DataError(f"{path} is no whole parquet file: {error}", "copy it again") from error


def _not_installed(what: str, package: str) -> DataError:
    return DataError(f"{what} {package}, which is not installed", 'pip install "monosome[data]"')


def _from_rows(rows: Iterator[Row], reading: Reading, place: str) -> Iterator[Record]:
    first = next(rows, None)
    if first is None:
        raise DataError(f"{place} is empty", "give a table with a row for each protein")
    known = {str(name).lower(): name for name in first}
    wanted = [reading.column.lower()] if reading.column else [SEQUENCE, TOKENS, TEXT]
    column = next((known[name] for name in wanted if name in known), None)
    if column is None:
        raise DataError(
            f"{place} has no column {wanted[0]!r}: {', '.join(map(str, first))}",
            "data.column=NAME names the column that holds the sequences",
        )
    values = (row[column] for row in chain([first], rows))
    if isinstance(first[column], list):
        return _from_tokens(values, _tokenizer(reading, place))
    if END in str(first[column]):
        return _from_text((line for value in values for line in str(value).splitlines()), place)
    name = next((known[each] for each in NAMES if each in known), None)
    return (
        Record(str(row[name] if name else number), "", str(row[column] or ""))
        for number, row in enumerate(chain([first], rows), start=1)
    )


def _tokenizer(reading: Reading, place: str) -> ProteinTokenizer:
    if not reading.tokenizer:
        raise DataError(f"{place} holds blocks of tokens", "data.tokenizer=FOLDER|NAME says of which tokenizer")
    return load_tokenizer(reading.tokenizer)


def _from_text(lines: Iterable[str], place: str) -> Iterator[Record]:
    """The proteins between end tokens, numbered from 1; lines that are blocks of the text need not end with either."""
    numbers, parts, begun = count(1), list[str](), False
    for line in lines:
        before, *after = line.split(END)
        if before.strip() and not begun:
            raise DataError(
                f"{place}: text stands before the first {END}", f"give ProtGPT2's format, or FASTA: {END!r}"
            )
        begun = begun or bool(after)
        parts.append(before.strip())
        for piece in after:
            if any(parts):
                yield Record(str(next(numbers)), "", "".join(parts))
            parts = [piece.strip()]
    if any(parts):
        yield Record(str(next(numbers)), "", "".join(parts))
    if not begun:
        raise DataError(f"{place} is empty", f"give ProtGPT2's format: {END}, then lines of residues")


def _from_tokens(blocks: Iterable[Sequence[int]], tokenizer: ProteinTokenizer) -> Iterator[Record]:
    """The proteins between end tokens, numbered from 1; blocks are pieces of one text, in its order."""
    texts = _between((token for block in blocks for token in block), tokenizer.end)
    numbers = count(1)
    while batch := list(islice(texts, ROWS)):
        for text in tokenizer.backend.decode_batch(batch, skip_special_tokens=False):
            yield Record(str(next(numbers)), "", "".join(text.split()))


def _between(tokens: Iterable[int], end: int) -> Iterator[list[int]]:
    found: list[int] = []
    for token in tokens:
        if token != end:
            found.append(token)
        elif found:
            yield found
            found = []
    if found:
        yield found


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        while piece := stream.read(2**20):
            digest.update(piece)
    return digest.hexdigest()
