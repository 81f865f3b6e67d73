import numpy as np
import pytest
import torch

from monosome.errors import DataError
from monosome.rna.chain import Chain
from monosome.rna.frames import Frames
from monosome.rna.geometry import duplex, hairpin, helix_frames, partner_frames, place_atoms, random_hairpin
from monosome.rna.nucleotides import ATOM_INDEX, ATOM_MASK, BASES, FRAME_ATOMS, TEMPLATE, encode

LOOPS = range(3, 13)


def links(chain: Chain) -> np.ndarray:
    """O3'–P of neighbours in one strand."""
    distances = np.linalg.norm(chain.atom("O3'")[:-1] - chain.atom("P")[1:], axis=-1)
    return distances[np.diff(chain.segments) == 0]


def closest(chain: Chain) -> float:
    """Smallest distance of heavy atoms of residues that are not neighbours."""
    atoms = torch.from_numpy(chain.atoms[chain.resolved])
    owner = np.repeat(np.arange(len(chain)), chain.resolved.sum(axis=1))
    apart = np.abs(owner[:, None] - owner[None]) > 1
    return float(torch.cdist(atoms, atoms, compute_mode="donot_use_mm_for_euclid_dist").numpy()[apart].min())


def test_atoms_follow_their_frames():
    bases = torch.from_numpy(encode("ACGU"))
    frames = helix_frames(4)
    placed = place_atoms(frames, bases)
    assert np.array_equal(placed.isfinite().all(-1).numpy(), ATOM_MASK)
    local = torch.einsum("nji,naj->nai", frames.rotations, placed - frames.translations.unsqueeze(1))
    assert np.allclose(local.numpy(), TEMPLATE, atol=1e-4, equal_nan=True)
    points = placed[torch.arange(4).unsqueeze(-1), torch.from_numpy(FRAME_ATOMS)]
    again = Frames.from_points(*points.unbind(1))
    assert torch.allclose(again.rotations, frames.rotations, atol=1e-3)


def test_gradients_reach_the_frames_and_are_finite():
    shift = torch.zeros(2, 4, 3, requires_grad=True)
    frames = helix_frames(4)
    batch = Frames(frames.rotations.expand(2, 4, 3, 3), frames.translations + shift)
    bases = torch.from_numpy(encode("ACGU")).expand(2, 4)
    placed = place_atoms(batch, bases)
    placed[torch.from_numpy(ATOM_MASK).expand(2, 4, 27)].square().sum().backward()
    assert shift.grad is not None
    assert shift.grad.isfinite().all()
    assert (shift.grad.abs().sum(-1) > 0).all()


def test_a_strand_is_bonded_and_right_handed():
    strand = place_atoms(helix_frames(12), torch.from_numpy(encode("GACUGACUGACU")))
    link = (strand[:-1, ATOM_INDEX["O3'"]] - strand[1:, ATOM_INDEX["P"]]).norm(dim=-1)
    assert torch.allclose(link, torch.tensor(1.607), atol=0.005)
    sugars = strand[:, ATOM_INDEX["C1'"]]
    assert (sugars.diff(dim=0)[:, 2] > 0).all()
    turn = torch.atan2(sugars[:, 1], sugars[:, 0]).diff()
    assert (torch.remainder(turn, 2 * torch.pi) < torch.pi / 2).all()  # counter-clockwise going up
    phosphates = strand[:, ATOM_INDEX["P"]]
    assert phosphates.diff(dim=0).norm(dim=-1).mean().item() == pytest.approx(5.9, abs=0.1)


@pytest.mark.parametrize(("one", "other", "bonds"), [("G", "C", 3), ("A", "U", 2), ("C", "G", 3), ("U", "A", 2)])
def test_pairs_face_each_other_with_their_hydrogen_bonds(one: str, other: str, bonds: int):
    pairs = {"GC": ("O6 N4", "N1 N3", "N2 O2"), "AU": ("N6 O4", "N1 N3")}
    chain = duplex(one * 5)
    assert chain.sequence == one * 5 + other * 5
    middle, partner = chain.atoms[2], chain.atoms[7]
    names = pairs.get(one + other) or tuple(" ".join(reversed(pair.split())) for pair in pairs[other + one])
    assert len(names) == bonds
    for pair in names:
        a, b = (ATOM_INDEX[name] for name in pair.split())
        assert np.linalg.norm(middle[a] - partner[b]) == pytest.approx(2.85, abs=0.13), pair
    sugar = ATOM_INDEX["C1'"]
    assert np.linalg.norm(middle[sugar] - partner[sugar]) == pytest.approx(10.6, abs=0.1)
    # Base planes: the angle between their normals (propeller and buckle) stays below 20°.
    normals = [
        np.linalg.svd(base[12:][np.isfinite(base[12:, 0])] - np.nanmean(base[12:], axis=0))[2][2]
        for base in (middle, partner)
    ]
    assert abs(normals[0] @ normals[1]) > 0.94


def test_partners_are_related_by_a_dyad():
    frames, partners = helix_frames(3), partner_frames(3)
    assert torch.allclose(partners.translations[0], frames.translations[0] * torch.tensor([1.0, -1.0, -1.0]))
    assert torch.allclose(torch.linalg.det(partners.rotations), torch.ones(3), atol=1e-4)


def test_a_duplex_has_two_bonded_strands_without_clashes():
    chain = duplex("GGACUUCGAC")
    assert chain.sequence == "GGACUUCGACGUCGAAGUCC"
    assert chain.segments.tolist() == [0] * 10 + [1] * 10
    assert np.allclose(links(chain), 1.607, atol=0.005)
    assert closest(chain) > 2.5


@pytest.mark.parametrize("num_loop", LOOPS)
def test_hairpins_are_closed_by_a_smooth_loop(num_loop: int):
    chain = hairpin("GGAC" + "GAAAGAUGCAGA"[:num_loop] + "GUCC", 4)
    link = links(chain)
    assert link.min() > 1.55
    assert link.max() < 1.65
    steps = np.linalg.norm(np.diff(chain.atom("C1'"), axis=0), axis=-1)
    assert steps.min() > 5.0
    assert steps.max() < 7.1
    for base in BASES:
        assert closest(hairpin("GGAC" + base * num_loop + "GUCC", 4)) > 2.5


@pytest.mark.parametrize(("leading", "trailing"), [(5, 0), (0, 5)])
def test_tails_go_on_with_the_helix(leading: int, trailing: int):
    sequence = "AAAAA"[:leading] + "GGCGAAAGCC" + "AAAAA"[:trailing]
    chain = hairpin(sequence, 3, num_leading=leading, num_trailing=trailing)
    assert chain.sequence == sequence
    assert links(chain).max() < 1.7
    assert closest(chain) > 2.5


@pytest.mark.parametrize(
    ("sequence", "num_pairs", "tails"),
    [("GGCGACC", 3, (0, 0)), ("GGCGAAAGCA", 3, (0, 0)), ("AGGCGAAAGCCA", 3, (1, 1)), ("GGCC", 0, (0, 0))],
)
def test_what_is_no_hairpin_is_refused(sequence: str, num_pairs: int, tails: tuple[int, int]):
    with pytest.raises(DataError):
        hairpin(sequence, num_pairs, num_leading=tails[0], num_trailing=tails[1])


def test_random_hairpins_are_hairpins_and_repeat():
    drawn = [random_hairpin(seed) for seed in range(60)]
    assert {len(chain) <= 40 and len(chain) >= 11 for chain in drawn} == {True}
    assert len({chain.sequence for chain in drawn}) == 60
    assert len({len(chain) for chain in drawn}) > 10
    assert {letter for chain in drawn for letter in chain.sequence} == set(BASES)
    assert min(closest(chain) for chain in drawn) > 2.5
    assert max(links(chain).max() for chain in drawn) < 1.65
    assert np.array_equal(random_hairpin(7).atoms, drawn[7].atoms, equal_nan=True)
    assert random_hairpin(7).id == "hairpin-7"
