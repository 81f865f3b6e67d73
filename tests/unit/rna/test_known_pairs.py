"""Collections of secondary structures: what is read, what is left out, and the note on it."""

import gzip
from pathlib import Path

import pytest

from monosome.errors import DataError
from monosome.rna.known_pairs import read_known_pairs

RECORDS = """\
>one
GGGAAACCC
(((...)))
>the same again
GGGAAACCC
((.....))
>thymine, lower case, an energy
gggtttaccc
(((....))) (-1.20)
>another letter
GGNAAACCC
(((...)))
>no pair
GGGAAACCC
.........
>not closed
GGGAAAACCC
(((....)).
"""


def test_usable_records_are_kept_once_and_the_rest_is_counted(tmp_path: Path) -> None:
    (tmp_path / "set.dbn.gz").write_bytes(gzip.compress(RECORDS.encode()))
    (tmp_path / "SOURCE.txt").write_text("not read")
    found, note = read_known_pairs(tmp_path)
    assert [(each.sequence, each.structure) for each in found] == [
        ("GGGAAACCC", "(((...)))"),
        ("GGGUUUACCC", "(((....)))"),
    ]
    assert note.startswith("4 of 6 secondary structures left out")
    assert len({each.id for each in found}) == 2
    assert len(found[0].chain()) == 9
    assert not found[0].chain().resolved.any()


def test_residues_that_were_not_seen_are_taken_out_unless_they_pair(tmp_path: Path) -> None:
    table = tmp_path / "set.csv"
    table.write_text("id,sequence,structure\na,GGGAA-ACCC,(((....)))\nb,GG-AAACCCA,(((...))).\n")
    found, _ = read_known_pairs(table)
    assert [(each.sequence, each.structure) for each in found] == [("GGGAAACCC", "(((...)))")]


def test_a_file_without_structures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.fasta.dbn").write_text(">one\nGGGAAACCC\n")
    with pytest.raises(DataError, match="no usable secondary structure"):
        read_known_pairs(tmp_path)
