from pathlib import Path

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna.dataset import read_collection
from monosome.rna.kaggle import find_tables, read_labelled
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
