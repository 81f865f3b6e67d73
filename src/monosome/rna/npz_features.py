"""Feature files in NPZ as earlier feature extractors wrote them: read with suspicion, written in the same layout."""

import io
import math
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from jaxtyping import Float32, Shaped

from monosome.atomic import replacing
from monosome.errors import DataError
from monosome.rna.evolution import Evolution
from monosome.rna.pairing import Pairing, at_most_certain, pairs_of

THERMO, COUPLING, DIHEDRAL = "thermo_features", "mi_features", "dihedral_features"
"""Ends of the names of the files: {id}_thermo_features.npz and so on."""
NAMES = {THERMO: (THERMO,), COUPLING: (COUPLING, "features"), DIHEDRAL: (DIHEDRAL,)}
"""Ends under which each kind is found; the first is the one written."""
ALIASES = {"pairing_probs": "base_pair_probs", "coupling_matrix": "scores"}
"""Second names of entries; both are written."""
SLACK = 1e-3
"""What sums of probabilities may be above 1, and energies out of order, by rounding."""

_LAYOUT: Mapping[str, tuple[str, ...]] = {
    THERMO: (
        *("structure", "mfe", "ensemble_energy", "mfe_probability"),
        *("positional_entropy", "accessibility", "pairing_probs"),
    ),
    COUPLING: ("coupling_matrix", "conservation"),
    DIHEDRAL: ("features",),
}
_NUMBERS = ("mfe", "ensemble_energy", "mfe_probability", "gc_content")
_RANGES = {
    **dict.fromkeys(("mfe_probability", "accessibility", "pairing_probs"), (0.0, 1.0)),
    "positional_entropy": (0.0, math.inf),
    "features": (-1.0, 1.0),
    "gc_content": (0.0, 100.0),
}
"""What the values of an entry must lie within, to SLACK; all must be finite."""
_MAX_HEADER = 1 << 14
"""Bytes at the start of an entry that are looked at for its type and shape; numpy itself writes 128."""
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_OTHER = "give the file of this sequence"
_ANSWER = "dihedral features are computed from the coordinates, the answer: they are no input"


@dataclass(frozen=True, eq=False)
class NpzFeatures:
    """What feature files say of a sequence, None where they do not; energies in kcal/mol.

    The names are those of the files. `pairing_probs` is symmetric; `coupling_matrix` is mutual information less its
    background (APC), symmetric; `features` are sine and cosine of η and θ, NaN at the ends, and computed from the
    answer. `notes` tell what was passed over or put right, and why.
    """

    sequence: str
    structure: str | None = None
    mfe: float | None = None
    ensemble_energy: float | None = None
    mfe_probability: float | None = None
    positional_entropy: Float32[np.ndarray, "n"] | None = None
    accessibility: Float32[np.ndarray, "n"] | None = None
    pairing_probs: Float32[np.ndarray, "n n"] | None = None
    coupling_matrix: Float32[np.ndarray, "n n"] | None = None
    conservation: Float32[np.ndarray, "n"] | None = None
    features: Float32[np.ndarray, "n 4"] | None = None
    notes: tuple[str, ...] = ()


def read_npz(path: Path, sequence: str, allow_answer: bool = False) -> NpzFeatures:
    """What one feature file says of a sequence.

    Nothing is unpickled: entries that are pickles are passed over. Pair probabilities whose sums pass 1 are brought
    down to it, a triangle is mirrored, and an ensemble energy above that of the structure of least energy is dropped:
    `notes` tell. Dihedral features are refused unless `allow_answer`: they are for targets. Raises DataError for a file
    that is damaged, of another length, or of which nothing can be used.
    """
    return _features([path], sequence, allow_answer)


def read_all(folder: Path, name: str, sequence: str, allow_answer: bool = False) -> NpzFeatures:
    """What the feature files of a chain in a folder say together, each as `read_npz` has it."""
    paths = [folder / f"{name}_{end}.npz" for ends in NAMES.values() for end in ends]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise DataError(f"no feature files of {name} are in {folder}", f"they are called {paths[0].name} and so on")
    return _features(found, sequence, allow_answer)


def gathered(sequence: str, pairing: Pairing | None = None, related: Evolution | None = None) -> NpzFeatures:
    """What is to be written of a sequence's thermodynamics and relatives; energies that are not known are None."""
    features = NpzFeatures(sequence)
    if pairing is not None:
        features = replace(
            features,
            structure=pairing.structure,
            mfe=_known(pairing.mfe),
            ensemble_energy=_known(pairing.ensemble_energy),
            mfe_probability=_known(pairing.mfe_probability),
            positional_entropy=pairing.positional_entropy,
            accessibility=pairing.unpaired,
            pairing_probs=pairing.probabilities,
        )
    if related is not None:
        features = replace(features, coupling_matrix=related.coupling, conservation=related.conservation)
    return features


def write_npz(folder: Path, name: str, features: NpzFeatures) -> list[Path]:
    """The files written, those of THERMO, COUPLING and DIHEDRAL that there is something for, both names of an entry."""
    sequence, written = features.sequence, []
    for kind, names in _LAYOUT.items():
        values = {key: value for key in names if (value := getattr(features, key)) is not None}
        if not values:
            continue
        if kind == THERMO:
            values["gc_content"] = _gc_content(sequence)
        values |= {ALIASES[key]: value for key, value in values.items() if key in ALIASES}
        path = folder / f"{name}_{kind}.npz"
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **values)
        written.append(path)
    return written


@dataclass(frozen=True)
class Entry:
    """An array that a file says it holds; nothing but its header has been read."""

    path: Path
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    is_fortran: bool
    offset: int

    @property
    def is_pickle(self) -> bool:
        """Whether reading it could run code."""
        return self.dtype.hasobject

    @property
    def is_number(self) -> bool:
        """Whether it holds real numbers."""
        return self.dtype.kind in "fiub" and self.dtype.subdtype is None

    def read(self) -> Shaped[np.ndarray, "..."]:
        """The array; look at its shape first, which may be of any size. DataError where the file is damaged."""
        size = math.prod(self.shape) * self.dtype.itemsize
        with _reading(self.path), _opened(self.path, self.name) as stream:
            stream.read(self.offset)
            content = stream.read(size + 1)  # to the end, where zipfile compares checksums
            if len(content) != size or self.is_pickle:
                raise ValueError(f"{self.name!r} has {len(content)} bytes, not {size}")
            return np.frombuffer(content, self.dtype).reshape(self.shape, order="F" if self.is_fortran else "C")


def find_entries(path: Path) -> list[Entry]:
    """The arrays that an NPZ or NPY file says it holds; DataError where it is missing, damaged or neither."""
    with _reading(path):
        if not zipfile.is_zipfile(path):
            path.stat()
            return [_entry(path, "")]
        with zipfile.ZipFile(path) as archive:
            names = [member.removesuffix(".npy") for member in archive.namelist() if member.endswith(".npy")]
        return [_entry(path, name) for name in dict.fromkeys(names)]


def _entry(path: Path, name: str) -> Entry:
    with _opened(path, name) as stream:
        head = io.BytesIO(stream.read(_MAX_HEADER))
    version = np.lib.format.read_magic(head)
    if version not in _HEADERS:
        raise ValueError(f"{name!r} is of NPY version {version[0]}.{version[1]}")
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # that Python 2 wrote it
        shape, is_fortran, dtype = _HEADERS[version](head)
    return Entry(path, name, dtype, shape, is_fortran, head.tell())


@contextmanager
def _opened(path: Path, name: str) -> Iterator[IO[bytes]]:
    """An entry of an NPZ file, or, without a name, an NPY file."""
    if not name:
        with path.open("rb") as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name!r} is compressed as numpy does not")
        with archive.open(member) as stream:
            yield stream


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """DataError for all that zipfile and numpy say of a file that is damaged, encrypted or something else."""
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot read {path}: {error}", "check the path") from error
    except (ValueError, EOFError, RuntimeError, SyntaxError, TokenError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is no sound NPZ or NPY file: {error}", "write it anew with numpy.savez") from error


def _features(paths: list[Path], sequence: str, allow_answer: bool) -> NpzFeatures:
    values, notes = dict[str, Any](), list[str]()
    for path in paths:
        for entry in find_entries(path):
            fault = _take(values, entry, sequence, allow_answer)
            notes += [f"{path.name}: {fault}"] if fault else []
    notes += _mend(values, sequence)
    if not values:
        is_answer = any(_ANSWER in note for note in notes)
        hint = "allow_answer=True reads them, for targets" if is_answer else "make it anew"
        raise DataError(f"nothing in {paths[0]} can be used: {'; '.join(notes) or 'it is empty'}", hint)
    return NpzFeatures(sequence, **values, notes=tuple(notes))


def _take(values: dict[str, Any], entry: Entry, sequence: str, allow_answer: bool) -> str:
    """Put an entry where it belongs; or what speaks against it."""
    name = next((own for own, other in ALIASES.items() if entry.name == other), entry.name)
    if name not in (*_NUMBERS, *(key for keys in _LAYOUT.values() for key in keys)):
        return f"{entry.name!r} is not known"
    if name == "features" and not allow_answer:
        return _ANSWER
    if entry.is_pickle:
        return f"{entry.name!r} is a pickle, which may hold code: not read"
    try:
        value = _text(entry, len(sequence)) if name == "structure" else _numbers(entry, name, len(sequence))
    except _UnusableError as error:
        return f"{entry.name!r} {error}"
    if name in values and not np.array_equal(values[name], value, equal_nan=name != "structure"):
        return f"{entry.name!r} differs from the same under its other name, which is used"
    values.setdefault(name, value)
    return ""


class _UnusableError(Exception):
    """Why an entry is passed over."""


def _text(entry: Entry, length: int) -> str:
    if entry.dtype.kind not in "US" or math.prod(entry.shape) != 1:
        raise _UnusableError("is no text")
    width = entry.dtype.itemsize // (4 if entry.dtype.kind == "U" else 1)
    if width != length:
        raise DataError(f"{entry.path}: the structure has {width} letters for {length} residues", _OTHER)
    letter = entry.read().reshape(-1)[0]
    text = str(letter.decode("latin-1") if isinstance(letter, bytes) else letter)
    try:
        pairs_of(text)
    except DataError as error:
        raise _UnusableError(f"is no structure: {error.message}") from error
    return text


def _numbers(entry: Entry, name: str, length: int) -> float | Float32[np.ndarray, "..."]:
    if not entry.is_number:
        raise _UnusableError(f"holds {entry.dtype}, not numbers")
    shape = {"pairing_probs": (length, length), "coupling_matrix": (length, length), "features": (length, 4)}.get(
        name, () if name in _NUMBERS else (length,)
    )
    if entry.shape != shape and not (shape == () and entry.shape == (1,)):
        fault = f"{entry.name!r} has shape {entry.shape} for {length} residues, not {shape}"
        raise DataError(f"{entry.path}: {fault}", _OTHER)
    values = entry.read().astype(np.float64)
    known = np.isnan(values) if name == "features" else np.zeros(shape, dtype=bool)
    low, high = _RANGES.get(name, (-math.inf, math.inf))
    wrong = ~(np.isfinite(values) & (values >= low - SLACK) & (values <= high + SLACK)) & ~known
    if wrong.any():
        raise _UnusableError(f"has {wrong.sum()} values that are not finite, or not within {low:g} to {high:g}")
    return float(values.reshape(-1)[0]) if shape == () else values.clip(low, high).astype(np.float32)


def _mend(values: dict[str, Any], sequence: str) -> list[str]:
    """Put right or drop what is known to be wrong in such files; and what was."""
    notes = []
    share = values.pop("gc_content", None)
    if share is not None and min(abs(_gc_content(sequence) - share), abs(_gc_content(sequence) - share / 100)) > 0.01:
        notes.append(
            f"gc_content is {share:g}, but {_gc_content(sequence):.3g} of this sequence: is the file another's?"
        )
    if values.get("ensemble_energy", -math.inf) > values.get("mfe", math.inf) + SLACK:
        energies = f"{values.pop('ensemble_energy'):.2f} is above the least energy of a structure, {values['mfe']:.2f}"
        values.pop("mfe_probability", None)
        notes.append(f"ensemble_energy {energies}, which cannot be: left out, and mfe_probability with it")
    for name in ("pairing_probs", "coupling_matrix"):
        if name in values:
            values[name], fault = _symmetric(values[name])
            notes += [f"{name} {fault}"] if fault else []
    if "pairing_probs" in values:
        np.fill_diagonal(values["pairing_probs"], 0)
        sums = values["pairing_probs"].sum(axis=1)
        if (sums > 1 + SLACK).any():
            fault = f"sum past 1 at {(sums > 1 + SLACK).sum()} residues, to {sums.max():.3g}: brought down to 1"
            notes.append(f"pairing_probs {fault}")
        values["pairing_probs"] = at_most_certain(values["pairing_probs"])
    return notes


def _symmetric(matrix: Float32[np.ndarray, "n n"]) -> tuple[Float32[np.ndarray, "n n"], str]:
    """The matrix made symmetric, and what was done: a triangle is mirrored, of two ways the mean is taken."""
    if np.allclose(matrix, matrix.T, atol=SLACK):
        return (matrix + matrix.T) / 2, ""
    upper, lower = np.triu(matrix, 1), np.tril(matrix, -1)
    if not upper.any() or not lower.any():
        return matrix + upper.T + lower.T, "is a triangle: mirrored"
    return (matrix + matrix.T) / 2, "is not symmetric: the mean of both ways is taken"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _gc_content(sequence: str) -> float:
    return sum(base in "GC" for base in sequence) / max(len(sequence), 1)
