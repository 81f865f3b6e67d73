"""Structure files that are cut, mixed up or overwritten give a clear error or a correct score, never a traceback."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna.chain import Chain
from monosome.rna.files import write_structure
from monosome.rna.geometry import hairpin
from monosome.rna.metrics import Assessment, assess

NUM_FILES = 500
NATIVE = hairpin("GGCACGGAAACGUGCCAUUA", 6, num_trailing=4)


def model() -> Chain:
    noise = np.random.default_rng(0).normal(size=NATIVE.atoms.shape).astype(np.float32)
    return replace(NATIVE, atoms=NATIVE.atoms + noise)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damage")
    write_structure(NATIVE, folder / "native.cif")
    write_structure(model(), folder / "model.cif")
    write_structure(model(), folder / "model.pdb", format="pdb")
    return folder


def is_atom(line: bytes) -> bool:
    return line.startswith((b"ATOM", b"HETATM"))


def shuffled(lines: list[bytes], draw: np.random.Generator) -> list[bytes]:
    """The lines of atoms in another order, the others where they were."""
    places = [place for place, line in enumerate(lines) if is_atom(line)]
    mixed = list(lines)
    for place, other in zip(places, draw.permutation(places), strict=True):
        mixed[place] = lines[other]
    return mixed


def damaged(content: bytes, kind: str, draw: np.random.Generator) -> bytes:
    """The file with one kind of damage."""
    lines = content.splitlines(keepends=True)
    atoms = [place for place, line in enumerate(lines) if is_atom(line)]
    if kind == "truncated":
        return content[: int(draw.integers(len(content)))]
    if kind == "shuffled":
        return b"".join(shuffled(lines, draw))
    if kind == "lines lost":
        return b"".join(line for line in lines if not (is_atom(line) and draw.random() < 0.3))
    if kind == "lines twice":
        return b"".join(line * (2 if is_atom(line) and draw.random() < 0.3 else 1) for line in lines)
    if kind == "bytes":
        values = bytearray(content)
        for place in draw.integers(len(content), size=int(draw.integers(1, 60))):
            values[place] = int(draw.integers(256))
        return bytes(values)
    if kind == "words":
        words = [b"nan", b"1e99", b"-", b"?", b"XXX", b"-99999999.999", b"\xff\xfe", b"'", b""]
        for place in draw.choice(atoms, size=5):
            parts = lines[place].split(b" ")
            parts[int(draw.integers(len(parts)))] = words[int(draw.integers(len(words)))]
            lines[place] = b" ".join(parts)
        return b"".join(lines)
    return gzip.compress(content, mtime=0)[: int(draw.integers(20, 400))]


KINDS = ("truncated", "shuffled", "lines lost", "lines twice", "bytes", "words", "gzip cut")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", ["cif", "pdb"])
def test_a_damaged_model_is_refused_or_scored(folder: Path, tmp_path: Path, kind: str, suffix: str):
    content, native = (folder / f"model.{suffix}").read_bytes(), folder / "native.cif"
    whole = assess(folder / f"model.{suffix}", native)
    path = tmp_path / (f"x.{suffix}.gz" if kind == "gzip cut" else f"x.{suffix}")
    num_scored, refusals = 0, []
    for seed in range(-(-NUM_FILES // (2 * len(KINDS)))):
        path.write_bytes(damaged(content, kind, np.random.default_rng(seed)))
        try:
            found = assess(path, native)
        except DataError as error:
            refusals.append(error.message)
            continue
        num_scored += 1
        check(found, whole, kind)
    assert all(message and "\n" not in message for message in refusals)
    assert num_scored or kind == "gzip cut"
    assert kind not in ("shuffled", "lines twice", "lines lost") or num_scored == 36


def check(found: Assessment, whole: Assessment, kind: str) -> None:
    """That scores are in their ranges, and are those of the whole file where nothing is lost."""
    assert found.length == 20
    for name in ("tm_score", "lddt", "gdt_ts", "inf_all"):
        value = getattr(found, name)
        assert value is None or 0 <= value <= 1 + 1e-6, name
    assert found.rmsd is None or found.rmsd >= 0
    if kind in ("shuffled", "lines twice"):
        assert found.tm_score == pytest.approx(whole.tm_score, abs=1e-4)
        assert found.lddt == pytest.approx(whole.lddt, abs=1e-4)
        assert found.inf_all == pytest.approx(whole.inf_all)
        assert found.mcq == pytest.approx(whole.mcq, abs=1e-3)
