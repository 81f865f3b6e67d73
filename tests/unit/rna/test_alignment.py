import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosome.errors import DataError
from monosome.rna.alignment import GAP, Alignment, read_alignment

FASTA = ">query\nACG-UU\n>b\nacgtTu\n>b\nA-RGnT\n"
STOCKHOLM = """# STOCKHOLM 1.0
#=GF ID toy

query  ACG-
b      acgt
c      A.RG
#=GC SS_cons ....

query  UU
b      Tu
c      nT
//
"""
A3M = ">query\nACGUU\n>b\nACGtUU\n>b\nA-RgNU\n"
A2M = ">query\nACG.UU\n>b\nACGtUU\n>b\nA-RgNU\n"
ROWS = [[0, 1, 2, 3, 3], [0, 1, 2, 3, 3], [0, GAP, GAP, GAP, 3]]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.fasta", FASTA),
        ("a.afa.gz", FASTA),
        ("a.sto", STOCKHOLM),
        ("a.stk.gz", STOCKHOLM),
        ("a.a3m", A3M),
        ("a.a2m.gz", A2M),
        ("a.fasta", A3M),  # Kaggle's are of this kind
        ("a.fasta", FASTA.replace("\n", "\r\n")),
    ],
)
def test_each_format_gives_the_columns_of_the_query(tmp_path: Path, name: str, text: str):
    alignment = read_alignment(write(tmp_path, name, text))
    assert alignment.query == "ACGUU"
    assert alignment.rows.tolist() == ROWS
    assert (len(alignment), alignment.depth) == (5, 3)


def test_a_query_that_is_not_the_first_row_is_found_by_its_sequence(tmp_path: Path):
    path = write(tmp_path, "a.fasta", FASTA)
    alignment = read_alignment(path, query="ACGTTU")
    assert alignment.query == "ACGUUU"
    assert alignment.rows[0].tolist() == [0, 1, 2, 3, 3, 3]
    assert alignment.rows[1].tolist() == [0, 1, 2, GAP, 3, 3]


def test_inserted_letters_of_the_query_keep_a_column(tmp_path: Path):
    alignment = read_alignment(write(tmp_path, "a.a2m", ">query\nAcG-U\n>b\nAaGCU\n"))
    assert alignment.query == "ACGU"
    assert alignment.rows.tolist() == [[0, 1, 2, 3], [0, GAP, 2, 3]]


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.fasta", "", "has no rows"),
        ("a.fasta", "ACGU\n", "line 1: a row stands before the first name"),
        ("a.fasta", ">q\nACGU\n>b\nAC\n", "line 3: this row has 2 columns, but that of the query 4"),
        ("a.a3m", ">q\nACGU\n>b\nACgg\n", "line 3: this row has 2 columns"),
        ("a.fasta", ">q\nACGU\n\n>b\nAC1U\n", "line 4: '1' is no RNA base"),
        ("a.fasta", ">q\nMKVLE\n", "line 1: 'L' is no RNA base"),
        ("a.fasta", ">q\nACGÜ\n", "is no RNA base"),
        ("a.fasta", ">q\n----\n>b\nACGU\n", "line 1: the first row is empty"),
        ("a.sto", "# STOCKHOLM 1.0\nq AC GU\n//\n", "line 2: this is not a name and its row"),
        ("a.sto", "# STOCKHOLM 1.0\nq ACGU\n//\n# STOCKHOLM 1.0\nr AC\n", "line 4: a second alignment begins"),
        ("a.sto", "# STOCKHOLM 1.0\nq ACGU\nb AC\n//\n", "line 3: this row has 2 columns"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(tmp_path: Path, name: str, text: str, fault: str):
    path = write(tmp_path, name, text)
    with pytest.raises(DataError) as raised:
        read_alignment(path)
    assert fault in raised.value.message
    assert str(path) in raised.value.message


def test_a_query_that_is_not_there_and_a_missing_file_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"no row of .* is the sequence of 4 residues; its first has 5"):
        read_alignment(write(tmp_path, "a.fasta", FASTA), query="ACGU")
    with pytest.raises(DataError, match="cannot read"):
        read_alignment(tmp_path / "absent.fasta")


def neighbours(rows: np.ndarray) -> list[int]:
    """One row after the other."""
    return [int((5 * (rows == row).sum(axis=1) >= 4 * rows.shape[1]).sum()) for row in rows]


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 30))
def test_weights_are_one_over_the_number_of_neighbours(seed: int, num_rows: int, length: int):
    draw = np.random.default_rng(seed)
    parents = draw.integers(5, size=(3, length))
    changed = draw.random((num_rows, length)) < 0.2
    rows = np.where(changed, draw.integers(5, size=(num_rows, length)), parents[draw.integers(3, size=num_rows)])
    alignment = Alignment("A" * length, rows.astype(np.uint8))
    np.testing.assert_allclose(1 / alignment.weights, neighbours(rows), rtol=1e-6)


def test_weights_do_not_depend_on_how_many_rows_are_compared_at_once(monkeypatch: pytest.MonkeyPatch):
    rows = np.random.default_rng(0).integers(2, size=(100, 8)).astype(np.uint8)
    whole = Alignment("A" * 8, rows).weights
    monkeypatch.setattr("monosome.rna.alignment.ROWS_AT_ONCE", 7)
    np.testing.assert_array_equal(Alignment("A" * 8, rows).weights, whole)


def test_copies_count_once_together():
    row = np.array([0, 1, 2, 3, 0], dtype=np.uint8)
    alignment = Alignment("ACGUA", np.stack([row] * 9 + [3 - row]))
    assert alignment.effective_depth == pytest.approx(2)


def test_thinning_keeps_the_query_and_reaches_to_the_end():
    rows = np.arange(100, dtype=np.uint8)[:, None] % 5
    alignment = Alignment("A", rows)
    assert alignment.thinned(100) is alignment
    kept = alignment.thinned(7).rows
    np.testing.assert_array_equal(kept[:, 0], np.array([0, 14, 28, 42, 57, 71, 85]) % 5)


@pytest.mark.data
def test_real_alignments_have_the_columns_of_their_chain(data_folder: Path):
    files = sorted((data_folder / "rna_msa_kaggle").glob("*.gz"))[::20]
    files += sorted((data_folder / "rna_ts60" / "MSAs").glob("*.gz"))[::10]
    assert len(files) > 40
    for file in files:
        alignment = read_alignment(file)
        assert set(alignment.query) <= set("ACGU")
        assert (
            read_alignment(file, query=alignment.query).rows.shape
            == alignment.rows.shape
            == (
                gzip.decompress(file.read_bytes()).count(b">"),
                len(alignment.query),
            )
        )
