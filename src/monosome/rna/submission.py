"""A submission to Kaggle's "Stanford RNA 3D Folding": five structures of C1', a row for each residue."""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from monosome.atomic import replacing
from monosome.errors import DataError
from monosome.rna.kaggle import Part, Site, Target
from monosome.rna.tables import read_table

NUM_STRUCTURES = 5
AXES = tuple(f"{axis}_{number}" for number in range(1, NUM_STRUCTURES + 1) for axis in "xyz")
COLUMNS = ("ID", "resname", "resid", *AXES)
STRAND_COLUMNS = ("chain", "copy")
"""What part 2's labels have at the end too; a submission may, and need not."""
LOWEST, HIGHEST = -999.999, 9999.999
"""What part 2 clips coordinates to (Å): more does not fit the PDB columns that both parts are scored from."""
MIN_PLACES = 3
"""A structure of fewer usable residues scores 0."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_NAMED = 3
"""Missing rows that a fault names; more are counted."""


def write_submission(
    path: Path, targets: Sequence[Target], places: Sequence[Float32[np.ndarray, "s _ 3"]], part: Part
) -> None:
    """Write the five structures of each target, whole or not at all; part 2 with chain and copy."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*COLUMNS, *(STRAND_COLUMNS if part == 2 else ())))
        for target, structures in zip(targets, places, strict=True):
            table = structures.swapaxes(0, 1).reshape(len(target.sites), -1)
            for site, row in zip(target.sites, table.tolist(), strict=True):
                strand = (site.chain, site.copy) if part == 2 else ()
                writer.writerow((*site[:3], *(f"{value:.3f}" for value in row), *strand))


@dataclass(frozen=True)
class Fault:
    """What is wrong with a line of a submission, the header being line 1."""

    line: int
    text: str


def find_faults(path: Path, sites: Sequence[Site], part: Part) -> list[Fault]:
    """All that is wrong with a submission for these residues, by line; nothing where it is right.

    A byte order mark and the line ends of Windows are no faults: Kaggle reads them. Raises DataError for a file that
    cannot be opened.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return [Fault(content.count(b"\n", 0, error.start) + 1, "is no UTF-8 text: is this a CSV file?")]
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        return [Fault(reader.line_num, f"is no line of CSV: {error}")]
    if not lines:
        return [Fault(1, "the file is empty")]
    names = lines[0][1]
    return _header_faults(names, part) or _Table(names, lines[1:], sites).faults


def sites_of_sample(sample: Path, targets: Sequence[Target]) -> list[Site]:
    """The residues that a sample submission has rows for, in its order.

    Raises DataError where they are not those of the targets: then it is of another set.
    """
    ours = {site.id: site for target in targets for site in target.sites}
    found = []
    for line, row in enumerate(read_table(sample, COLUMNS[:3]), start=2):
        site = ours.get(row["ID"])
        if site is None or site[:3] != (row["ID"], row["resname"], row["resid"]):
            told = f"{site.resname} {site.resid}" if site else "no such residue"
            raise DataError(
                f"{sample}, line {line}: {row['ID']} is {row['resname']} {row['resid']}, in the sequences {told}",
                "give the sample and the sequences of one test set",
            )
        found.append(site)
    if len(found) != len(ours):
        raise DataError(f"{sample} has {len(found)} rows, the sequences have {len(ours)} residues")
    return found


def _header_faults(names: Sequence[str], part: Part) -> list[Fault]:
    with_strands = part == 2 and any(name in names for name in STRAND_COLUMNS)
    wanted = (*COLUMNS, *STRAND_COLUMNS) if with_strands else COLUMNS
    if tuple(names) == wanted:
        return []
    texts = [f"has no column {name}" for name in wanted if name not in names]
    texts += [f"has the column {name!r}, which is not known" for name in dict.fromkeys(names) if name not in wanted]
    texts += [f"has the column {name} {number} times" for name, number in Counter(names).items() if number > 1]
    if not texts:
        place = next(place for place, pair in enumerate(zip(names, wanted, strict=True)) if pair[0] != pair[1])
        texts = [f"has {names[place]} where {wanted[place]} is due"]
    num_structures = sum(re.fullmatch(r"x_\d+", name) is not None for name in names)
    if num_structures != NUM_STRUCTURES:
        texts.insert(0, f"has {num_structures} structures, {NUM_STRUCTURES} are due")
    return [Fault(1, f"the header {text}") for text in texts]


@dataclass
class _Table:
    """The rows of a submission whose header is right, against the residues that are due."""

    names: Sequence[str]
    rows: Sequence[tuple[int, list[str]]]
    sites: Sequence[Site]
    places: dict[str, tuple[int, list[list[float]]]] = field(default_factory=dict)
    """By target the line of its first row, and the numbers of each."""

    @property
    def faults(self) -> list[Fault]:
        """In the order of lines."""
        found = [*self._order(), *self._cells()]
        return sorted([*found, *self._flat()], key=lambda fault: fault.line)

    def _order(self) -> Iterator[Fault]:
        """Rows that are missing, too many, repeated or not in their place."""
        due = {site.id: place for place, site in enumerate(self.sites)}
        present = {cells[0] for _, cells in self.rows if cells}
        first_lines: dict[str, int] = {}
        next_place, line = 0, 1
        for line, cells in self.rows:
            name = cells[0] if cells else ""
            place = due.get(name)
            if place is None:
                yield Fault(line, self._stranger(name, cells))
                continue
            if name in first_lines:
                yield Fault(line, f"{name} repeats line {first_lines[name]}")
                continue
            first_lines[name] = line
            between = [site.id for site in self.sites[next_place:place]]
            if between and not present.intersection(between):
                yield Fault(line, f"{_listed(between)} missing before {name}")
            elif place != next_place:
                wanted = self.sites[next_place].id if next_place < len(self.sites) else "the end"
                yield Fault(line, f"{name} is out of order: {wanted} is due")
            next_place = place + 1
        rest = [site.id for site in self.sites[next_place:] if site.id not in present]
        if rest:
            yield Fault(line + 1, f"{_listed(rest)} missing at the end")

    def _stranger(self, name: str, cells: Sequence[str]) -> str:
        if not any(cells):
            return "the line is empty"
        target, _, number = name.rpartition("_")
        residues = [site for site in self.sites if site.id.rpartition("_")[0] == target]
        if not residues:
            return f"the ID {name!r} is of no target of the sequences"
        return f"the ID {name!r} is of no residue: {target} has 1 to {len(residues)}, not {number!r}"

    def _cells(self) -> Iterator[Fault]:
        """Rows with too few or too many cells, and cells that are wrong."""
        by_id = {site.id: site for site in self.sites}
        for line, cells in self.rows:
            if len(cells) != len(self.names):
                if any(cells):
                    yield Fault(line, f"has {len(cells)} cells, {len(self.names)} are due")
                continue
            row = dict(zip(self.names, cells, strict=True))
            site = by_id.get(row["ID"])
            if site is not None:
                for name, wanted in zip(("resname", "resid", *STRAND_COLUMNS), site[1:], strict=True):
                    if row.get(name, wanted) != wanted:
                        yield Fault(line, f"the {name} of {site.id} is {row[name]!r}, {wanted!r} is due")
            faults = [f"{axis} {text}" for axis in AXES if (text := _number_fault(row[axis]))]
            yield from (Fault(line, text) for text in faults)
            if not faults and site is not None:
                known = self.places.setdefault(site.id.rpartition("_")[0], (line, []))
                known[1].append([float(row[axis]) for axis in AXES])

    def _flat(self) -> Iterator[Fault]:
        """Structures that are a point or two."""
        for target, (line, numbers) in self.places.items():
            structures = np.array(numbers).reshape(len(numbers), -1, 3).swapaxes(0, 1)
            for number, places in enumerate(structures, start=1):
                num_distinct = len(np.unique(places, axis=0))
                if num_distinct < min(MIN_PLACES, len(numbers)):
                    yield Fault(line, f"structure {number} of {target} has all {len(numbers)} residues in one place")


def _number_fault(cell: str) -> str:
    """What is wrong with a coordinate, if anything is."""
    if not cell.strip():
        return "is empty"
    if cell.strip().lstrip("+-").lower() in ("nan", "inf", "infinity"):
        return f"is {cell.strip()}"
    if not _NUMBER.fullmatch(cell):
        return f"is {cell!r}, no number"
    value = float(cell)
    if not math.isfinite(value) or not LOWEST <= value <= HIGHEST:
        return f"is {cell}, beyond {LOWEST} to {HIGHEST} Å"
    return ""


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    listed = ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{listed} {'is' if len(names) == 1 else 'are'}"
