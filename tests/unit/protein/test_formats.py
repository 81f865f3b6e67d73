"""The same proteins in every form; what is wrong in a file is named in one line."""

import csv
import gzip
import sys
from pathlib import Path
from typing import Any

import pytest

from monosome.errors import DataError
from monosome.protein.corpus import ProteinSource
from monosome.protein.formats import HubDataset, LocalFiles, Reading, locate, read_file
from monosome.protein.recipe import ProteinDataConfig
from monosome.protein.tokens import END, ProteinTokenizer, load_tokenizer, to_text
from monosome.sequences.fasta import iter_fasta


def table(path: Path, rows: list[dict[str, Any]], delimiter: str = ",") -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as file

    file.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def blocks(tokenizer: ProteinTokenizer, sequences: list[str], length: int) -> list[dict[str, Any]]:
    """The proteins as one text of tokens, cut every `length` tokens whatever stands there."""
    tokens = [int(token) for ids in tokenizer.encode(sequences) for token in ids]
    return [{"input_ids": tokens[start : start + length]} for start in range(0, len(tokens), length)]


def read(path: Path, **reading: str) -> dict[str, str]:
    return {record.id: record.sequence for record in read_file(path, Reading(**reading))}


def numbered(sequences: list[str]) -> dict[str, str]:
    return {str(number): sequence for number, sequence in enumerate(sequences, start=1)}


def test_tables_hold_a_protein_a_row(natural: list[str], tmp_path: Path):
    rows = [{"Entry": f"P{number}", "Length": len(s), "Sequence": s} for number, s in enumerate(natural)]
    expected = {row["Entry"]: row["Sequence"] for row in rows}
    assert read(table(tmp_path / "a.csv", rows)) == expected
    assert read(table(tmp_path / "a.tsv", rows, "\t")) == expected
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    assert read(packed) == expected
    assert read(parquet(tmp_path / "a.parquet", rows)) == expected


def test_a_column_is_named(natural: list[str], tmp_path: Path):
    file = table(tmp_path / "a.csv", [{"seq": sequence} for sequence in natural])
    assert read(file, column="seq") == numbered(natural)
    with pytest.raises(DataError, match="has no column 'sequence': seq") as caught:
        read(file)
    assert "data.column=NAME" in caught.value.hint


def test_protgpt2s_text_is_read_back(natural: list[str], tmp_path: Path):
    file = tmp_path / "a.txt"
    file.write_text("\n".join(map(to_text, natural)) + "\n")
    assert read(file) == numbered(natural)
    # As ProtGPT2 was trained: one end token between two proteins.
    file.write_text("".join(to_text(sequence).removesuffix(END) for sequence in natural))
    assert read(file) == numbered(natural)
    rows = [{"text": line} for line in file.read_text().splitlines()]
    assert read(table(tmp_path / "lines.csv", rows)) == numbered(natural)
    assert read(table(tmp_path / "rows.csv", [{"text": to_text(one)} for one in natural])) == numbered(natural)
    assert read(table(tmp_path / "bare.csv", [{"text": one} for one in natural])) == numbered(natural)


def test_blocks_of_tokens_are_decoded(
    natural: list[str], tokenizer: ProteinTokenizer, model_folder: Path, tmp_path: Path
):
    file = parquet(tmp_path / "a.parquet", blocks(tokenizer, natural, 100))
    assert read(file, tokenizer=str(model_folder)) == numbered(natural)
    with pytest.raises(DataError, match="holds blocks of tokens") as caught:
        read(file)
    assert "data.tokenizer" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"sequence\n", "is empty"),
        ("a.csv.gz", b"\x1f\x8bnothing", "damaged gzip"),
        ("a.csv", b"sequence\n" + b"A" * 200_000, "is no table: field larger"),
        ("a.txt", b"", "is empty"),
        ("a.txt", b"MKV\n", "text stands before the first <|endoftext|>"),
        ("a.parquet", b"nothing", "is no whole parquet file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, name: str, content: bytes, message: str):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(file)
    assert message in caught.value.message


def test_an_empty_cell_is_named(tmp_path: Path):
    table(tmp_path / "a.csv", [{"id": "P1", "sequence": "MKV"}, {"id": "P2", "sequence": ""}])
    source = ProteinSource(ProteinDataConfig(path=str(tmp_path / "a.csv")))
    with pytest.raises(DataError, match=r"a\.csv, record P2: the sequence is empty"):
        list(source.proteins("train"))


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match="parquet files need pyarrow") as caught:
        read(tmp_path / "a.parquet")
    assert caught.value.hint == 'pip install "monosome[data]"'
    with pytest.raises(DataError, match="data sets of the Hub need datasets"):
        HubDataset("owner/name").records("train", Reading())


def test_places_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert locate("owner/name") == HubDataset("owner/name") == locate("hf://owner/name")
    with pytest.raises(DataError, match=r"owner/name\.csv is not there"):
        locate("owner/name.csv")
    (tmp_path / "owner" / "name").mkdir(parents=True)
    assert locate("owner/name") == LocalFiles(Path("owner/name"))


@pytest.mark.parametrize("held_out", [True, False])
def test_a_data_set_of_the_hub_is_streamed(natural: list[str], tmp_path: Path, held_out: bool):
    pytest.importorskip("datasets")
    (tmp_path / "data").mkdir()
    first, last = natural[:70], natural[70:]
    if held_out:
        parquet(tmp_path / "data" / "validation-00000-of-00001.parquet", [{"sequence": one} for one in last])
    for shard, part in enumerate((first[:40], first[40:])):
        parquet(tmp_path / "data" / f"train-{shard:05}-of-00002.parquet", [{"sequence": one} for one in part])
    source = ProteinSource(ProteinDataConfig(path=f"hf://{tmp_path}"))
    train, valid = ({p.sequence for p in source.proteins(split)} for split in ("train", "valid"))
    assert source.place.has_splits == held_out
    assert train | valid == set(natural if held_out else first)
    assert not train & valid
    if held_out:
        assert train == set(first)
    before = source.content_hash("train")
    parquet(tmp_path / "data" / "train-00001-of-00002.parquet", [{"sequence": one} for one in first[41:]])
    assert source.content_hash("train") != before != source.content_hash("valid")


def test_a_data_set_that_is_not_there_is_named():
    pytest.importorskip("datasets")
    with pytest.raises(DataError, match="the Hub gives no data set owner/none"):
        list(ProteinSource(ProteinDataConfig(path="owner/none")).proteins("train"))


def test_a_folder_of_tables_learns_as_one_of_fasta_does(natural: list[str], tmp_path: Path):
    table(tmp_path / "train.csv", [{"sequence": one} for one in natural[:70]])
    table(tmp_path / "valid.csv", [{"sequence": one} for one in natural[70:]])
    source = ProteinSource(ProteinDataConfig(path=str(tmp_path)))
    assert [p.sequence for p in source.proteins("train")] == natural[:70]
    assert {p.sequence for p in source.proteins("valid")} == set(natural[70:])


@pytest.mark.data
def test_blocks_of_protgpt2s_own_tokens_are_the_proteins_they_were_made_of(data_folder: Path, tmp_path: Path):
    """3,000 natural proteins as UniRef50 was given to ProtGPT2: one text, cut every 512 tokens."""
    place = data_folder / "protgpt2_tokenizer"
    sequences = [record.sequence for record in iter_fasta(data_folder / "protein_fasta" / "valid.fasta.gz")]
    file = parquet(tmp_path / "a.parquet", blocks(load_tokenizer(str(place)), sequences, 512))
    assert list(read(file, tokenizer=str(place)).values()) == sequences
