from pathlib import Path

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna.dataset import read_collection
from monosome.rna.kaggle import LABELS, SEQUENCES
from monosome.rna.nucleotides import ATOM_INDEX


def write_kaggle(folder: Path, sequences: str, labels: str) -> Path:
    folder.mkdir()
    (folder / SEQUENCES).write_text("target_id,sequence,temporal_cutoff,description\n" + sequences)
    (folder / LABELS).write_text("ID,resname,resid,x_1,y_1,z_1,x_2,y_2,z_2\n" + labels)
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
