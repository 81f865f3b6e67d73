from pathlib import Path

import pytest

from monosome.errors import DataError
from monosome.protein.natural import NATURAL, family_of
from monosome.sequences.fasta import read_fasta, write_fasta

pytest.importorskip("pyhmmer", reason="pyhmmer is an extra")
from monosome.protein.family import build_profile, family_hits, load_family

RECORDS = read_fasta(NATURAL)
GLOBINS = [record for record in RECORDS if family_of(record) == "globin"]


def test_a_profile_of_some_globins_finds_the_others_and_nothing_else():
    profile = build_profile([record.sequence for record in GLOBINS[:4]])
    hits = family_hits(profile, [record.sequence for record in RECORDS])
    found = {family_of(record) for record, hit in zip(RECORDS, hits, strict=True) if hit.is_member}
    assert found == {"globin"}
    assert sum(hit.is_member for hit in hits) == len(GLOBINS)
    assert all(hit.bits > 40 for hit in hits if hit.is_member)


def test_a_hit_does_not_depend_on_what_is_searched_beside_it():
    profile = build_profile([record.sequence for record in GLOBINS])
    alone = family_hits(profile, [GLOBINS[0].sequence])
    assert alone[0] == family_hits(profile, [record.sequence for record in GLOBINS])[0]
    assert family_hits(profile, []) == []


def test_files_of_profiles_and_of_members(tmp_path: Path):
    write_fasta(GLOBINS, tmp_path / "globins.fasta")
    profile = load_family(tmp_path / "globins.fasta")
    with (tmp_path / "globins.hmm").open("wb") as stream:
        profile.write(stream)
    again = load_family(tmp_path / "globins.hmm")
    sequences = [record.sequence for record in RECORDS[:10]]
    assert [one.is_member for one in family_hits(again, sequences)] == [
        one.is_member for one in family_hits(profile, sequences)
    ]
    (tmp_path / "bad.hmm").write_text("no profile")
    with pytest.raises(DataError, match="no HMMER file"):
        load_family(tmp_path / "bad.hmm")
    with pytest.raises(DataError, match="is not there"):
        load_family(tmp_path / "none.hmm")
