import numpy as np
import pytest

from monosome.rna.base_geometry import EDGES, NO_EDGE, RIM, find_rings, nearest_edge, place_sites
from monosome.rna.geometry import duplex, hairpin
from monosome.rna.nucleotides import ATOM_INDEX, ATOM_NAMES, BASES, TEMPLATE

TEMPLATES = TEMPLATE.astype(np.float64)
SITES = place_sites(TEMPLATES, np.arange(4))


def place(base: str, atom: str, edge: str = "") -> int:
    """Place on the rim of the site of an atom, of several the one on that edge."""
    row = BASES.index(base)
    (found,) = (
        site
        for site in np.flatnonzero(RIM.atom[row] == ATOM_INDEX[atom])
        if not edge or EDGES[RIM.edge[row, site]] == edge
    )
    return int(found)


@pytest.mark.parametrize(
    ("base", "hydrogens", "lone_pairs"),
    [
        ("A", "C8 N6 N6 C2", "N7 N1 N3"),
        ("C", "C6 C5 N4 N4", "N3 O2 O2"),
        ("G", "C8 N1 N2 N2", "N7 O6 O6 N3"),
        ("U", "C6 C5 N3", "O4 O4 O2 O2"),
    ],
)
def test_a_base_has_its_hydrogens_and_lone_pairs(base: str, hydrogens: str, lone_pairs: str):
    row = BASES.index(base)
    carriers = [ATOM_NAMES[atom] if atom >= 0 else "" for atom in RIM.atom[row]]
    assert [name for name, is_it in zip(carriers, RIM.is_hydrogen[row], strict=True) if is_it] == hydrogens.split()
    others = [name for name, is_it in zip(carriers, RIM.is_hydrogen[row], strict=True) if name and not is_it]
    assert others == lone_pairs.split()


def test_sites_lie_in_the_plane_of_the_base_at_bond_length():
    rings = find_rings(TEMPLATES, np.arange(4))
    height = ((SITES - rings.centre[:4, None]) * rings.normal[:4, None]).sum(axis=-1)
    assert np.nanmax(np.abs(height)) < 0.1
    carriers = TEMPLATES[np.arange(4)[:, None], RIM.atom]
    reach = np.linalg.norm(SITES - carriers, axis=-1)
    known = RIM.atom >= 0
    assert reach[known] == pytest.approx(RIM.length[known])
    assert np.isnan(reach[~known]).all()


def test_amino_hydrogens_stand_some_120_degrees_apart():
    row = BASES.index("A")
    nitrogen, carbon = (TEMPLATES[row, ATOM_INDEX[name]] for name in ("N6", "C6"))
    arms = [SITES[row, place("A", "N6", edge)] - nitrogen for edge in "WH"] + [carbon - nitrogen]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        cosine = arms[one] @ arms[other] / np.linalg.norm(arms[one]) / np.linalg.norm(arms[other])
        assert np.degrees(np.arccos(cosine)) == pytest.approx(120, abs=8)


def test_hydrogens_meet_lone_pairs_in_watson_crick_pairs():
    chain = duplex("GA")
    sites = place_sites(chain.atoms.astype(np.float64), chain.bases)  # G, A, U, C
    bonds = [
        (sites[0, place("G", "O6", "W")], sites[3, place("C", "N4", "W")]),
        (sites[0, place("G", "N1")], sites[3, place("C", "N3")]),
        (sites[0, place("G", "N2", "W")], sites[3, place("C", "O2", "W")]),
        (sites[1, place("A", "N6", "W")], sites[2, place("U", "O4", "W")]),
        (sites[1, place("A", "N1")], sites[2, place("U", "N3")]),
    ]
    for one, other in bonds:
        assert np.linalg.norm(one - other) < 1.2


def test_points_belong_to_the_nearest_edge():
    row = np.array([BASES.index("A")])

    def edge(point: np.ndarray) -> int:
        return int(nearest_edge(point[None], SITES[row], row)[0])

    site = {edge: SITES[row[0], place("A", "N6", edge)] for edge in "WH"}
    assert EDGES[edge(site["W"])] == "W"
    assert EDGES[edge(site["H"])] == "H"
    assert EDGES[edge(SITES[row[0], place("A", "N3")])] == "S"
    assert edge((site["W"] + site["H"]) / 2) == NO_EDGE  # between the hydrogens of the amino group
    assert edge(SITES[row[0], place("A", "C8")]) == NO_EDGE


def test_normals_point_to_the_3_prime_end_in_a_form():
    chain = hairpin("GGACUUCGGUCC", 4)
    rings = find_rings(chain.atoms.astype(np.float64), chain.bases)
    following = {residue: row for row, residue in enumerate(rings.residue[: len(chain)])}
    for row, residue in enumerate(rings.residue):
        if residue in (0, 1, 2, 8, 9, 10):
            rise = rings.centre[following[residue + 1]] - rings.centre[row]
            assert rings.normal[row] @ rise > 1


def test_missing_atoms_leave_nan():
    atoms = TEMPLATES.copy()
    atoms[:, ATOM_INDEX["N3"]] = np.nan
    sites = place_sites(atoms, np.arange(4))
    lost = (RIM.atom >= 0) & np.isnan(sites).any(axis=-1)
    assert lost[BASES.index("A")].sum() == 2  # N3 itself and the hydrogen of C2
    rings = find_rings(atoms, np.arange(4))
    assert np.isnan(rings.normal[:4]).all()
    assert np.isfinite(rings.normal[4:]).all()
