"""Chemical probing, SHAPE and DMS: how readily each residue reacts, from RDAT or CSV."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Float64

from monosome.errors import DataError
from monosome.rna.secondary import read_bytes

PROBED = {"DMS": "AC", "CMCT": "GU"}
"""Bases whose pairing a reagent tells of, where not of all; what it does to others is left out."""
CONTROLS = ("NOMOD", "NONE")
"""What stands as the modifier of lanes without one."""
NOT_MEASURED = -500.0
"""Values below this say that there is none; RNAstructure and ViennaRNA write -999."""
OUTLIERS, HIGH = 0.02, 0.08
"""Shares of the values that are passed over as outliers, and that then have a mean of 1 (Deigan et al. 2009)."""
_VALUES = re.compile(r"(?:REACTIVITY|AREA_PEAK)[:\s]\s*(\d+)\s+(.*)", re.DOTALL)  # the latter until RDAT 0.24
_ANNOTATION = re.compile(r"ANNOTATION_DATA[:\s]\s*(\d+)(.*)", re.DOTALL)
_FIELD = re.compile(r"\s(modifier|mutation|sequence):(\S+)")


def read_reactivities(path: Path, sequence: str, modifier: str = "") -> Float32[np.ndarray, "n"]:
    """Reactivity of each residue of a sequence, normalised by `normalised`, NaN where it was not measured.

    `.rdat` is RDAT (Cordero et al. 2012): of its rows the first whose construct is not mutated, and holds the
    sequence or lies in it; with a modifier (such as 1M7 or DMS), the first of that. All else is CSV with the columns
    `position` (from 1) and `reactivity`, and `base` where that is to be checked; empty cells, nan and -999 were not
    measured. Either may be gzipped. DMS tells of A and C only, CMCT of G and U. Raises DataError naming file and line
    for what cannot be read or is not of this sequence.
    """
    lines = read_bytes(path).decode("utf-8-sig", errors="replace").splitlines()
    if path.name.lower().removesuffix(".gz").endswith(".rdat"):
        row = _fitting(path, lines, sequence, modifier)
        values, reagent = row.along(sequence), modifier or row.modifier
    else:
        values, reagent = _read_csv(path, lines, sequence), modifier
    values[~np.isfinite(values) | (values < NOT_MEASURED)] = np.nan
    probed = next((bases for name, bases in PROBED.items() if reagent.upper().startswith(name)), "")
    if probed:
        values[[letter not in probed for letter in sequence]] = np.nan
    if np.isnan(values).all():
        raise DataError(f"{path} has no reactivity of this sequence", "check that the file is of this molecule")
    return normalised(values.astype(np.float32))


def normalised(reactivities: Float[np.ndarray, "n"]) -> Float32[np.ndarray, "n"]:
    """Reactivities on the scale where highly reactive residues have 1, whatever the one they came in.

    The 2–8 % rule (Deigan et al. 2009): the highest 2 % are passed over, the mean of the next 8 % is 1. NaN stays.
    Values are left as they are where none is above 0.
    """
    falling = np.sort(reactivities[np.isfinite(reactivities)])[::-1]
    start = round(OUTLIERS * len(falling))
    high = falling[start : start + max(1, round(HIGH * len(falling)))]
    scale = float(high.mean()) if len(high) and high.mean() > 0 else 1.0
    return (reactivities / scale).astype(np.float32)


@dataclass(frozen=True)
class _Row:
    """A row of an RDAT file: what was measured at which letters, from 0, of which construct."""

    modifier: str
    is_mutated: bool
    construct: str
    values: Mapping[int, float]

    def start(self, sequence: str) -> int | None:
        """Where in the construct the sequence begins, below 0 where the construct begins later; None if neither."""
        if self.construct.count(sequence) == 1:
            return self.construct.find(sequence)
        return -sequence.find(self.construct) if self.construct and sequence.count(self.construct) == 1 else None

    def along(self, sequence: str) -> Float64[np.ndarray, "n"]:
        found = np.full(len(sequence), np.nan)
        start = self.start(sequence) or 0
        for place, value in self.values.items():
            if 0 <= place - start < len(sequence):
                found[place - start] = value
        return found


def _fitting(path: Path, lines: list[str], sequence: str, modifier: str) -> _Row:
    rows = list(_read_rdat(path, lines))
    if not rows:
        raise DataError(f"{path} has no rows of reactivities", "give an RDAT file with REACTIVITY lines")
    own = [row for row in rows if not row.is_mutated and row.start(sequence) is not None]
    if not own:
        raise DataError(f"no row of {path} is of this sequence, once and not mutated", "give the file of this molecule")
    wanted = [row for row in own if _is_of(row, modifier)]
    if not wanted:
        known = ", ".join(sorted({row.modifier or "unnamed" for row in own}))
        raise DataError(f"{path} has no row with modifier {modifier or 'other than none'}", f"it has {known}")
    return wanted[0]


def _is_of(row: _Row, modifier: str) -> bool:
    name = row.modifier.upper()
    return name.startswith(modifier.upper()) if modifier else name not in CONTROLS


def _read_rdat(path: Path, lines: list[str]) -> Iterator[_Row]:
    """The rows; letter k from 1 of the construct is called k + OFFSET in SEQPOS, with its base before or not."""
    header: dict[str, str] = {}
    annotations: dict[str, str] = {}
    for number, line in enumerate(map(str.strip, lines), start=1):
        key, _, rest = line.replace("\t", " ", 1).partition(" ")
        if told := _ANNOTATION.match(line):
            annotations[told[1]] = told[2]
        elif told := _VALUES.match(line):
            places = _places(path, number, header)
            try:
                values = [float(value) for value in told[2].split()]
            except ValueError as error:
                raise DataError(f"{path}, line {number}: {error}", "copy the file anew") from error
            if len(values) != len(places):
                fault = f"{len(values)} values for the {len(places)} places of SEQPOS"
                raise DataError(f"{path}, line {number}: {fault}", "copy the file anew")
            fields = dict(_FIELD.findall(" " + header.get("ANNOTATION", "")))
            fields |= dict(_FIELD.findall(annotations.get(told[1], "")))
            construct = fields.get("sequence", header.get("SEQUENCE", "")).upper().replace("T", "U")
            is_mutated = fields.get("mutation", "WT") != "WT"
            yield _Row(fields.get("modifier", ""), is_mutated, construct, dict(zip(places, values, strict=True)))
        elif key in ("SEQUENCE", "OFFSET", "SEQPOS", "ANNOTATION"):
            header[key] = rest.strip()


def _places(path: Path, number: int, header: Mapping[str, str]) -> list[int]:
    try:
        offset = int(header.get("OFFSET") or 0)
        told = [int(name.lstrip("ACGUTNX")) - offset - 1 for name in header.get("SEQPOS", "").split()]
    except ValueError as error:
        raise DataError(f"{path}, above line {number}: {error}", "OFFSET and SEQPOS need whole numbers") from error
    return told or list(range(len(header.get("SEQUENCE", ""))))


def _read_csv(path: Path, lines: list[str], sequence: str) -> Float64[np.ndarray, "n"]:
    reader = csv.DictReader(io.StringIO("\n".join(lines)))
    absent = {"position", "reactivity"} - set(reader.fieldnames or [])
    if absent:
        raise DataError(f"{path} has no column {min(absent)!r}", "its header needs position and reactivity")
    values = np.full(len(sequence), np.nan)
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        try:
            place, value = int(row["position"]), float((row["reactivity"] or "").strip() or "nan")
        except (ValueError, TypeError) as error:
            raise DataError(f"{where}: {error}", "positions are whole numbers, reactivities numbers") from error
        if not 1 <= place <= len(sequence):
            raise DataError(f"{where}: the sequence has {len(sequence)} residues, not {place}", "count from 1")
        base = (row.get("base") or sequence[place - 1]).upper().replace("T", "U")
        if base != sequence[place - 1]:
            raise DataError(f"{where}: residue {place} is {base}, but {sequence[place - 1]} in the sequence")
        values[place - 1] = value
    return values
