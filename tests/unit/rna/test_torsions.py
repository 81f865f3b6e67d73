from dataclasses import replace

import numpy as np
import pytest

from monosome.rna.chain import Chain, join
from monosome.rna.geometry import hairpin
from monosome.rna.nucleotides import ATOM_INDEX, BACKBONE
from monosome.rna.torsions import BACKBONE_TORSIONS, TORSION_NAMES, dihedral, mcq, torsion_differences, torsions

CHAIN = hairpin("GGCACGAAAGUGCC", 5)
EMPTY = CHAIN.subset(np.zeros(len(CHAIN), dtype=bool))
STEM = slice(1, 4)
TURN = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float32)


def table(chain: Chain) -> np.ndarray:
    found = torsions(chain)
    return np.stack([getattr(found, name) for name in (*TORSION_NAMES, "phase", "amplitude")], axis=1)


def with_base_turned(degrees: float) -> Chain:
    """The first base turned about its glycosidic bond."""
    atoms = CHAIN.atoms.astype(np.float64)
    origin = atoms[0, ATOM_INDEX["C1'"]].copy()
    x, y, z = (atoms[0, ATOM_INDEX["N9"]] - origin) / np.linalg.norm(atoms[0, ATOM_INDEX["N9"]] - origin)
    cross, angle = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]), np.radians(degrees)
    rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    atoms[0, len(BACKBONE) :] = (atoms[0, len(BACKBONE) :] - origin) @ rotation.T + origin
    return replace(CHAIN, atoms=atoms.astype(np.float32))


def without(chain: Chain, residue: int, atom: str) -> Chain:
    atoms = chain.atoms.copy()
    atoms[residue, ATOM_INDEX[atom]] = np.nan
    return replace(chain, atoms=atoms)


@pytest.mark.parametrize("degrees", [-179.0, -90.0, -1.0, 0.0, 60.0, 90.0, 180.0])
def test_a_dihedral_one_can_see(degrees: float):
    # From a on +x, looking up the axis b→c: d is turned by the angle, clockwise as seen from b.
    turn = np.radians(degrees)
    a, b, c = np.array([[1.0, 0, 0]]), np.zeros((1, 3)), np.array([[0, 0, 2.0]])
    d = np.array([[np.cos(turn), np.sin(turn), 5.0]])
    assert dihedral(a, b, c, d)[0] == pytest.approx(degrees, abs=1e-9)


def test_a_dihedral_on_a_line_is_undefined():
    points = [np.array([[0.0, 0, height]]) for height in (0, 1, 2, 3)]
    assert np.isnan(dihedral(*points)).all()
    assert np.isnan(dihedral(points[0], points[0], points[2], np.ones((1, 3)))).all()


# 3DNA's `fiber -rna`: the torsions of fibre A-RNA (Arnott et al. 1973).
@pytest.mark.parametrize(
    ("name", "degrees"),
    [("alpha", -51.7), ("beta", 174.8), ("gamma", 41.7), ("delta", 79.1), ("epsilon", -147.9), ("zeta", -75.1),
     ("chi", -157.2), ("eta", 170.0), ("theta", -150.1)],
)  # fmt: skip
def test_an_ideal_helix_is_near_the_fibre(name: str, degrees: float):
    found = getattr(torsions(CHAIN), name)[STEM]
    assert np.abs((found - degrees + 180) % 360 - 180).max() < 20  # the stem's shape is measured, not the fibre's


def test_a_helix_puckers_as_a_helix_does():
    found = torsions(CHAIN)
    assert found.puckers[1:4] == ["C3'-endo"] * 3
    assert ((found.amplitude[STEM] > 30) & (found.amplitude[STEM] < 50)).all()


@pytest.mark.parametrize(
    ("phase", "name"),
    [(0, "C3'-endo"), (18, "C3'-endo"), (54, "C4'-exo"), (90, "O4'-endo"), (126, "C1'-exo"), (162, "C2'-endo"),
     (198, "C3'-exo"), (234, "C4'-endo"), (270, "O4'-exo"), (306, "C1'-endo"), (342, "C2'-exo"), (359.9, "C2'-exo")],
)  # fmt: skip
def test_phases_have_their_names(phase: float, name: str):
    # νj = τm cos(P + 144°(j − 2)): Altona & Sundaralingam's own wave.
    waves = {f"nu{j}": np.array([38.0 * np.cos(np.radians(phase + 144 * (j - 2)))]) for j in range(5)}
    found = replace(torsions(CHAIN.subset([0])), **waves)
    assert found.phase[0] == pytest.approx(phase, abs=1e-9)
    assert found.amplitude[0] == pytest.approx(38)
    assert found.puckers == [name]


def test_rigid_motion_changes_nothing():
    moved = replace(CHAIN, atoms=CHAIN.atoms @ TURN.T + np.float32(40))
    np.testing.assert_allclose(table(moved), table(CHAIN), atol=0.01)


def test_a_mirror_image_turns_every_sign():
    mirrored = replace(CHAIN, atoms=CHAIN.atoms * np.array([1, 1, -1], dtype=np.float32))
    same, other = (np.stack([getattr(torsions(c), name) for name in TORSION_NAMES]) for c in (CHAIN, mirrored))
    difference = (same + other + 180) % 360 - 180
    np.testing.assert_allclose(difference[np.isfinite(difference)], 0, atol=0.01)


def test_ends_of_a_strand_lack_what_reaches_over_them():
    found = torsions(CHAIN)
    undefined = {name: np.flatnonzero(np.isnan(getattr(found, name))).tolist() for name in TORSION_NAMES}
    assert {name: at for name, at in undefined.items() if at} == {
        "alpha": [0], "epsilon": [13], "zeta": [13], "eta": [0, 13], "theta": [13],
    }  # fmt: skip


def test_torsions_do_not_cross_to_another_strand():
    both = torsions(join([CHAIN, CHAIN]))
    one = torsions(CHAIN)
    for name in TORSION_NAMES:
        np.testing.assert_array_equal(getattr(both, name), np.tile(getattr(one, name), 2))


def test_residues_left_out_part_the_strand():
    found, whole = torsions(CHAIN.subset([0, 1, 2, 6, 7])), torsions(CHAIN)
    assert np.isnan([found.alpha[3], found.epsilon[2], found.zeta[2], found.eta[2], found.theta[2]]).all()
    assert found.alpha[4] == whole.alpha[7]
    assert found.chi[3] == whole.chi[6]


def test_a_missing_atom_takes_only_its_torsions():
    found, whole = torsions(without(CHAIN, 3, "O4'")), torsions(CHAIN)
    for name in TORSION_NAMES:
        lost = np.isnan(getattr(found, name)) & ~np.isnan(getattr(whole, name))
        assert np.flatnonzero(lost).tolist() == ([3] if name in {"chi", "nu0", "nu1", "nu3", "nu4"} else [])
    assert found.puckers[3] is None


def test_no_difference_to_itself():
    assert mcq(CHAIN, CHAIN) == pytest.approx(0, abs=1e-9)
    assert np.nanmax(torsion_differences(CHAIN, CHAIN)) == 0


def test_differences_are_counted_round_the_circle():
    turned = with_base_turned(200)
    assert torsion_differences(CHAIN, turned, ["chi"])[0, 0] == pytest.approx(160, abs=0.01)
    assert mcq(CHAIN.subset([0]), turned.subset([0]), ["chi"]) == pytest.approx(160, abs=0.01)


def test_a_mean_of_circular_quantities_is_not_the_mean():
    # Of 0°, 0° and 120°: atan2(√3/2, 2 − 1/2) is 30°, the mean 40°.
    found = mcq(CHAIN.subset([0]), with_base_turned(120).subset([0]), ["gamma", "delta", "chi"])
    assert found == pytest.approx(30, abs=0.01)


def test_nothing_in_common_is_undefined():
    nothing = replace(CHAIN, atoms=np.full_like(CHAIN.atoms, np.nan))
    assert mcq(CHAIN, nothing, BACKBONE_TORSIONS) is None
    assert mcq(EMPTY, EMPTY) is None
