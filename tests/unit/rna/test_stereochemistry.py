from dataclasses import replace

import numpy as np
import pytest

from monosome.rna.chain import Chain, join
from monosome.rna.geometry import hairpin
from monosome.rna.nucleotides import ATOM_INDEX, ATOM_MASK, BACKBONE, BASES
from monosome.rna.stereochemistry import ANGLES, BONDED, BONDS, CENTRES, bad_atoms, stereochemistry

CHAIN = hairpin("GGCACGAAAGUGCC", 5)
EMPTY = CHAIN.subset(np.zeros(len(CHAIN), dtype=bool))
STEM = CHAIN.subset(range(5))


def moved(chain: Chain, residue: int, atoms: list[str], by: tuple[float, float, float]) -> Chain:
    changed = chain.atoms.copy()
    changed[residue, [ATOM_INDEX[atom] for atom in atoms]] += np.array(by, dtype=np.float32)
    return replace(chain, atoms=changed)


def mirrored(chain: Chain) -> Chain:
    return replace(chain, atoms=chain.atoms * np.array([1, 1, -1], dtype=np.float32))


# Purines: 22 and 23 heavy atoms, three rings; pyrimidines: 20 and two rings. A connected graph of n atoms and r rings
# has n + r − 1 bonds.
@pytest.mark.parametrize(("base", "num_rings"), [("A", 3), ("C", 2), ("G", 3), ("U", 2)])
def test_a_nucleotide_has_as_many_bonds_as_its_rings_ask_for(base: str, num_rings: int):
    row = BASES.index(base)
    num_bonds = ATOM_MASK[row].sum() + num_rings - 1
    assert BONDED[row].sum() == 2 * num_bonds
    assert np.isfinite(BONDS.ideal[row]).sum() == num_bonds + 1  # and the link
    degrees = BONDED[row].sum(axis=1)
    inner = (degrees * (degrees - 1) // 2).sum()
    assert np.isfinite(ANGLES.ideal[row]).sum() == inner + 4  # C3'-O3'-P and three about P
    assert (degrees[ATOM_MASK[row]] > 0).all()
    assert (degrees[~ATOM_MASK[row]] == 0).all()
    assert np.isfinite(CENTRES.ideal[row]).sum() == 4


def test_angles_of_the_rings_of_bases_close():
    # A flat hexagon's angles sum to 720°, a pentagon's to 540°.
    for base, names in zip(BASES, ANGLES.names, strict=True):
        ideal = dict(zip(names, ANGLES.ideal[BASES.index(base)], strict=False))
        ring = [set(bond.split()) for bond in ("N1 C2", "C2 N3", "N3 C4", "C4 C5", "C5 C6", "C6 N1")]
        inner = [
            value
            for name, value in ideal.items()
            if {name.split()[0], name.split()[1]} in ring and {name.split()[1], name.split()[2]} in ring
        ]
        assert len(inner) == 6
        assert sum(inner) == pytest.approx(720, abs=0.6)


def test_an_ideal_stem_is_in_order():
    found = stereochemistry(STEM)
    assert (found.bonds.within, found.angles.within) == (1, 1)
    assert not found.centres.outliers
    assert (found.links.num, found.links.outliers) == (4, ())
    assert not bad_atoms(STEM).any()


def test_a_mirror_image_has_every_centre_inverted():
    found = stereochemistry(mirrored(STEM))
    assert found.bonds.within == 1
    assert found.centres.num == len(found.centres.outliers) == 20
    assert {outlier.atoms.split()[0] for outlier in found.centres.outliers} == {"C1'", "C2'", "C3'", "C4'"}


def test_a_stretched_bond_is_told_with_its_length():
    # 0.1 Å along C2'-O2' is 7.7 deviations of 0.013 Å.
    bond = STEM.atom("O2'")[2] - STEM.atom("C2'")[2]
    step = tuple(float(part) for part in 0.1 * bond / np.linalg.norm(bond))
    found = stereochemistry(moved(STEM, 2, ["O2'"], step))
    (outlier,) = found.bonds.outliers
    assert (outlier.residue, outlier.atoms) == (2, "C2' O2'")
    assert outlier.value == pytest.approx(np.linalg.norm(bond) + 0.1, abs=1e-3)
    assert outlier.deviations == pytest.approx(0.1 / 0.013, abs=1)
    assert found.bonds.within == 1 - 1 / found.bonds.num


def test_a_gap_in_the_backbone_is_told():
    atoms = STEM.atoms.copy()
    atoms[3:] += np.float32(2)
    found = stereochemistry(replace(STEM, atoms=atoms)).links
    (gap,) = found.outliers
    assert (gap.residue, found.num) == (2, 4)
    assert gap.value > 2


def test_strands_are_not_bonded_to_each_other():
    far = replace(STEM, atoms=STEM.atoms + np.float32(90), residue_numbers=STEM.residue_numbers + 50)
    found = stereochemistry(join([STEM, far]))
    assert found.links.num == 8
    assert not found.links.outliers
    assert not bad_atoms(join([STEM, far])).any()


def test_a_broken_base_is_bad_and_its_backbone_is_not():
    bad = bad_atoms(moved(STEM, 2, ["N4"], (0.8, 0.8, 0.8)))
    assert STEM.sequence[2] == "C"
    expected = STEM.resolved & (np.arange(27) >= len(BACKBONE))
    np.testing.assert_array_equal(bad[2], expected[2])
    assert not bad[[0, 1, 3, 4]].any()


def test_a_broken_backbone_takes_the_residue():
    bad = bad_atoms(moved(STEM, 2, ["OP1"], (0.8, 0.8, 0.8)))
    np.testing.assert_array_equal(bad[2], STEM.resolved[2])
    assert not bad[[0, 4]].any()


def test_four_deviations_are_an_outlier_and_not_bad():
    bond = STEM.atom("O2'")[2] - STEM.atom("C2'")[2]
    stretched = moved(STEM, 2, ["O2'"], tuple(float(part) for part in 0.1 * bond / np.linalg.norm(bond)))
    assert stereochemistry(stretched).bonds.outliers
    assert not bad_atoms(stretched).any()


def test_what_lies_on_something_else_is_bad_in_both():
    # Two strands laid through each other: base on base.
    apart = replace(STEM, atoms=STEM.atoms + np.float32(30), residue_numbers=STEM.residue_numbers + 50)
    shift = STEM.atom("N4")[2] - apart.atom("N7")[0] + np.float32(0.3)
    crossed = replace(apart, atoms=np.concatenate([apart.atoms[:1] + shift, apart.atoms[1:]]))
    bad = bad_atoms(join([STEM, crossed]))
    assert bad[2, ATOM_INDEX["N4"]]
    assert bad[5, ATOM_INDEX["N7"]]


def test_missing_atoms_and_atoms_at_one_place_do_no_harm():
    atoms = CHAIN.atoms.copy()
    atoms[4] = np.nan
    atoms[5, ATOM_INDEX["C8"] if CHAIN.sequence[5] in "AG" else ATOM_INDEX["C6"]] = np.nan
    atoms[7, ATOM_INDEX["C4'"]] = atoms[7, ATOM_INDEX["C5'"]]
    chain = replace(CHAIN, atoms=atoms)
    found, bad = stereochemistry(chain), bad_atoms(chain)
    assert found.bonds.outliers
    assert bad[7].any()
    assert not bad[4].any()


def test_nothing_is_nothing():
    found = stereochemistry(EMPTY)
    assert (found.bonds.num, found.bonds.within, found.links.num) == (0, None, 0)
    assert bad_atoms(EMPTY).shape == (0, 27)
    hollow = replace(CHAIN, atoms=np.full_like(CHAIN.atoms, np.nan))
    assert stereochemistry(hollow).angles.within is None
    assert not bad_atoms(hollow).any()
