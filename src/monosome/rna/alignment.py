"""Alignments of related sequences: read from FASTA, a2m, a3m and Stockholm, weighted by how much their rows differ."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from monosome.errors import DataError
from monosome.rna.nucleotides import BASES
from monosome.rna.secondary import read_bytes

GAP = len(BASES)
"""State of gaps and of letters that do not say which base it is."""
NUM_STATES = len(BASES) + 1
IDENTITY = 0.8
"""Rows that share this much of their columns are neighbours, and count as one (Morcos et al. 2011)."""
ROWS_AT_ONCE = 1024
"""Rows that are compared to all below them in one product of matrices: 20 MB for 5,000 rows."""

_INSERTIONS = (".a2m", ".a3m")
_STOCKHOLM = "# STOCKHOLM"
_UNSURE = "RYSWKMBDHVNXIP"  # IUPAC's codes (Cornish-Bowden 1985), an unknown base, inosine and pseudouridine
_GAPS = b"-.~"
_WRONG = 255


def _states() -> UInt8[np.ndarray, "256"]:
    table = np.full(256, _WRONG, dtype=np.uint8)
    for letter in _UNSURE + _GAPS.decode():
        table[[ord(letter), ord(letter.lower())]] = GAP
    for state, letter in (*enumerate(BASES), (BASES.index("U"), "T")):
        table[[ord(letter), ord(letter.lower())]] = state
    return table


_STATES = _states()


@dataclass(frozen=True, eq=False)
class Alignment:
    """Rows of bases in the columns of the query, which is the first row: indices of nucleotides.BASES, or GAP.

    `query` is the sequence without gaps, T read as U.
    """

    query: str
    rows: UInt8[np.ndarray, "s n"]

    def __len__(self) -> int:
        return len(self.query)

    @property
    def depth(self) -> int:
        """Number of rows, the query among them."""
        return len(self.rows)

    @cached_property
    def weights(self) -> Float32[np.ndarray, "s"]:
        """Of each row one over the number of its neighbours, itself included."""
        return (1 / _count_neighbours(self.rows)).astype(np.float32)

    @property
    def effective_depth(self) -> float:
        """Sum of the weights: how many rows there are that differ."""
        return float(self.weights.sum(dtype=np.float64))

    def thinned(self, num_rows: int) -> "Alignment":
        """At most so many rows, at equal steps through the file, the query first: the same ones at each call.

        Searches write their hits in falling order, which is why the first ones would be the nearest only.
        """
        if self.depth <= num_rows:
            return self
        return Alignment(self.query, self.rows[np.arange(num_rows) * self.depth // num_rows])


@dataclass(frozen=True)
class _Row:
    """A row as it stands in the file, and the line it begins on."""

    letters: bytes
    line: int


def read_alignment(path: Path, query: str | None = None) -> Alignment:
    """The alignment in a file, in the columns of its first row, or of the one whose sequence is `query`.

    FASTA (lower case is as good as upper), a2m and a3m (lower case and dots are insertions, dropped; FASTA whose rows
    differ in length is read so too) and Stockholm, told by its first line; each may be gzipped. Letters of the query
    that are insertions keep a column, in which all else is gaps. Raises DataError naming file and line for letters
    that no RNA has, rows of unequal length, several alignments in one file, and a query that is not there.
    """
    lines = read_bytes(path).decode("utf-8-sig", errors="replace").splitlines()
    is_stockholm = bool(lines) and lines[0].startswith(_STOCKHOLM)
    rows = list(_read_stockholm(path, lines) if is_stockholm else _read_fasta(path, lines))
    if not rows:
        raise DataError(f"{path} has no rows", 'give an alignment: lines ">name", and below each its row')
    _check_letters(path, rows)
    rows = _query_first(path, rows, query)
    widths = {len(row.letters) for row in rows}
    if path.name.lower().removesuffix(".gz").endswith(_INSERTIONS) or (len(widths) > 1 and not is_stockholm):
        return _without_insertions(path, rows)
    return _in_columns_of_query(_matrix(path, rows))


def _in_columns_of_query(letters: UInt8[np.ndarray, "s k"]) -> Alignment:
    has_letter = ~np.isin(letters[0], np.frombuffer(_GAPS, dtype=np.uint8))
    kept = letters[:, has_letter]
    return Alignment(_sequence(kept[0].tobytes()), _STATES[kept])


def _without_insertions(path: Path, rows: Sequence[_Row]) -> Alignment:
    """The alignment of an a2m or a3m file."""
    insertions = b"abcdefghijklmnopqrstuvwxyz."
    aligned = _matrix(path, [_Row(row.letters.translate(None, insertions), row.line) for row in rows])
    first = np.frombuffer(rows[0].letters.translate(None, _GAPS), dtype=np.uint8)
    is_aligned = first < ord("a")
    states = np.full((len(rows), len(first)), GAP, dtype=np.uint8)
    states[:, is_aligned] = _STATES[aligned[:, ~np.isin(aligned[0], np.frombuffer(_GAPS, dtype=np.uint8))]]
    states[0] = _STATES[first]
    return Alignment(_sequence(first.tobytes()), states)


def _sequence(letters: bytes) -> str:
    return letters.translate(None, _GAPS).decode().upper().replace("T", "U")


def _query_first(path: Path, rows: list[_Row], query: str | None) -> list[_Row]:
    """The rows with the query's moved to the front."""
    place, wanted = 0, _sequence(rows[0].letters)
    if query is not None:
        wanted = query.upper().replace("T", "U")
        place = next((place for place, row in enumerate(rows) if _sequence(row.letters) == wanted), -1)
    if place < 0:
        first = len(_sequence(rows[0].letters))
        fault = f"no row of {path} is the sequence of {len(wanted)} residues; its first has {first}"
        raise DataError(fault, "give the alignment of this sequence, with the sequence in it")
    if not wanted:
        raise DataError(f"{path}, line {rows[0].line}: the first row is empty", "put the query first")
    return [rows[place], *rows[:place], *rows[place + 1 :]]


def _matrix(path: Path, rows: Sequence[_Row]) -> UInt8[np.ndarray, "s k"]:
    width = len(rows[0].letters)
    if wrong := next((row for row in rows if len(row.letters) != width), None):
        fault = f"this row has {len(wrong.letters)} columns, but that of the query {width}"
        raise DataError(f"{path}, line {wrong.line}: {fault}", "align the sequences first")
    return np.frombuffer(b"".join(row.letters for row in rows), dtype=np.uint8).reshape(len(rows), width)


def _check_letters(path: Path, rows: Sequence[_Row]) -> None:
    known = bytes(np.flatnonzero(_STATES != _WRONG).astype(np.uint8))
    for row in rows:
        if wrong := row.letters.translate(None, known):
            letter = wrong.decode("utf-8", errors="replace")[0]
            raise DataError(f"{path}, line {row.line}: {letter!r} is no RNA base", "give an alignment of RNA or DNA")


def _read_fasta(path: Path, lines: Sequence[str]) -> Iterator[_Row]:
    start, parts = 0, list[str]()
    for number, line in enumerate(lines, start=1):
        if line.startswith(">"):
            if start:
                yield _Row("".join(parts).encode(), start)
            start, parts = number, []
        elif start:
            parts.extend(line.split())
        elif line.strip():
            raise DataError(
                f"{path}, line {number}: a row stands before the first name", 'write ">name" above each row'
            )
    if start:
        yield _Row("".join(parts).encode(), start)


def _read_stockholm(path: Path, lines: Sequence[str]) -> Iterator[_Row]:
    """Rows of the blocks "name letters", joined by name; marked lines and all after "//" say other things."""
    rows: dict[str, tuple[int, list[str]]] = {}
    is_over = False
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if is_over and words:
            raise DataError(f"{path}, line {number}: a second alignment begins", "give each a file of its own")
        is_over = is_over or words == ["//"]
        if not words or is_over or line.startswith("#"):
            continue
        if len(words) != 2:
            raise DataError(f"{path}, line {number}: this is not a name and its row", "copy the file anew")
        rows.setdefault(words[0], (number, []))[1].append(words[1])
    yield from (_Row("".join(parts).encode(), number) for number, parts in rows.values())


def _count_neighbours(rows: UInt8[np.ndarray, "s n"]) -> Float32[np.ndarray, "s"]:
    """How many rows equal each one, a gap being as good as a base, in IDENTITY of the columns."""
    one_hot = np.eye(NUM_STATES, dtype=np.float32)[rows].reshape(len(rows), -1)
    counts = np.zeros(len(rows), dtype=np.float32)
    least = IDENTITY * rows.shape[1] - 1e-3  # sums of ones are whole; a share of columns need not be
    for start in range(0, len(rows), ROWS_AT_ONCE):
        stop = start + ROWS_AT_ONCE
        near = one_hot[start:stop] @ one_hot[start:].T >= least
        counts[start:stop] += near.sum(axis=1)
        counts[stop:] += near[:, ROWS_AT_ONCE:].sum(axis=0)
    return counts
