from pathlib import Path

import pytest

from monosome.errors import DataError
from monosome.rna.tables import has_columns, read_table


def test_rows_are_read_whatever_the_order_of_columns(tmp_path: Path):
    table = tmp_path / "x.csv"
    table.write_text('\ufeffb,a\n2,"1, 1"\n', encoding="utf-8")
    assert list(read_table(table, ("a", "b"))) == [{"b": "2", "a": "1, 1"}]
    assert has_columns(table, ("a",))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a,c\n1,2\n", "no column 'b'"),
        (b"", "no column 'a'"),
        (b"a,b\n1,2\n1\n", "line 3: the row is cut short"),
        (b"a,b\n\xff\xfe,2\n", "cannot read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: bytes, says: str):
    table = tmp_path / "x.csv"
    table.write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(read_table(table, ("a", "b")))
    assert says in caught.value.message
    assert "x.csv" in caught.value.message


def test_what_is_no_table_has_no_columns(tmp_path: Path):
    assert not has_columns(tmp_path / "gone.csv", ("a",))
    assert not has_columns(tmp_path, ("a",))
    with pytest.raises(DataError, match="cannot read"):
        list(read_table(tmp_path / "gone.csv", ("a",)))
