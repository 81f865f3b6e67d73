"""FASTA, plain or gzipped: read with errors that name the line, written whole or not at all."""

import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from monosome.atomic import replacing
from monosome.errors import DataError

RESIDUES_PER_LINE = 60
"""The width that UniProt and NCBI write."""

_GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952, section 2.3.1
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f]")
_FORM = 'a record is a line ">name", then the sequence on the lines below it'


@dataclass(frozen=True)
class Record:
    """One FASTA record: `id` is the header's first word, `description` the rest, letters as they were written."""

    id: str
    description: str
    sequence: str


@runtime_checkable
class Stream(Protocol):
    """What text can be written to, such as sys.stdout."""

    def write(self, text: str, /) -> object:
        """Write the text."""


def read_fasta(path: Path) -> list[Record]:
    """All records of a FASTA file (.gz too), in its order.

    Raises DataError for a missing, empty, binary or damaged file, for text before the first header, a header without
    a name or a sequence, and a name that comes twice.
    """
    return list(iter_fasta(path))


def iter_fasta(path: Path, *, unique: bool = True) -> Iterator[Record]:
    """The records of a FASTA file one by one, with the errors of `read_fasta`; only the names are kept in memory.

    Without `unique` not even they are, and a name may come twice.
    """
    first_lines: dict[str, int] = {}
    number = 0
    with open_text(path) as lines:
        for number, record in _records(lines, path):
            earlier = first_lines.setdefault(record.id, number) if unique else number
            if earlier != number:
                raise DataError(
                    f"{path}, line {number}: the name {record.id!r} was used before, on line {earlier}",
                    "give every record its own name",
                )
            yield record
    if not number:
        raise DataError(f"{path} is empty", _FORM)


def write_fasta(records: Iterable[Record], target: Path | Stream) -> None:
    """Write the records, 60 letters a line, to a stream or to a file that appears whole (gzipped if named .gz)."""
    if not isinstance(target, Path):
        for record in records:
            target.write(_formatted(record))
        return
    with replacing(target) as temporary:
        if target.suffix == ".gz":
            # No time stamp and no name in the gzip header: equal records make equal files.
            with temporary.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
                packed.writelines(_formatted(record).encode() for record in records)
        else:
            with temporary.open("w", encoding="utf-8") as stream:
                stream.writelines(_formatted(record) for record in records)


def _formatted(record: Record) -> str:
    starts = range(0, len(record.sequence), RESIDUES_PER_LINE)
    lines = [record.sequence[start : start + RESIDUES_PER_LINE] for start in starts]
    return "\n".join([f">{record.id} {record.description}".rstrip(), *lines]) + "\n"


def _records(lines: Iterable[str], path: Path) -> Iterator[tuple[int, Record]]:
    """Each record with the line number of its header."""
    header, header_number, parts = "", 0, list[str]()
    for number, line in enumerate(lines, start=1):
        if _CONTROL.search(line):
            raise DataError(f"{path}, line {number}: this is not text", "give a FASTA file, plain or gzipped")
        if line.startswith(">"):
            if header_number:
                yield header_number, _record(header, parts, f"{path}, line {header_number}")
            header, header_number, parts = line[1:].strip(), number, []
        elif header_number:
            parts.extend(line.split())
        elif line.strip():
            raise DataError(f"{path}, line {number}: a sequence stands before the first header", _FORM)
    if header_number:
        yield header_number, _record(header, parts, f"{path}, line {header_number}")


def _record(header: str, parts: list[str], place: str) -> Record:
    name, _, description = header.partition(" ")
    if not name:
        raise DataError(f"{place}: the header has no name", _FORM)
    if not parts:
        raise DataError(f"{place}: {name!r} has no sequence", _FORM)
    return Record(name, description.strip(), "".join(parts))


@contextmanager
def open_text(path: Path) -> Iterator[io.TextIOWrapper]:
    """The text of a file, plain or gzipped; raises DataError where there is none and where the gzip is damaged."""
    if not path.is_file():
        what = "a folder, not a file" if path.is_dir() else "not there"
        raise DataError(f"{path} is {what}", "give the path of a FASTA file, plain or gzipped")
    with path.open("rb") as raw:
        packed = path.suffix == ".gz" or raw.peek(2)[:2] == _GZIP_MAGIC
        binary = gzip.GzipFile(fileobj=raw) if packed else raw
        try:
            # utf-8-sig drops the mark that Windows editors put first; a wrong letter shows as � and is refused later.
            yield io.TextIOWrapper(binary, encoding="utf-8-sig", errors="replace")
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path} is a damaged gzip file: {error}", "copy it again; gzip -t checks it") from error
