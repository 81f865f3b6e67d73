"""What verbs print: tables for people on stdout, or one JSON object."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from monosome.evaluate.rows import Measure, measure_cells


def print_json(value: Mapping[str, Any]) -> None:
    """Print the object alone on stdout; undefined numbers are null."""
    print(json.dumps(value, indent=2, allow_nan=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Print a table on stdout."""
    table = Table(title=title or None, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def print_measures(found: Sequence[Measure], *, title: str) -> None:
    """Print each figure with its interval, its floor and n."""
    print_table(*measure_cells(found), title=title)
