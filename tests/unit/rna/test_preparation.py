from pathlib import Path

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna import prepared
from monosome.rna.dataset import read_collection
from monosome.rna.files import write_structure
from monosome.rna.geometry import hairpin
from monosome.rna.preparation import PARTIAL, prepare
from monosome.rna.prepared import COLUMNS, MANIFEST

SEQUENCES = {"one": ("GGCACGAAAGUGCC", 5), "two": ("GGAUAGCUUCGGCUAUCC", 7), "three": ("GGCACGAAAGUGCC", 5)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for name, (sequence, num_pairs) in SEQUENCES.items():
        write_structure(hairpin(sequence, num_pairs), folder / f"{name}.cif")
    return folder


def nothing(done: int, total: int) -> None:
    """Watch idly."""


def test_the_prepared_folder_reads_as_its_source(source: Path, tmp_path: Path):
    out = tmp_path / "out"
    steps: list[tuple[int, int]] = []
    made = prepare(source, out, lambda done, total: steps.append((done, total)))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert made.num_kept == 0
    before, after = read_collection(source), read_collection(out)
    assert after.content_hash == before.content_hash
    assert after.groups == before.groups
    assert after.notes == ()
    header, *rows = (out / MANIFEST).read_text().splitlines()
    assert header == ",".join(COLUMNS)
    assert rows[0].startswith("one,GGCACGAAAGUGCC,14,14,,,")
    assert sorted(path.name for path in out.rglob("*")) == ["chains", MANIFEST, "one.npz", "three.npz", "two.npz"]


def test_what_is_whole_is_kept_and_what_is_not_is_made_again(source: Path, tmp_path: Path):
    out = tmp_path / "out"
    prepare(source, out, nothing)
    content = {path.name: path.read_bytes() for path in out.rglob("*.*")}
    (out / "chains" / "one.npz").write_bytes(b"damaged")
    write_structure(hairpin("GGCACGAAAGUGCC", 5).subset(range(12)), source / "three.cif")
    made = prepare(source, out, nothing)
    assert made.num_kept == 1
    assert (out / "chains" / "one.npz").read_bytes() == content["one.npz"]
    assert (out / "chains" / "three.npz").read_bytes() != content["three.npz"]


def test_an_interrupted_run_goes_on(source: Path, tmp_path: Path):
    out = tmp_path / "out"

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(source, out, stop)
    assert not (out / MANIFEST).exists()
    assert not prepared.is_prepared(out)
    assert prepare(source, out, nothing).num_kept == 2
    assert not (out / PARTIAL).exists()
    assert len(read_collection(out).chains) == 3


def test_a_damaged_chain_is_named(source: Path, tmp_path: Path):
    out = tmp_path / "out"
    prepare(source, out, nothing)
    (out / "chains" / "two.npz").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"two\.npz"):
        read_collection(out)
    (out / "chains" / "two.npz").unlink()
    with pytest.raises(DataError, match=r"two\.npz"):
        read_collection(out)


def test_nothing_usable_is_an_error_and_no_manifest(tmp_path: Path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "x.cif").write_text("data_x\n")
    with pytest.raises(DataError, match="no usable RNA chain"):
        prepare(tmp_path / "source", tmp_path / "out", nothing)
    assert not (tmp_path / "out" / MANIFEST).exists()


def test_another_manifest_is_not_overwritten(source: Path):
    (source / MANIFEST).write_text("id,date,resolution\none,2001-02-03,2\n")
    with pytest.raises(DataError, match="holds another"):
        prepare(source, source, nothing)


def test_npz_files_hold_plain_arrays(source: Path, tmp_path: Path):
    prepare(source, tmp_path / "out", nothing)
    with np.load(tmp_path / "out" / "chains" / "one.npz", allow_pickle=False) as values:
        assert str(values["sequence"]) == "GGCACGAAAGUGCC"
        assert values["atoms"].shape == (14, 27, 3)
        assert values["atoms"].dtype == np.float32
