import gzip
from pathlib import Path

import pytest

from monosome.errors import DataError
from monosome.rna.files import write_structure
from monosome.rna.geometry import hairpin
from monosome.rna.sources import Source, is_list, read_source, sources

HEADER = "target_id,sequence,temporal_cutoff\n"


def test_a_place_is_read_by_what_is_in_it(tmp_path: Path):
    write_structure(hairpin("GGCACGAAAGUGCC", 5), tmp_path / "one.cif")
    (tmp_path / "ids.txt").write_text("# mine\n1EHZ\n")
    (tmp_path / "x.fasta").write_text("\n>a\nACGU\n")
    (tmp_path / "x.fa.gz").write_bytes(gzip.compress(b">a\nACGU\n"))
    assert [source.name for source in sources(tmp_path)] == ["one.cif"]
    assert [path.name for path in sorted(tmp_path.iterdir()) if is_list(path)] == ["ids.txt"]
    for name in ("x.fasta", "x.fa.gz"):
        entries, notes = read_source(*sources(tmp_path / name))
        assert [(entry.chain.id, entry.chain.sequence) for entry in entries] == [("a", "ACGU")]
        assert notes == []
    assert not is_list(tmp_path / "gone")
    assert not is_list(tmp_path)


def test_kaggle_tables_are_found_by_folder_or_by_name(tmp_path: Path):
    (tmp_path / "train_sequences.csv").write_text(HEADER + "a,ACGU,2020-01-01\n")
    (tmp_path / "train_labels.csv").write_text("ID,resid,x_1,y_1,z_1\n")
    (tmp_path / "test_sequences.csv").write_text(HEADER + "b,ACGU,2020-01-01\n")
    test, train = sources(tmp_path)
    assert (test.name, len(test.files), test.has_coordinates) == ("test_sequences.csv", 1, False)
    assert (train.name, len(train.files), train.has_coordinates) == ("train_sequences.csv", 2, True)
    assert sources(tmp_path / "train_sequences.csv") == [train]
    assert read_source(train) == ([], ["1 sequences without labels"])


def test_chosen_chains_are_part_of_a_sources_name_and_digest(tmp_path: Path):
    write_structure(hairpin("GGCACGAAAGUGCC", 5), tmp_path / "one.cif")
    whole = Source("one.cif", (tmp_path / "one.cif",))
    chosen = Source("one.cif", (tmp_path / "one.cif",), chains=("A", "B"))
    assert whole.sha256() != chosen.sha256()
    assert [entry.chain.id for entry in read_source(whole)[0]] == ["one"]
    entries, notes = read_source(chosen)
    assert [entry.chain.id for entry in entries] == ["one_A"]
    assert notes == ["one.cif: there is no RNA chain B"]


def test_nothing_to_read_says_what_can_be(tmp_path: Path):
    with pytest.raises(DataError) as caught:
        sources(tmp_path / "gone")
    assert "FASTA" in caught.value.hint
