from pathlib import Path

import pytest

from monosome.errors import DataError
from monosome.protein.variants import Variant, is_variant_table, read_variants, spearman, wild_type

TABLE = """mutant,mutated_sequence,DMS_score,DMS_score_bin
M1A,AKTV,0.5,1
K2R:V4L,MRTL,-1.25,0
T3S,MKSV,,0
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text(TABLE)
    return path


def test_the_table_is_read(table: Path):
    assert is_variant_table(table)
    assert read_variants(table) == [
        Variant("M1A", "AKTV", 0.5),
        Variant("K2R:V4L", "MRTL", -1.25),
        Variant("T3S", "MKSV", None),
    ]


def test_other_files_are_no_variant_tables(tmp_path: Path):
    for name, text in {"a.fasta": ">a\nMKT\n", "b.csv": "id,sequence\na,MKT\n"}.items():
        (tmp_path / name).write_text(text)
        assert not is_variant_table(tmp_path / name)


def test_the_wild_type_is_what_the_substitutions_came_from(table: Path):
    assert wild_type(read_variants(table)) == "MKTV"
    assert wild_type([Variant("", "MKTV", 1.0)]) is None
    with pytest.raises(DataError, match="no A at position 9"):
        wild_type([Variant("M9A", "AKTV", 1.0)])
    with pytest.raises(DataError, match="another sequence"):
        wild_type([Variant("M1A", "AKTV", 1.0), Variant("M1A", "AKTW", 1.0)])


def test_a_bad_score_is_named(tmp_path: Path):
    (tmp_path / "a.csv").write_text("mutant,mutated_sequence,DMS_score\nM1A,AK,high\n")
    with pytest.raises(DataError, match="line 2: 'high' is no DMS_score"):
        read_variants(tmp_path / "a.csv")


def test_spearman_by_hand():
    """Ranks 1 2 3 4 5 and 2 1 4 3 5: 1 − 6·Σd²/(n(n²−1)) = 1 − 6·4/120 = 0.8."""
    found = spearman([0.1, 0.2, 0.3, 0.4, 0.9], [20.0, 10.0, 40.0, 30.0, 500.0])
    assert found is not None
    assert found.value == pytest.approx(0.8)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 0.8 <= found.high <= 1
    assert spearman([1.0, 1.0], [1.0, 2.0]) is None
