from dataclasses import replace

import numpy as np
import pytest

from monosome.rna.geometry import hairpin
from monosome.rna.lddt import Lddt, find_contacts, kept_shares, lddt
from monosome.rna.nucleotides import ATOM_INDEX

NATIVE = hairpin("GGCACGAAAGUGCC", 5)
LEFT_OUT = np.zeros((len(NATIVE), 27), dtype=bool)
TURN = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float32)


def compare(model: np.ndarray, native: np.ndarray) -> Lddt:
    contacts = find_contacts(native)
    return lddt(kept_shares(model, contacts), contacts)


def test_a_moved_copy_keeps_every_distance():
    found = compare(NATIVE.atoms @ TURN.T + 20, NATIVE.atoms)
    assert found.score == pytest.approx(1, abs=1e-6)
    assert np.allclose(found.per_residue, 1)


def test_distances_of_three_residues_one_can_count():
    # One atom each on a line at 0, 6 and 14 Å; the middle one moves by 1.5 Å: 6 → 7.5 and 8 → 6.5 are kept within 2
    # and 4 Å, 14 is kept. By residue: (.5 + 1)/2, .5, (.5 + 1)/2.
    native = np.full((3, 27, 3), np.nan, dtype=np.float32)
    native[:, 0] = [[0, 0, 0], [6, 0, 0], [14, 0, 0]]
    model = native.copy()
    model[1, 0, 0] = 7.5
    found = compare(model, native)
    assert found.score == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert found.per_residue.tolist() == pytest.approx([0.75, 0.5, 0.75])


def test_atoms_that_the_model_lacks_are_not_kept():
    model = NATIVE.atoms.copy()
    model[:7] = np.nan
    found = compare(model, NATIVE.atoms)
    whole = len(find_contacts(NATIVE.atoms).lengths)
    kept = len(find_contacts(NATIVE.atoms[7:]).lengths)
    assert found.score == pytest.approx(kept / whole)
    assert np.allclose(found.per_residue[:7], 0)


def test_what_the_native_lacks_is_undefined():
    native = NATIVE.atoms.copy()
    native[3] = np.nan
    found = compare(NATIVE.atoms, native)
    assert np.flatnonzero(np.isnan(found.per_residue)).tolist() == [3]
    assert compare(NATIVE.atoms, np.full_like(native, np.nan)).score is None


def test_atoms_left_out_are_as_if_the_model_lacked_them():
    left_out = LEFT_OUT.copy()
    left_out[4], left_out[9, :12] = True, True
    without = np.where(left_out[..., None], np.float32(np.nan), NATIVE.atoms)
    contacts = find_contacts(NATIVE.atoms)
    found = lddt(kept_shares(NATIVE.atoms, contacts), contacts, left_out)
    assert found.score == pytest.approx(compare(without, NATIVE.atoms).score)
    assert np.allclose(found.per_residue, compare(without, NATIVE.atoms).per_residue)


def test_a_mirror_image_keeps_its_distances():
    """lDDT does not see handedness, which is why it stands beside other scores."""
    assert compare(NATIVE.atoms * np.float32([1, 1, -1]), NATIVE.atoms).score == pytest.approx(1, abs=1e-6)


def test_biotite_says_the_same():
    structure = pytest.importorskip("biotite.structure")
    rng = np.random.default_rng(0)
    model = replace(NATIVE, atoms=NATIVE.atoms + rng.normal(size=NATIVE.atoms.shape).astype(np.float32))
    arrays = []
    for chain in (NATIVE, model):
        rows, slots = np.nonzero(NATIVE.resolved)
        array = structure.AtomArray(len(rows))
        array.coord, array.res_id, array.chain_id = chain.atoms[rows, slots], rows + 1, np.full(len(rows), "A")
        array.atom_name = np.array(list(ATOM_INDEX))[slots]
        arrays.append(array)
    theirs = structure.lddt(*arrays, exclude_same_residue=True)
    assert compare(model.atoms, NATIVE.atoms).score == pytest.approx(float(theirs), abs=1e-5)
