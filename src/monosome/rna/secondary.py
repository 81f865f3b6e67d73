"""The user's own secondary structures: dot-bracket, bpseq, ct, and matrices of base-pair probabilities."""

import gzip
import io
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float64

from monosome.errors import DataError
from monosome.rna.dotbracket import dot_bracket
from monosome.rna.pairing import Pairing, Pairs, at_most_certain, pairs_of

PROBABILITY_NAMES = ("probabilities", "pairing_probs", "base_pair_probs")
"""Names that the matrix has in an NPZ file; one that holds a single array may call it as it likes."""
_GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952, section 2.3.1
_STRAND_ENDS = str.maketrans("", "", "&+")
_UNPAIRED = ".,:_-~"
_ANY_BASE = "N"
_DOT_PLOT_SEQUENCE = re.compile(r"/sequence \{ *\((.*?)\)", re.DOTALL)
_DOT_PLOT_BOX = re.compile(r"(\d+) (\d+) (\d*\.?\d+(?:[eE]-?\d+)?) ubox", re.ASCII)

Lines = list[tuple[int, str]]
"""Lines that say something, with their numbers from 1."""


def read_secondary(path: Path, sequence: str) -> Pairing:
    """The secondary structure, or the pair probabilities, that a file gives for a sequence; energies are NaN.

    The name's end tells the format: `.bpseq`; `.ct` (the first structure); `.csv`, `.tsv`, `.npy` and `.npz` for a
    matrix of pair probabilities, symmetric or one triangle of it, its diagonal ignored; `.ps` for a dot plot of
    ViennaRNA; all else is dot-bracket, bare or below its sequence, of several records the one with this sequence.
    Each may be gzipped. Pseudoknots are kept; T is read as U, N fits any base, and strand ends (`&`) are passed over.
    The structure of a matrix has the pairs that are more probable than not; probabilities of a residue that sum past
    1, as scores of networks do, are brought down to it. Raises DataError naming file and line for what cannot be
    read, or is not of this sequence.
    """
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    content = read_bytes(path)
    if suffix in (".npy", ".npz"):
        return _likely(_array(path, content), path, sequence)
    lines = _lines(content)
    if not lines:
        raise DataError(f"{path} is empty", "give a secondary structure")
    match suffix:
        case ".csv" | ".tsv":
            return _likely(_table(path, lines), path, sequence)
        case ".ps":
            return _likely(_dot_plot(path, lines, sequence), path, sequence)
        case ".bpseq":
            return _certain(_bpseq(path, lines, sequence), sequence)
        case ".ct":
            return _certain(_ct(path, lines, sequence), sequence)
    return _certain(_dot_bracket(path, lines, sequence), sequence)


def read_bytes(path: Path) -> bytes:
    """What a file holds, unpacked where it is gzipped; DataError where it is missing, a folder or damaged."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(_GZIP_MAGIC) else content
    except (OSError, EOFError, zlib.error) as error:  # gzip.BadGzipFile is an OSError
        raise DataError(f"cannot read {path}: {error}", "check the path; gzip -t checks a packed file") from error


def _lines(content: bytes) -> Lines:
    """The lines without comments and what is empty."""
    lines = enumerate(content.decode("utf-8-sig", errors="replace").splitlines(), start=1)
    return [(number, line.strip()) for number, line in lines if line.strip() and line.lstrip()[0] not in "#;"]


def _certain(pairs: Pairs, sequence: str) -> Pairing:
    length = len(sequence)
    probabilities = np.zeros((length, length), dtype=np.float32)
    for i, j in pairs:
        probabilities[i, j] = probabilities[j, i] = 1
    return Pairing(dot_bracket(length, pairs), math.nan, math.nan, probabilities)


def _likely(matrix: Float64[np.ndarray, "..."], path: Path, sequence: str) -> Pairing:
    length = len(sequence)
    if matrix.shape != (length, length):
        shape = " × ".join(str(size) for size in matrix.shape)
        raise DataError(f"{path} holds {shape} numbers for {length} residues", "give the matrix of this sequence")
    wrong = np.argwhere(~((matrix >= 0) & (matrix <= 1)))  # what is no number is in no range
    if len(wrong):
        i, j = wrong[0].tolist()
        raise DataError(f"{path}: {matrix[i, j]:g} between residues {i + 1} and {j + 1} is no probability")
    upper, lower = np.triu(matrix, 1), np.tril(matrix, -1).T
    if upper.any() and lower.any() and not np.allclose(upper, lower, atol=1e-3):
        i, j = np.unravel_index(np.abs(upper - lower).argmax(), matrix.shape)
        fault = f"residues {i + 1} and {j + 1} have {upper[i, j]:g} one way and {lower[i, j]:g} the other"
        raise DataError(f"{path}: {fault}", "give a symmetric matrix, or one triangle of it")
    one_way = np.maximum(upper, lower).astype(np.float32)
    probabilities = at_most_certain(one_way + one_way.T)
    rows, columns = np.nonzero(np.triu(probabilities) > 0.5)
    structure = dot_bracket(length, zip(rows.tolist(), columns.tolist(), strict=True))
    return Pairing(structure, math.nan, math.nan, probabilities)


def _array(path: Path, content: bytes) -> Float64[np.ndarray, "..."]:
    try:
        stored = np.load(io.BytesIO(content), allow_pickle=False)
        if isinstance(stored, np.ndarray):
            return np.asarray(stored, dtype=np.float64)
        names = [name for name in PROBABILITY_NAMES if name in stored] or stored.files
        if len(names) == 0 or (len(names) > 1 and names[0] not in PROBABILITY_NAMES):
            raise DataError(f"{path} has no array {PROBABILITY_NAMES[0]!r}", f"it has {', '.join(names) or 'none'}")
        return np.asarray(stored[names[0]], dtype=np.float64)
    except (OSError, ValueError, TypeError, EOFError, TokenError, BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is not an array of numbers: {error}", "write it with numpy.savez") from error


def _table(path: Path, lines: Lines) -> Float64[np.ndarray, "..."]:
    rows = []
    for number, line in lines:
        try:
            rows.append([float(cell) for cell in re.split(r"[,;\s]+", line.strip(",;"))])
        except ValueError as error:
            raise _fault(path, number, str(error), "give rows of numbers, without a header") from error
        if len(rows[-1]) != len(rows[0]):
            raise _fault(path, number, f"{len(rows[-1])} numbers, but {len(rows[0])} above", "copy the file anew")
    return np.array(rows)


def _dot_plot(path: Path, lines: Lines, sequence: str) -> Float64[np.ndarray, "n n"]:
    """ViennaRNA's boxes "i j √p ubox"."""
    told = _DOT_PLOT_SEQUENCE.search("\n".join(line for _, line in lines))
    if told is None:
        raise DataError(f"{path} is no dot plot of ViennaRNA", "give the _dp.ps that RNAfold -p writes")
    letters = told[1].replace("\\", "").replace("\n", "")
    _check_letters(path, [(0, letter) for letter in letters.translate(_STRAND_ENDS)], sequence)
    matrix = np.zeros((len(sequence), len(sequence)))
    for number, line in lines:
        if box := _DOT_PLOT_BOX.fullmatch(line):
            i, j = int(box[1]), int(box[2])
            if not 1 <= i < j <= len(sequence):
                raise _fault(path, number, f"no pair of {len(sequence)} residues", "copy the file anew")
            matrix[i - 1, j - 1] = float(box[3]) ** 2
    return matrix


def _bpseq(path: Path, lines: Lines, sequence: str) -> Pairs:
    """Lines "place base partner", 0 for none, below headers such as "Filename: …"."""
    rows = [(number, line.split()) for number, line in lines if line[0].isdigit()]
    if bad := next((number for number, cells in rows if len(cells) != 3), None):
        raise _fault(path, bad, "this is not a place, a base and a partner", "give lines such as: 1 G 72")
    return _partners(path, [(number, cells[0], cells[1], cells[2]) for number, cells in rows], sequence)


def _ct(path: Path, lines: Lines, sequence: str) -> Pairs:
    """The number of residues and a title; then lines "place base before after partner number"."""
    number, title = lines[0]
    if not title.split()[0].isdecimal():
        raise _fault(path, number, "a ct file begins with the number of residues", "give a ct file")
    rows = [(number, line.split()) for number, line in lines[1 : int(title.split()[0]) + 1]]
    if bad := next((number for number, cells in rows if len(cells) < 6), None):
        raise _fault(path, bad, "fewer than six columns", "give place, base, before, after, partner and number")
    return _partners(path, [(number, cells[0], cells[1], cells[4]) for number, cells in rows], sequence)


def _partners(path: Path, rows: Sequence[tuple[int, str, str, str]], sequence: str) -> Pairs:
    """Pairs from lines with a place, a base and a partner, all of them checked against each other."""
    _check_letters(path, [(number, base) for number, _, base, _ in rows], sequence)
    partners: list[int] = []
    for place, (number, told_place, _, told) in enumerate(rows, start=1):
        if told_place != str(place):
            raise _fault(path, number, f"place {told_place} where {place} should be", "number the residues from 1")
        if not told.isdecimal() or int(told) > len(rows) or int(told) == place:
            raise _fault(path, number, f"{told} is no partner of residue {place}", "0 stands for no partner")
        partners.append(int(told))
    for place, partner in enumerate(partners, start=1):
        if partner and partners[partner - 1] != place:
            back = f"whose own partner is {partners[partner - 1]}"
            raise _fault(path, rows[place - 1][0], f"residue {place} has partner {partner}, {back}", "pair them both")
    return [(place, partner - 1) for place, partner in enumerate(partners) if partner > place + 1]


def _dot_bracket(path: Path, lines: Lines, sequence: str) -> Pairs:
    """Pairs of the record that has this sequence; a file with one record, or none but a structure, must fit."""
    records = list(_records(lines))
    if not records:
        raise DataError(f"{path} has names only", "write a structure in dots and brackets below them")
    wanted = sequence.upper()
    fitting = [record for record in records if _rna("".join(text for _, text in record[0])) == wanted]
    letters, structure = (fitting or records)[0]
    if not structure:
        raise _fault(path, letters[0][0], "there is no structure below this sequence", "write one in dots and brackets")
    if len(records) > 1 and not fitting:
        raise DataError(f"none of the {len(records)} records in {path} has this sequence", "give its own structure")
    if letters:
        _check_letters(path, [(number, letter) for number, text in letters for letter in text], sequence)
    number, text = structure[0][0], ""
    for _, part in structure:  # wrapped lines, but not the further structures that some programs write below
        if len(text) < len(sequence):
            text += part
    if len(text) != len(sequence):
        raise _fault(path, number, f"{len(text)} dots and brackets for {len(sequence)} residues", "give one a residue")
    try:
        odd = next((place for place, mark in enumerate(text) if not _is_mark(mark)), None)
        if odd is not None:
            raise DataError(
                f"{text[odd]!r} at position {odd + 1} is neither dot nor bracket", "give ( ) . and [ ] { } < >"
            )
        return pairs_of(text)
    except DataError as error:
        raise _fault(path, number, error.message, error.hint) from error


def _records(lines: Lines) -> Iterator[tuple[Lines, Lines]]:
    """Sequence and structure lines of each record, strand ends and energies taken away."""
    letters, structure = Lines(), Lines()
    for number, line in lines:
        is_structure = not line.startswith(">") and any(mark in line.split()[0] for mark in ".()[]{}<>:,_")
        if structure and not is_structure:
            yield letters, structure
            letters, structure = [], []
        if is_structure:
            structure.append((number, line.split()[0].translate(_STRAND_ENDS)))
        elif not line.startswith(">"):
            letters.append((number, "".join(line.split()).translate(_STRAND_ENDS)))
    if letters or structure:
        yield letters, structure


def _is_mark(mark: str) -> bool:
    return mark in _UNPAIRED + "()[]{}<>" or (mark.isascii() and mark.isalpha())


def _rna(letters: str) -> str:
    return letters.upper().replace("T", "U")


def _check_letters(path: Path, letters: Sequence[tuple[int, str]], sequence: str) -> None:
    """Compare bases, each with its line (0: unknown), to the sequence."""
    if len(letters) != len(sequence):
        fault = f"{path} has {len(letters)} residues where the sequence has {len(sequence)}"
        raise DataError(fault, "give the structure of this sequence")
    for place, ((number, told), letter) in enumerate(zip(letters, sequence, strict=True), start=1):
        if _rna(told) not in (_rna(letter), _ANY_BASE):
            fault = f"residue {place} is {told}, but {letter} in the sequence"
            raise _fault(path, number, fault, "give the structure of this sequence")


def _fault(path: Path, number: int, what: str, hint: str) -> DataError:
    return DataError(f"{path}, line {number}: {what}" if number else f"{path}: {what}", hint)
