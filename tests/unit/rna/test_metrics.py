from dataclasses import replace

import numpy as np
import pytest

from monosome.errors import ConfigError, DataError
from monosome.rna.chain import Chain
from monosome.rna.geometry import hairpin
from monosome.rna.metrics import assess, pair, rmsd, score
from monosome.rna.nucleotides import ATOM_INDEX

NATIVE = hairpin("GGCACGAAAGUGCC", 5)
TURN = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float32)


def moved(chain: Chain) -> Chain:
    return replace(chain, atoms=chain.atoms @ TURN.T + np.float32(40))


def test_a_moved_copy_is_perfect():
    found = assess(moved(NATIVE), NATIVE)
    assert (found.length, found.num_common, found.mode, found.atom) == (14, 14, "residue", "C1'")
    assert found.tm_score == pytest.approx(1, abs=1e-5)
    assert found.rmsd == pytest.approx(0, abs=1e-4)
    assert found.rmsd_atom == pytest.approx(0, abs=1e-4)


def test_a_mirror_image_is_not():
    found = assess(replace(NATIVE, atoms=NATIVE.atoms * np.array([1, 1, -1], dtype=np.float32)), NATIVE)
    assert found.tm_score is not None
    assert found.tm_score < 0.7
    assert found.rmsd is not None
    assert found.rmsd > 1


def test_rmsd_of_points_one_can_compute():
    # The ends of a cross, one arm longer by 1 Å on both sides: the best superposition leaves the centre.
    native = np.array([[2, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0]], dtype=np.float64)
    model = np.array([[3, 0, 0], [-3, 0, 0], [0, 1, 0], [0, -1, 0]], dtype=np.float64)
    assert rmsd(model, native) == pytest.approx((2 / 4) ** 0.5)


def test_residues_pair_by_number_whatever_their_place():
    part = moved(NATIVE).subset([9, 8, 7, 3, 2])
    found = assess(part, NATIVE)
    assert (found.length, found.num_common) == (14, 5)
    assert found.tm_score == pytest.approx(5 / 14, abs=1e-4)
    assert found.rmsd == pytest.approx(0, abs=1e-4)


def test_inserted_residues_pair_in_their_order():
    numbers = np.array([1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
    native = replace(NATIVE, residue_numbers=numbers)
    assert assess(moved(native), native).tm_score == pytest.approx(1, abs=1e-5)


def test_length_counts_what_the_native_has():
    atoms = NATIVE.atoms.copy()
    atoms[3, ATOM_INDEX["C1'"]] = np.nan
    found = assess(NATIVE, replace(NATIVE, atoms=atoms))
    assert (found.length, found.num_common) == (13, 13)
    assert assess(NATIVE, NATIVE, "P").length == 14


def test_too_few_points_are_undefined_not_zero():
    found = assess(NATIVE.subset([0, 1]), NATIVE)
    assert found.tm_score is None
    assert found.rmsd_atom is None
    assert found.rmsd == pytest.approx(0, abs=1e-4)
    empty = replace(NATIVE, atoms=np.full_like(NATIVE.atoms, np.nan))
    assert assess(empty, NATIVE).rmsd is None


def test_several_chains_pair_in_order():
    pairing = pair([moved(NATIVE), moved(NATIVE)], [NATIVE, NATIVE])
    assert len(pairing.native) == 28
    assert score(pairing).tm_score == pytest.approx(1, abs=1e-5)
    with pytest.raises(DataError, match="1 RNA chains, the native 2"):
        pair([NATIVE], [NATIVE, NATIVE])


def test_what_does_not_fit_together_is_said_with_numbers():
    with pytest.raises(DataError, match="model 101 to 114, native 1 to 14"):
        assess(replace(NATIVE, residue_numbers=NATIVE.residue_numbers + 100), NATIVE)
    says = "2 of 14 residues in common differ in base, the first is number 7: A in the model, U in the native"
    with pytest.raises(DataError, match=says):
        assess(NATIVE, replace(NATIVE, sequence="GGCACGUUAGUGCC"))


def test_a_mutant_is_compared_without_the_mutated_base():
    mutant = hairpin("GGCACGUAAGUGCC", 5)
    found = assess(moved(mutant), NATIVE)
    assert found.num_differing == 1
    assert found.tm_score == pytest.approx(1, abs=1e-5)
    assert found.rmsd == pytest.approx(0, abs=1e-4)


def test_an_unknown_atom_is_refused_with_the_nearest():
    with pytest.raises(ConfigError) as caught:
        assess(NATIVE, NATIVE, "C1*")
    assert "C1'" in caught.value.hint
