import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna.nucleotides import (
    ATOM_INDEX,
    ATOM_MASK,
    BASE_ATOMS,
    BASES,
    FRAME_ATOMS,
    GLYCOSIDIC,
    HELIX,
    TEMPLATE,
    encode,
    parse_sequence,
)

# Gelbin et al. 1996, Parkinson et al. 1996 (ribose, phosphate), Clowney et al. 1996 (bases): lengths in Å.
SHARED_BONDS = {
    "P OP1": 1.485,
    "P OP2": 1.485,
    "P O5'": 1.593,
    "O5' C5'": 1.440,
    "C5' C4'": 1.510,
    "C4' C3'": 1.524,
    "C3' C2'": 1.525,
    "C2' C1'": 1.528,
    "O4' C1'": 1.414,
    "O4' C4'": 1.453,
    "C3' O3'": 1.423,
    "C2' O2'": 1.413,
}
OWN_BONDS = {
    "A": {"C1' N9": 1.470, "C6 N6": 1.335, "N1 C2": 1.339, "N7 C8": 1.311, "C4 C5": 1.383},
    "C": {"C1' N1": 1.480, "C2 O2": 1.240, "C4 N4": 1.335, "C5 C6": 1.339, "N3 C4": 1.335},
    "G": {"C1' N9": 1.470, "C6 O6": 1.237, "C2 N2": 1.341, "N7 C8": 1.305, "C4 C5": 1.379},
    "U": {"C1' N1": 1.480, "C2 O2": 1.219, "C4 O4": 1.232, "C5 C6": 1.337, "N3 C4": 1.380},
}


def atom(base: str, name: str) -> np.ndarray:
    return TEMPLATE[BASES.index(base), ATOM_INDEX[name]].astype(np.float64)


def test_each_base_has_the_atoms_it_is_known_by():
    assert len(ATOM_INDEX) == 27
    assert ATOM_MASK.sum(axis=1).tolist() == [22, 20, 23, 20]  # heavy atoms of AMP, CMP, GMP, UMP without O3P
    assert np.array_equal(np.isfinite(TEMPLATE).all(axis=-1), ATOM_MASK)


@pytest.mark.parametrize("base", BASES)
def test_bonds_have_their_published_lengths(base: str):
    for pair, length in (SHARED_BONDS | OWN_BONDS[base]).items():
        one, other = pair.split()
        assert np.linalg.norm(atom(base, one) - atom(base, other)) == pytest.approx(length, abs=0.005), pair


@pytest.mark.parametrize("base", BASES)
def test_the_template_stands_in_its_own_frame(base: str):
    origin, nitrogen, carbon = TEMPLATE[BASES.index(base), FRAME_ATOMS[BASES.index(base)]]
    assert np.array_equal(origin, [0, 0, 0])
    assert nitrogen[0] > 1.4
    assert np.allclose([*nitrogen[1:], carbon[2]], 0, atol=1e-4)
    assert carbon[1] > 1.8
    # Published frames of this choice have C4' near (-1.3, 1.93, 0).
    assert np.allclose(carbon, [-1.3, 1.93, 0], atol=0.06)


@pytest.mark.parametrize("base", BASES)
def test_bases_are_flat(base: str):
    ring = np.stack([atom(base, name) for name in ("C1'", *BASE_ATOMS[base])])
    assert np.linalg.svd(ring - ring.mean(axis=0))[1][2] < 1e-3


def torsion(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> float:
    axis = (c - b) / np.linalg.norm(c - b)
    before, after = (a - b) - axis * ((a - b) @ axis), (d - c) - axis * ((d - c) @ axis)
    return float(np.degrees(np.arctan2(axis @ np.cross(before, after), before @ after)))


@pytest.mark.parametrize("base", BASES)
def test_sugars_are_d_ribose_in_c3_endo_with_the_base_anti(base: str):
    def angle(*names: str) -> float:
        return torsion(*(atom(base, name) for name in names))

    assert angle("C5'", "C4'", "C3'", "O3'") == pytest.approx(80, abs=5)  # δ; C2'-endo has 145°, L-ribose the negative
    chi = angle("O4'", "C1'", GLYCOSIDIC[base], "C4" if base in "AG" else "C2")
    assert -180 < chi < -145  # A-form: −157° in fibres


def test_the_helix_is_right_handed_and_of_a_form():
    assert np.degrees(HELIX.twist) == pytest.approx(32.7, abs=0.5)
    assert 2.5 < HELIX.rise < 2.85
    assert np.linalg.det(HELIX.rotation.astype(np.float64)) == pytest.approx(1, abs=1e-4)


def test_a_sequence_is_read_with_notes():
    assert parse_sequence("acgu") == ("ACGU", [])
    assert parse_sequence("GGTT") == ("GGUU", ["2 T read as U"])
    assert parse_sequence("AC\nGU\n")[0] == "ACGU"
    assert parse_sequence("AC GU")[1] == ["white space was dropped"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("ACNG", "'N' at position 3 stands for any base"),
        ("AR", "'R' at position 2 stands for A or G"),
        ("AGPC", "'P' at position 3 is pseudouridine"),
        ("AC-GU", "'-' at position 3 is a gap"),
        ("ACG&CGU", "'&' at position 4 is a chain break"),
        ("((..))", "looks like a secondary structure"),
        ("ACG1", "'1' at position 4"),
    ],
)
def test_what_cannot_be_folded_is_named_with_its_place(text: str, says: str):
    with pytest.raises(DataError) as caught:
        parse_sequence(text)
    assert says in caught.value.message


def test_encoding_follows_the_order_of_bases():
    assert encode("ACGUA").tolist() == [0, 1, 2, 3, 0]
