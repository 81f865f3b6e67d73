from dataclasses import replace

import numpy as np
import pytest

from monosome.rna.chain import Chain, empty_atoms, join
from monosome.rna.clashes import clashscore, place_hydrogens
from monosome.rna.geometry import hairpin
from monosome.rna.nucleotides import ATOM_INDEX

CHAIN = hairpin("GGCACGAAAGUGCC", 5)
EMPTY = CHAIN.subset(np.zeros(len(CHAIN), dtype=bool))
TURN = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float32)


def two_atoms(first: str, second: str, distance: float) -> Chain:
    """Two residues of two strands with an atom each."""
    atoms = empty_atoms(2)
    atoms[0, ATOM_INDEX[first]] = 0
    atoms[1, ATOM_INDEX[second]] = [distance, 0, 0]
    return Chain("pair", "CC", atoms, np.array([1, 9]), np.array([0, 1]))


def angle(one: np.ndarray, corner: np.ndarray, other: np.ndarray) -> float:
    first, second = one - corner, other - corner
    return float(np.degrees(np.arccos(first @ second / np.linalg.norm(first) / np.linalg.norm(second))))


# Radii: P 1.80, N 1.55, O 1.40 Å; bonded within the covalent radii and 0.2 Å: P–P 2.40, O–O 1.52.
@pytest.mark.parametrize(
    ("first", "second", "distance", "num_clashes"),
    [
        ("P", "P", 3.21, 0),
        ("P", "P", 3.19, 1),
        ("P", "P", 2.41, 1),
        ("P", "P", 2.39, 0),  # a bond
        ("OP1", "OP2", 2.41, 0),
        ("OP1", "OP2", 2.39, 1),
        ("O2'", "OP2", 2.39, 0),  # a hydrogen bond
        ("O2'", "OP2", 1.79, 1),  # too short for one
        ("N4", "P", 2.96, 0),
        ("N4", "P", 2.94, 1),
    ],
)
def test_two_atoms_clash_when_they_overlap(first: str, second: str, distance: float, num_clashes: int):
    found = clashscore(two_atoms(first, second, distance))
    has_hydroxyl = "O2'" in (first, second)
    assert (found.num_clashes, found.num_atoms, found.num_hydrogens) == (num_clashes, 2 + has_hydroxyl, has_hydroxyl)
    assert found.score == pytest.approx(1000 * num_clashes / found.num_atoms)


def test_a_stem_and_its_moved_copy_score_the_same():
    moved = replace(CHAIN, atoms=CHAIN.atoms @ TURN.T + np.float32(40))
    assert clashscore(moved) == clashscore(CHAIN)


def test_two_molecules_apart_have_the_score_of_one():
    far = replace(CHAIN, atoms=CHAIN.atoms + np.float32(90))
    one, two = clashscore(CHAIN), clashscore(join([CHAIN, far]))
    assert (two.num_clashes, two.num_atoms) == (2 * one.num_clashes, 2 * one.num_atoms)
    assert two.score == one.score


def test_molecules_in_each_other_clash():
    inside = replace(CHAIN, atoms=CHAIN.atoms + np.float32(2))
    single, double = clashscore(CHAIN).score, clashscore(join([CHAIN, inside])).score
    assert single is not None
    assert double is not None
    assert single < 20
    assert double > 200


def test_bonded_neighbours_do_not_clash_across_the_link():
    assert clashscore(CHAIN.subset([1, 2])).num_clashes == 0


# Purines 4 and pyrimidines 4 (C) or 3 (U) on the base, six on the ribose.
@pytest.mark.parametrize(("letter", "num"), [("A", 10), ("C", 10), ("G", 10), ("U", 9)])
def test_each_nucleotide_has_its_hydrogens(letter: str, num: int):
    hydrogens = place_hydrogens(CHAIN)
    placed = np.isfinite(hydrogens).all(axis=-1).sum(axis=1)
    assert placed[CHAIN.sequence.index(letter)] == num
    found = clashscore(CHAIN)
    assert found.num_hydrogens == placed.sum() + len(CHAIN)  # and one on each O2'
    assert found.num_atoms == CHAIN.resolved.sum() + found.num_hydrogens


def test_carbons_of_the_ribose_are_tetrahedral():
    hydrogens = place_hydrogens(CHAIN).astype(np.float64)
    carriers = [("C1'", 0), ("C2'", 1), ("C3'", 2), ("C4'", 3), ("C5'", 4), ("C5'", 5)]
    neighbours = {"C1'": ("O4'", "C2'"), "C2'": ("C1'", "C3'"), "C3'": ("C2'", "C4'"), "C4'": ("C3'", "C5'")}
    for name, column in carriers:
        corner = CHAIN.atom(name)[2].astype(np.float64)
        assert np.linalg.norm(hydrogens[2, column] - corner) == pytest.approx(0.97)
        for other in neighbours.get(name, ("C4'", "O5'")):
            assert 100 < angle(hydrogens[2, column], corner, CHAIN.atom(other)[2]) < 118
    assert angle(hydrogens[2, 4], CHAIN.atom("C5'")[2], hydrogens[2, 5]) == pytest.approx(109.5, abs=1e-3)


def test_the_imino_hydrogen_points_at_its_partner():
    # G1 pairs with C14: H1 is the seventh or later of G; the one on N1 lies between N1 and N3.
    nitrogen, acceptor = (place.astype(np.float64) for place in (CHAIN.atom("N1")[0], CHAIN.atom("N3")[13]))
    on_nitrogen = [place for place in place_hydrogens(CHAIN)[0] if np.linalg.norm(place - nitrogen) < 0.9]
    assert len(on_nitrogen) == 1
    assert angle(on_nitrogen[0], nitrogen, acceptor) < 15


def test_hydrogens_of_bases_lie_in_their_plane():
    for row in range(4):
        ring = np.stack([CHAIN.atom(name)[row] for name in ("N1", "C2", "N3", "C4", "C5", "C6")]).astype(np.float64)
        normal = np.linalg.svd(ring - ring.mean(axis=0))[2][2]
        places = place_hydrogens(CHAIN)[row, 6:]
        heights = (places[np.isfinite(places).all(axis=-1)] - ring.mean(axis=0)) @ normal
        assert np.abs(heights).max() < 0.1


def test_a_missing_atom_takes_the_hydrogens_it_places():
    atoms = CHAIN.atoms.copy()
    atoms[2, ATOM_INDEX["O4'"]] = np.nan
    lost = np.isfinite(place_hydrogens(CHAIN)) & ~np.isfinite(place_hydrogens(replace(CHAIN, atoms=atoms)))
    assert np.argwhere(lost.any(axis=-1)).tolist() == [[2, 0], [2, 3]]


def test_nothing_and_coincident_atoms_do_no_harm():
    assert clashscore(EMPTY).score is None
    assert clashscore(replace(CHAIN, atoms=np.full_like(CHAIN.atoms, np.nan))).score is None
    assert clashscore(CHAIN.subset([0])).num_clashes == 0
    flat = replace(CHAIN, atoms=np.zeros_like(CHAIN.atoms))
    assert clashscore(flat).num_clashes == 0  # all within bonds of each other
