import csv
import json
from pathlib import Path

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna import prepared
from monosome.rna.dataset import read_collection
from monosome.rna.files import write_structure
from monosome.rna.geometry import hairpin
from monosome.rna.preparation import LEAKS, LEDGER, Preparation, Request, prepare
from monosome.rna.prepared import COLUMNS, MANIFEST, unfinished
from monosome.sequences.fasta import Record, write_fasta

SEQUENCES = {"one": ("GGCACGAAAGUGCC", 5), "two": ("GGAUAGCUUCGGCUAUCC", 7), "three": ("GGCACGAAAGUGCC", 5)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for name, (sequence, num_pairs) in SEQUENCES.items():
        write_structure(hairpin(sequence, num_pairs), folder / f"{name}.cif")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))


def made(source: Path, out: Path, held_out: Path | None = None, num_workers: int = 1) -> Preparation:
    return prepare(Request(source, out, num_workers, held_out), lambda done, total: None)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*.npz")}


def test_the_prepared_folder_reads_as_its_source(source: Path, tmp_path: Path):
    out = tmp_path / "out"
    steps: list[tuple[int, int]] = []
    assert prepare(Request(source, out), lambda done, total: steps.append((done, total))).num_kept == 0
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    before, after = read_collection(source), read_collection(out)
    assert after.content_hash == before.content_hash
    assert after.groups == before.groups
    assert after.notes == ()
    header, *rows = (out / MANIFEST).read_text().splitlines()
    assert header == ",".join(COLUMNS)
    assert rows[0].startswith("one,GGCACGAAAGUGCC,14,14,,,")
    assert sorted(contents(out)) == ["one.npz", "three.npz", "two.npz"]


def test_the_number_of_workers_changes_nothing(source: Path, tmp_path: Path):
    alone, shared = made(source, tmp_path / "alone"), made(source, tmp_path / "shared", num_workers=2)
    assert alone == shared
    assert contents(tmp_path / "alone") == contents(tmp_path / "shared")


def test_what_is_whole_is_kept_and_what_is_not_is_made_again(source: Path, tmp_path: Path):
    out = tmp_path / "out"
    made(source, out)
    content = contents(out)
    (out / "chains" / "one.npz").write_bytes(b"damaged")
    write_structure(hairpin("GGCACGAAAGUGCC", 5).subset(range(12)), source / "three.cif")
    assert made(source, out).num_kept == 1
    assert (out / "chains" / "one.npz").read_bytes() == content["one.npz"]
    assert (out / "chains" / "three.npz").read_bytes() != content["three.npz"]


def test_an_interrupted_run_goes_on(source: Path, tmp_path: Path):
    out = tmp_path / "out"

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(Request(source, out), stop)
    assert not prepared.is_prepared(out)
    # What a process that was killed leaves: half a line, and half a file under a name that nothing reads.
    with (out / LEDGER).open("a") as ledger:
        ledger.write('{"chain": {"id": "thr')
    (out / "chains" / ".three.npz.0123.tmp").write_bytes(b"half")
    assert made(source, out).num_kept == 2
    assert len(read_collection(out).chains) == 3
    assert unfinished(out) == []
    lines = [json.loads(line) for line in (out / LEDGER).read_text().splitlines()]
    assert sorted(line["chain"]["id"] for line in lines if "chain" in line) == ["one", "three", "two"], "once each"


def test_what_was_left_out_is_said_again_by_the_next_run(source: Path, tmp_path: Path):
    (source / "broken.cif").write_text("data_x\n")
    first, second = made(source, tmp_path / "out"), made(source, tmp_path / "out")
    assert second.num_kept == 3
    assert first.notes == second.notes
    assert "broken.cif" in first.notes[0]


def test_relatives_of_what_is_held_out_are_left_out_and_listed(source: Path, tmp_path: Path):
    parent = "AUAUA" + SEQUENCES["two"][0] + "UAUAU"
    write_fasta([Record("target", "", parent), Record("stranger", "", "CACACACA")], tmp_path / "held_out.fasta")
    out = tmp_path / "out"
    found = made(source, out, tmp_path / "held_out.fasta")
    assert [row["id"] for row in found.rows] == ["one", "three"]
    assert found.notes == ("two: a relative of target (100% identity), held out",)
    with (out / LEAKS).open() as lines:
        (row,) = csv.DictReader(lines)
    assert (row["train"], row["valid"], float(row["identity"])) == ("two", "target", 1.0)
    assert float(row["chance"]) < 0.01
    assert len(made(source, out).rows) == 3, "without the held-out set they are there again"


def test_a_fasta_file_makes_chains_without_coordinates(tmp_path: Path):
    source = tmp_path / "many.fasta"
    write_fasta([Record("x/1", "", "GGGGAAACCCC"), Record("odd", "", "GGNCC"), Record("y", "", "ggt")], source)
    found = made(source, tmp_path / "out")
    assert [(row["id"], row["sequence"], row["num_resolved"]) for row in found.rows] == [
        ("x/1", "GGGGAAACCCC", "0"),
        ("y", "GGU", "0"),
    ]
    assert found.notes == ("odd: 'N' at position 3 stands for any base", "y: 1 T read as U")
    assert [entry.num_resolved for entry in prepared.read_prepared(tmp_path / "out")] == [0, 0]
    with pytest.raises(DataError, match="no chain has coordinates"):
        read_collection(tmp_path / "out")


def test_a_damaged_chain_is_named(source: Path, tmp_path: Path):
    out = tmp_path / "out"
    made(source, out)
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
        made(tmp_path / "source", tmp_path / "out")
    assert not (tmp_path / "out" / MANIFEST).exists()


def test_another_manifest_is_not_overwritten(source: Path):
    (source / MANIFEST).write_text("id,date,resolution\none,2001-02-03,2\n")
    with pytest.raises(DataError, match="holds another"):
        made(source, source)


def test_npz_files_hold_plain_arrays(source: Path, tmp_path: Path):
    made(source, tmp_path / "out")
    with np.load(tmp_path / "out" / "chains" / "one.npz", allow_pickle=False) as values:
        assert str(values["sequence"]) == "GGCACGAAAGUGCC"
        assert values["atoms"].shape == (14, 27, 3)
        assert values["atoms"].dtype == np.float32


def test_the_models_of_an_ensemble_are_kept_and_a_chain_without_has_the_file_it_always_had(tmp_path: Path):
    chain = hairpin(*SEQUENCES["one"])
    models = np.stack([chain.atoms + np.float32(step) for step in (1, 2)])
    alone = prepared.write_entry(tmp_path / "alone", prepared.Entry(chain), "x")
    several = prepared.write_entry(tmp_path / "several", prepared.Entry(chain, models=models), "x")
    for folder, row in (("alone", alone), ("several", several)):
        prepared.write_manifest(tmp_path / folder / MANIFEST, [row | {"cluster": "0"}])
    one, other = (read_collection(tmp_path / folder) for folder in ("alone", "several"))
    assert one.models == {}
    assert np.array_equal(other.models[chain.id], models, equal_nan=True)
    assert np.array_equal(other.chains[0].atoms, chain.atoms, equal_nan=True), "the first stays the chain"
    assert one.content_hash != other.content_hash
    with np.load(tmp_path / "alone" / "chains" / "hairpin.npz", allow_pickle=False) as values:
        assert values.files == ["sequence", "atoms", "residue_numbers", "segments"]


def test_a_folder_of_structures_can_be_held_out(source: Path, tmp_path: Path):
    folder = tmp_path / "targets"
    folder.mkdir()
    write_structure(hairpin(*SEQUENCES["two"]), folder / "target.cif")
    found = made(source, tmp_path / "out", folder)
    assert [row["id"] for row in found.rows] == ["one", "three"]
    assert found.notes == ("two: a relative of target (100% identity), held out",)
