"""CSV tables, with errors that name the file and the line."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from monosome.errors import DataError

Row = dict[str, str]
"""The cells of a line by column."""


def read_table(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a CSV file that has a header with at least these columns.

    Raises DataError for a file that cannot be read, a column that is missing and a row that is cut short.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            absent = [column for column in columns if column not in (reader.fieldnames or [])]
            if absent:
                raise DataError(f"{path} has no column {absent[0]!r}", f"its header needs {', '.join(columns)}")
            for row in reader:
                if any(row[column] is None for column in columns):
                    raise DataError(f"{path}, line {reader.line_num}: the row is cut short", "copy the file anew")
                yield row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read the table {path}: {error}") from error


def has_columns(path: Path, columns: Sequence[str]) -> bool:
    """Whether `path` is a CSV file with these columns."""
    if not path.is_file():
        return False
    try:
        next(read_table(path, columns), None)
    except DataError:
        return False
    return True
