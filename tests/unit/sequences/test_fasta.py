import gzip
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosome.errors import DataError
from monosome.sequences.fasta import Record, iter_fasta, read_fasta, write_fasta

words = st.text("ACGUacgu-.XYZ|_0189", min_size=1, max_size=12)
records = st.lists(
    st.builds(Record, words, st.lists(words, max_size=3).map(" ".join), st.text("ACGUN-", min_size=1, max_size=200)),
    min_size=1,
    max_size=8,
    unique_by=lambda record: record.id,
)


@given(records)
def test_what_is_written_is_read_back(written: list[Record]):
    stream = io.StringIO()
    write_fasta(written, stream)
    assert all(len(line) <= 60 for line in stream.getvalue().splitlines() if not line.startswith(">"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.fasta"
        file.write_text(stream.getvalue())
        assert read_fasta(file) == written


@pytest.mark.parametrize("name", ["a.fasta", "a.fasta.gz"])
def test_files_plain_and_gzipped(tmp_path: Path, name: str):
    written = [Record("1ehz_A", "tRNA-Phe | yeast", "GCGGAUUUAGCUC" * 9), Record("2", "", "MKV")]
    write_fasta(written, tmp_path / name)
    assert read_fasta(tmp_path / name) == written
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_equal_records_make_equal_gzip_files(tmp_path: Path):
    for name in ("a.fa.gz", "b.fa.gz"):
        write_fasta([Record("a", "", "ACGU")], tmp_path / name)
    assert (tmp_path / "a.fa.gz").read_bytes() == (tmp_path / "b.fa.gz").read_bytes()


def test_gzip_is_known_by_content_and_windows_files_are_read(tmp_path: Path):
    file = tmp_path / "a.fasta"
    file.write_bytes(gzip.compress(b"\xef\xbb\xbf>a first one\r\nACGU\r\n\r\nAC GU\r\n>b\r\nGG\r\n"))
    assert read_fasta(file) == [Record("a", "first one", "ACGUACGU"), Record("b", "", "GG")]


def test_reading_streams(tmp_path: Path):
    file = tmp_path / "a.fasta"
    file.write_text(">a\nACGU\n>b\nGG\nno header here is wrong only at the end\n>a\nAC\n")
    stream = iter_fasta(file)
    assert next(stream).id == "a"


GZIPPED = gzip.compress(b">a\n" + b"ACGUUGCA" * 4000 + b"\n", mtime=0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.fa", b"", "a.fa is empty"),
        ("a.fa", b"\n \n", "a.fa is empty"),
        ("a.fa", b"ACGU\n>a\nACGU\n", "line 1: a sequence stands before the first header"),
        ("a.fa", b">a\nACGU\n>b\n>c\nACGU\n", "line 3: 'b' has no sequence"),
        ("a.fa", b">a\nACGU\n>b\n", "line 3: 'b' has no sequence"),
        ("a.fa", b">\nACGU\n", "line 1: the header has no name"),
        ("a.fa", b">a\nAC\n>b\nGG\n>a\nUU\n", "line 5: the name 'a' was used before, on line 1"),
        ("a.fa", b"\x7fELF\x02\x01\x01\x00\x00>a", "line 1: this is not text"),
        ("a.fa", ">a\nACGU\n".encode("utf-16"), "this is not text"),
        ("a.fa.gz", GZIPPED[:-20], "is a damaged gzip file"),
        ("a.fa.gz", GZIPPED[:30] + b"\x00\x01\x02" + GZIPPED[33:], "is a damaged gzip file"),
        ("a.fa.gz", b">a\nACGU\n", "is a damaged gzip file"),
        ("a.fa.gz", gzip.compress(b"", mtime=0), "a.fa.gz is empty"),
    ],
)
def test_bad_files_get_one_clear_line_and_a_hint(tmp_path: Path, name: str, content: bytes, message: str):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DataError) as raised:
        read_fasta(file)
    assert message in raised.value.message
    assert "\n" not in raised.value.message
    assert raised.value.hint


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"nowhere\.fa is not there"):
        read_fasta(tmp_path / "nowhere.fa")
    with pytest.raises(DataError, match="is a folder, not a file"):
        read_fasta(tmp_path)


def test_a_failing_source_leaves_nothing_half_written(tmp_path: Path):
    def source():
        yield Record("a", "", "ACGU")
        raise DataError("the source failed")

    with pytest.raises(DataError, match="the source failed"):
        write_fasta(source(), tmp_path / "out.fa")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.data
def test_real_proteins(data_folder: Path):
    proteins = read_fasta(data_folder / "protein_fasta" / "valid.fasta.gz")
    assert len(proteins) == 3000
    assert sum(len(record.sequence) for record in proteins) == 1_355_659  # SOURCE.txt
