from pathlib import Path

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna.dataset import read_collection
from monosome.rna.kaggle import (
    Strand,
    find_tables,
    foldable,
    part_of,
    read_labelled,
    read_structures,
    read_targets,
)
from monosome.rna.nucleotides import ATOM_INDEX


def write_kaggle(folder: Path, sequences: str, labels: str) -> Path:
    folder.mkdir()
    (folder / "train_sequences.csv").write_text("target_id,sequence,temporal_cutoff,description\n" + sequences)
    (folder / "train_labels.csv").write_text("ID,resname,resid,x_1,y_1,z_1,x_2,y_2,z_2\n" + labels)
    return folder


def test_kaggle_labels_are_c1_of_the_first_reference(tmp_path: Path):
    folder = write_kaggle(
        tmp_path / "kaggle",
        "1ABC_A,GGAC,2001-02-03,x\n2ABC_A,AC,2002-02-03,x\n3ABC_A,ACGU,2003-02-03,x\n4ABC_A,ANG,2004-02-03,x\n",
        "".join(f"1ABC_A_{n},G,{n},{6 * n},0,1.5,9,9,9\n" for n in (1, 2, 3))
        + "1ABC_A_4,C,4,-1e18,-1e18,-1e18,9,9,9\n"
        + "2ABC_A_1,A,1,0,0,0,,,\n2ABC_A_2,C,2,,,,,,\n"
        + "4ABC_A_1,A,1,0,0,0,,,\n",
    )
    found = read_collection(folder)
    (chain,) = found.chains
    assert (chain.id, chain.sequence, found.dates) == ("1ABC_A", "GGAC", ("2001-02-03",))
    assert np.array_equal(chain.atom("C1'")[:3], [[6, 0, 1.5], [12, 0, 1.5], [18, 0, 1.5]])
    assert np.isnan(chain.atom("C1'")[3]).all()
    assert not np.delete(chain.resolved, ATOM_INDEX["C1'"], axis=1).any()
    assert not chain.segments.any()
    assert "4ABC_A: 'N' at position 2 stands for any base" in found.notes
    assert "1 sequences without labels" in found.notes
    assert "2ABC_A: 1 usable residues" in found.notes


def test_the_tables_of_part_two_have_chains_copies_and_no_labels_for_the_test_set(tmp_path: Path):
    """Columns of part 2: stoichiometry, ligands, and for each label its chain and copy."""
    header = "target_id,sequence,temporal_cutoff,description,stoichiometry,all_sequences,ligand_ids,ligand_SMILES\n"
    row = "9ABC,GCAGCA,2024-02-03,dimer,A:2,,SAM,C\n"
    for name in ("validation", "test"):
        (tmp_path / f"{name}_sequences.csv").write_text(header + row)
    places = [
        (1, "A", 1, 0.0),
        (2, "A", 1, 5.5),
        (3, "A", 1, 11.0),
        (1, "A", 2, 16.0),
        (2, "A", 2, 60.0),
        (3, "A", 2, 65.0),
    ]
    lines = [
        f"9ABC_{at},G,{resid},{x},0,0,{chain},{copy}\n" for at, (resid, chain, copy, x) in enumerate(places, start=1)
    ]
    (tmp_path / "validation_labels.csv").write_text("ID,resname,resid,x_1,y_1,z_1,chain,copy\n" + "".join(lines))
    test, validation = find_tables(tmp_path)
    assert test == (tmp_path / "test_sequences.csv", None)
    ((chain, date),) = read_labelled(*validation)  # type: ignore[misc]
    assert date == "2024-02-03"
    assert chain.segments.tolist() == [0, 0, 0, 1, 2, 2], "another copy is another strand, and so is a break"
    assert chain.residue_numbers.tolist() == [1, 2, 3, 1, 2, 3]
    ((unknown, _),) = read_labelled(*test)  # type: ignore[misc]
    assert unknown.sequence == "GCAGCA"
    assert not unknown.resolved.any()


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ("1ABC_A_1,G,one,0,0,0,,,\n", "line 2"),
        ("1ABC_A_1,G\n", "cut short"),
        ("1ABC_A_1,G,1,0,0,0,,,\n", "1 labels for 2"),
    ],
)
def test_broken_kaggle_tables_are_named(tmp_path: Path, labels: str, says: str):
    folder = write_kaggle(tmp_path / "kaggle", "1ABC_A,GC,2001-02-03,x\n", labels)
    with pytest.raises(DataError) as caught:
        read_collection(folder)
    assert says in str(caught.value)


FASTA = """">9ABC_1|Chains A, B[auth X]|RNA (5'->3')|x
GCA
>9ABC_2|Chain C|RNA|x
AACC
>9ABC_3|Chain D|PROTEIN|x
MKV" """.strip()


@pytest.mark.parametrize(
    ("sequence", "stoichiometry", "fasta", "strands"),
    [
        ("GCAGCAAACC", "A:2;C:1", FASTA, [("A", 1, "GCA"), ("A", 2, "GCA"), ("C", 1, "AACC")]),
        ("AACCGCA", "C:1;X:1", FASTA, [("C", 1, "AACC"), ("X", 1, "GCA")]),
        ("GCUGCU", "A:2", FASTA, [("A", 1, "GCU"), ("A", 2, "GCU")]),
        ("GCAGCA", "A:2", "", [("A", 1, "GCA"), ("A", 2, "GCA")]),
        ("GCA GCA", "", "", [("A", 1, "GCAGCA")]),
        ("GCAGC", "A:2;C:1", FASTA, [("A", 1, "GCAGC")]),
        ("GCNT", "{B:1}", "", [("B", 1, "GCNT")]),
    ],
)
def test_strands_are_told_by_stoichiometry_and_sequences(
    sequence: str, stoichiometry: str, fasta: str, strands: list[tuple[str, int, str]], tmp_path: Path
):
    path = tmp_path / "test_sequences.csv"
    path.write_text(f"target_id,sequence,stoichiometry,all_sequences\n9ABC,{sequence},{stoichiometry},{fasta}\n")
    (target,) = read_targets(path)
    assert target.strands == tuple(Strand(*strand) for strand in strands)
    assert [site.resid for site in target.sites] == [str(n) for n in range(1, len(target.letters) + 1)]
    assert target.sites[-1][:2] == (f"9ABC_{len(target.letters)}", target.letters[-1])


def test_every_letter_can_be_folded():
    assert foldable("GCNTX") == "GCAUA"


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ("", "has no targets"),
        ("A,\n", "its sequence is empty"),
        (",ACG\n", "its target_id is empty"),
        ("A,ACG\nA,ACG\n", "A comes twice"),
    ],
)
def test_a_table_that_no_submission_can_be_made_for_is_refused(rows: str, fault: str, tmp_path: Path):
    path = tmp_path / "test_sequences.csv"
    path.write_text("target_id,sequence\n" + rows)
    with pytest.raises(DataError, match=fault):
        read_targets(path)


def test_all_references_are_read_and_the_part_is_told_by_columns(tmp_path: Path):
    path = tmp_path / "validation_labels.csv"
    path.write_text(
        "ID,resname,resid,x_1,y_1,z_1,x_2,y_2,z_2\nA_b_1,G,1,1,2,3,-1e18,-1e18,-1e18\nA_b_2,C,2,4,5,6,7,8,9\n"
    )
    assert part_of(path) == 1
    found = read_structures(path)["A_b"]
    assert (found.letters, found.ids) == ("GC", ("A_b_1", "A_b_2"))
    assert np.array_equal(found.places[0], [[1, 2, 3], [4, 5, 6]])
    assert np.array_equal(found.places[1], [[np.nan] * 3, [7, 8, 9]], equal_nan=True)
    path.write_text("ID,resname,resid,x_1,y_1,z_1,chain,copy\nA_1,G,1,1,2,three,A,1\n")
    assert part_of(path) == 2
    with pytest.raises(DataError, match="line 2"):
        read_structures(path)
