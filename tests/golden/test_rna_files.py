"""Untouched files of the Protein Data Bank: chains and lengths as the entries have them."""

from pathlib import Path

import pytest

from monosome.errors import DataError
from monosome.rna.files import read_structure, write_structure

# Chains and their resolved nucleotides, counted in each file by its own residue records.
EXPECTED = {
    "1A4D_1_A-B.cif": {"A": 21, "B": 20},
    "1ATO.pdb": {"A": 19},
    "1E7K_1_C.cif": {"C": 17},
    "1HMH_1_E.cif": {"E": 2},
    "1Y26.cif": {"X": 71},
    "1a9n.cif.gz": {"Q": 24, "R": 24},
    "1ehz-assembly-1.cif": {"A": 76},
    "1gid.cif.gz": {"A": 158, "B": 158},
    "1osw.pdb.gz": {"A": 22},
    "1y26.pdb": {"X": 71},
    "3DHS.cif.gz": {"A": 215},
    "3FU2.pdb": {"A": 32, "B": 33, "C": 32},
    "4W90_protein_rna.pdb.gz": {"C": 101},
    "4qln.cif.gz": {"A": 117},
    "4qln.pdb.gz": {"A": 117},
    "4ts2.pdb": {"X": 44, "Y": 47},
    "6las.cif.gz": {"A": 55, "B": 55},
    "8VVJ.cif": {"A": 64},
    "8vvj.pdb": {"A": 64},
    "9bz1.pdb.gz": {"A": 84, "B": 84},
}


@pytest.mark.data
def test_every_raw_file_is_read(data_folder: Path, tmp_path: Path):
    folder = data_folder / "rna_raw_formats"
    for path in sorted(folder.iterdir()):
        if path.name not in EXPECTED:
            with pytest.raises(DataError):  # a DNA crystal and a note on sources
                read_structure(path)
            continue
        chains = read_structure(path).chains
        assert {chain.id: len(chain) for chain in chains} == EXPECTED[path.name], path.name
        write_structure(chains[0], tmp_path / "x.cif")
        assert read_structure(tmp_path / "x.cif").chains[0].sequence == chains[0].sequence


@pytest.mark.data
def test_pdb_and_mmcif_of_one_entry_agree(data_folder: Path):
    folder = data_folder / "rna_raw_formats"
    for one, other in (("1y26.pdb", "1Y26.cif"), ("4qln.pdb.gz", "4qln.cif.gz"), ("8vvj.pdb", "8VVJ.cif")):
        first, second = read_structure(folder / one).chains[0], read_structure(folder / other).chains[0]
        assert first.sequence == second.sequence
        assert first.residue_numbers.tolist() == second.residue_numbers.tolist()
        assert first.segments.tolist() == second.segments.tolist()
        assert abs(first.atoms - second.atoms)[first.resolved].max() < 0.001


@pytest.mark.data
def test_modified_bases_of_a_trna_become_their_parents(data_folder: Path):
    """Yeast tRNA-Phe, entry 1EHZ: fourteen modified nucleotides, among them pseudouridine and wybutosine."""
    reading = read_structure(data_folder / "rna_raw_formats" / "1ehz-assembly-1.cif")
    expected = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA"
    assert reading.chains[0].sequence == expected
    assert reading.chains[0].has_frame.all()
    assert "PSU as U" in reading.notes[0]
    assert "YYG as G" in reading.notes[0]
