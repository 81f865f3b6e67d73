from dataclasses import replace
from pathlib import Path

import pytest

from monosome.errors import DataError
from monosome.rna.dataset import read_collection
from monosome.rna.files import write_structure
from monosome.rna.geometry import duplex, hairpin

ONE, OTHER = hairpin("GGCACGAAAGUGCC", 5), hairpin("GGAUAGCUUCGGCUAUCC", 7)


@pytest.fixture
def structures(tmp_path: Path) -> Path:
    """Two hairpins, one of them twice under other names, a chain too short and a file that is none."""
    folder = tmp_path / "structures"
    (folder / "pdb").mkdir(parents=True)
    write_structure(ONE, folder / "pdb" / "one.pdb", format="pdb")
    write_structure(OTHER, folder / "pdb" / "other.cif")
    write_structure(ONE, folder / "again.cif")
    write_structure(ONE.subset([0]), folder / "short.cif")
    (folder / "broken.cif").write_text("data_x\n")
    (folder / "readme.txt").write_text("not a structure")
    return folder


def test_structure_files_are_found_and_grouped_by_sequence(structures: Path):
    found = read_collection(structures)
    assert [chain.id for chain in found.chains] == ["again", "one", "other"]
    assert found.groups[0] == found.groups[1] != found.groups[2]
    assert found.dates == ("", "", "")
    assert len(found.notes) == 2
    assert "broken.cif" in found.notes[0]
    assert found.notes[1] == "short: 1 usable residues"


def test_tables_beside_the_structures_are_used(structures: Path):
    (structures / "manifest.csv").write_text("id,date,resolution\none,2001-02-03,1.9\nother,,\n")
    (structures / "rna_clusters.csv").write_text("id,set,cluster80\none,x,7\nother,x,7\nagain,x,8\n")
    found = read_collection(structures)
    assert found.groups == ("8", "7", "7")
    assert found.dates == ("", "2001-02-03", "")
    assert [entry.resolution for entry in found.entries] == [None, 1.9, None]


def test_clusters_that_lack_a_chain_are_not_used_in_part(structures: Path):
    (structures / "rna_clusters.csv").write_text("id,cluster80\none,7\n")
    found = read_collection(structures)
    assert found.groups[0] == found.groups[1] != found.groups[2]
    assert "lacks 2 chains" in found.notes[-1]


def test_one_name_is_one_chain(structures: Path):
    write_structure(OTHER, structures / "one.cif")
    found = read_collection(structures)
    assert [chain.id for chain in found.chains] == ["again", "one", "other"]
    assert "pdb/one.pdb: there is a chain one already" in found.notes


def test_the_content_hash_is_of_content(structures: Path, tmp_path: Path):
    moved = tmp_path / "elsewhere"
    structures.rename(moved)
    before = read_collection(moved).content_hash
    assert read_collection(moved).content_hash == before
    write_structure(duplex("GGAC"), moved / "pdb" / "other.cif")
    assert read_collection(moved).content_hash != before


def test_a_file_is_a_collection_of_its_chains(structures: Path):
    assert read_collection(structures / "pdb" / "one.pdb").chains[0].sequence == ONE.sequence


def test_a_folder_without_rna_is_an_error(tmp_path: Path):
    with pytest.raises(DataError, match="no structure files and no Kaggle tables"):
        read_collection(tmp_path)
    with pytest.raises(DataError, match="no structure files and no Kaggle tables"):
        read_collection(tmp_path / "gone")
    (tmp_path / "x.pdb").write_text("")
    with pytest.raises(DataError, match="no usable RNA chain"):
        read_collection(tmp_path)


def test_several_chains_of_a_file_take_its_name_and_theirs(tmp_path: Path):
    write_structure(ONE, tmp_path / "x.pdb", format="pdb")
    write_structure(replace(OTHER, atoms=OTHER.atoms + 60), tmp_path / "y.pdb", format="pdb")
    second = (tmp_path / "y.pdb").read_text().splitlines()
    lines = [line[:21] + "B" + line[22:] for line in second if line.startswith("ATOM")]
    first = [line for line in (tmp_path / "x.pdb").read_text().splitlines() if line.startswith("ATOM")]
    (tmp_path / "x.pdb").write_text("\n".join([*first, "TER", *lines, "TER", "END", ""]))
    (tmp_path / "y.pdb").unlink()
    assert [chain.id for chain in read_collection(tmp_path).chains] == ["x_A", "x_B"]
