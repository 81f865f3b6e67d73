from dataclasses import replace

import numpy as np

from monosome.rna.chain import Chain, empty_atoms, find_segments, split
from monosome.rna.geometry import duplex, hairpin
from monosome.rna.nucleotides import ATOM_INDEX

HAIRPIN = hairpin("GGCGAAAGCC", 3)


def test_a_chain_knows_its_length_bases_and_atoms():
    assert len(HAIRPIN) == 10
    assert HAIRPIN.bases.tolist() == [2, 2, 1, 2, 0, 0, 0, 2, 1, 1]
    assert np.array_equal(HAIRPIN.atom("P"), HAIRPIN.atoms[:, 0])
    assert HAIRPIN.resolved.sum() == 6 * 23 + 0 + 3 * 22 + 3 * 20 - 2 * 23


def test_a_frame_takes_three_atoms():
    atoms = HAIRPIN.atoms.copy()
    atoms[2, ATOM_INDEX["N1"]] = np.nan  # the nitrogen of a C
    atoms[3, ATOM_INDEX["N1"]] = np.nan  # not that of a G
    chain = Chain("x", HAIRPIN.sequence, atoms, HAIRPIN.residue_numbers, HAIRPIN.segments)
    assert np.flatnonzero(~chain.has_frame).tolist() == [2]


def test_labels_tell_inserted_residues_apart():
    numbers = np.array([5, 6, 6, 6, 7, 6, 8, 9, 10, 11])
    chain = Chain("x", HAIRPIN.sequence, HAIRPIN.atoms, numbers, HAIRPIN.segments)
    assert chain.labels[:7] == [(5, 0), (6, 0), (6, 1), (6, 2), (7, 0), (6, 3), (8, 0)]


def test_a_subset_keeps_numbers_and_segments():
    strands = duplex("GGAC")
    mask = strands.segments == 1
    assert strands.subset(mask).sequence == "GUCC"
    assert strands.subset([0, 7]).residue_numbers.tolist() == [1, 8]
    assert strands.subset(np.array([0, 7])).segments.tolist() == [0, 1]
    assert np.array_equal(strands.subset(mask).atoms, strands.atoms[4:], equal_nan=True)


def test_strands_end_where_the_link_is_broken():
    assert find_segments(HAIRPIN.atoms).tolist() == [0] * 10
    assert find_segments(duplex("GGAC").atoms).tolist() == [0] * 4 + [1] * 4
    assert find_segments(HAIRPIN.atoms[[0, 1, 2, 5, 6, 7]]).tolist() == [0, 0, 0, 1, 1, 1]


def test_without_phosphates_the_step_decides_and_nothing_known_breaks_nothing():
    atoms = empty_atoms(4)
    atoms[:, ATOM_INDEX["C1'"]] = [[0, 0, 0], [6, 0, 0], [20, 0, 0], [np.nan] * 3]
    assert find_segments(atoms).tolist() == [0, 0, 1, 1]
    assert find_segments(empty_atoms(0)).tolist() == []


def test_strands_are_split_and_named():
    helix = duplex("GGCACG")
    strands = split(helix)
    assert [(strand.id, strand.sequence, strand.segments.max()) for strand in strands] == [
        ("A", "GGCACG", 0),
        ("B", "CGUGCC", 0),
    ]
    assert split(HAIRPIN) == [HAIRPIN]
    many = replace(HAIRPIN, segments=np.arange(10)).subset(np.arange(70) % 10)
    names = [strand.id for strand in split(replace(many, segments=np.arange(70)))]
    assert names[:2] + names[61:64] == ["A", "B", "9", "AA", "AB"]
