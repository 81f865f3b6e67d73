from dataclasses import replace

import numpy as np
import pytest

from monosome.rna.chain import Chain
from monosome.rna.ermsd import CUTOFF, SCALE, base_frames, ermsd
from monosome.rna.geometry import hairpin
from monosome.rna.nucleotides import ATOM_INDEX

CHAIN = hairpin("GGCACGAAAGUGCC", 5)
EMPTY = CHAIN.subset(np.zeros(len(CHAIN), dtype=bool))
TURN = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float32)


def shaken(chain: Chain, angstrom: float, seed: int = 0) -> Chain:
    """Every residue moved by itself."""
    steps = np.random.default_rng(seed).normal(scale=angstrom, size=(len(chain), 1, 3))
    return replace(chain, atoms=chain.atoms + steps.astype(np.float32))


def definition(native: Chain, model: Chain) -> float:
    """The formula of the paper, over all ordered pairs."""
    vectors = []
    for chain in (native, model):
        origins, axes = base_frames(chain)
        places = np.einsum("jab,jkb->jka", axes, origins[None] - origins[:, None]) / SCALE
        length = np.linalg.norm(places, axis=-1)
        np.fill_diagonal(length, np.inf)
        gamma = np.pi / CUTOFF
        inside = (length < CUTOFF)[..., None]
        finite = np.where(length < CUTOFF, length, 1)[..., None]
        four = np.concatenate([np.sin(gamma * finite) * places / finite, 1 + np.cos(gamma * finite)], axis=-1)
        vectors.append(np.where(inside, four / gamma, 0))
    return float(np.sqrt(np.square(vectors[0] - vectors[1]).sum() / len(native)))


@pytest.mark.parametrize("angstrom", [0.1, 0.5, 2.0])
def test_it_is_the_definition(angstrom: float):
    model = shaken(CHAIN, angstrom)
    assert ermsd(CHAIN, model).value == pytest.approx(definition(CHAIN, model), rel=1e-9)


def test_equal_structures_are_zero_wherever_they_are():
    moved = replace(CHAIN, atoms=CHAIN.atoms @ TURN.T + np.float32(40))
    assert ermsd(CHAIN, CHAIN).value == 0
    assert ermsd(CHAIN, moved).value == pytest.approx(0, abs=1e-4)


def test_it_is_the_same_both_ways_round():
    model = shaken(CHAIN, 1)
    assert ermsd(CHAIN, model).value == pytest.approx(ermsd(model, CHAIN).value)


def test_a_small_change_is_near_native_and_a_lost_fold_is_not():
    near, far = ermsd(CHAIN, shaken(CHAIN, 0.2)).value, ermsd(CHAIN, shaken(CHAIN, 4)).value
    assert near is not None
    assert far is not None
    assert near < 0.7 < far


def test_what_residues_add_is_its_square():
    found = ermsd(CHAIN, shaken(CHAIN, 1))
    assert found.value is not None
    assert found.residues.mean() == pytest.approx(found.value**2)


def test_one_moved_base_shows_at_its_residue():
    atoms = CHAIN.atoms.copy()
    atoms[6] += np.float32(30)
    found = ermsd(CHAIN, replace(CHAIN, atoms=atoms))
    assert int(found.residues.argmax()) == 6


def test_frames_are_right_handed_and_flat():
    _, axes = base_frames(CHAIN)
    np.testing.assert_allclose(axes @ axes.transpose(0, 2, 1), np.tile(np.eye(3), (14, 1, 1)), atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(axes), 1, atol=1e-6)


def test_normals_of_one_strand_point_the_same_way():
    _, axes = base_frames(CHAIN)
    assert (axes[0:4, 2] @ axes[0, 2] > 0.8).all()
    assert (axes[10:14, 2] @ axes[0, 2] < -0.8).all()


def test_a_base_that_lacks_an_atom_is_left_out():
    atoms = CHAIN.atoms.copy()
    atoms[3, ATOM_INDEX["C6"]] = np.nan
    found = ermsd(replace(CHAIN, atoms=atoms), CHAIN)
    assert np.flatnonzero(np.isnan(found.residues)).tolist() == [3]
    assert found.value == 0


def test_a_ring_in_one_point_has_no_frame():
    atoms = CHAIN.atoms.copy()
    atoms[3, [ATOM_INDEX["C2"], ATOM_INDEX["C6"]]] = atoms[3, ATOM_INDEX["C4"]]
    assert np.isnan(ermsd(CHAIN, replace(CHAIN, atoms=atoms)).residues[3])


def test_too_few_bases_are_undefined():
    assert ermsd(CHAIN.subset([0]), CHAIN.subset([0])).value is None
    assert ermsd(EMPTY, EMPTY).value is None
