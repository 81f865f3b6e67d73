"""Motif scores: a perfect model, models wrong by a known amount, and missing atoms."""

import json
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest

from monosome.rna.chain import Chain
from monosome.rna.geometry import duplex, hairpin
from monosome.rna.interactions import BasePair, Interactions
from monosome.rna.motif_scores import KINDS, MotifScore, helix_axes, local_rmsds, score_motifs, summarise
from monosome.rna.motifs import Helix
from monosome.rna.superposition import move, superpose

HAIRPIN = hairpin("GGCACGAAAGUGCC", 5)
DUPLEX = duplex("GGCAUCGAUG")
TURN = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float32)


def pairs(chain: Chain, places: list[int]) -> Interactions:
    """Watson–Crick pairs of the residues at `places` with those as far from the other end."""
    last = len(chain) - 1
    return Interactions(tuple(BasePair(i, last - i, "cWW", True) for i in places), ())


STEM = pairs(HAIRPIN, [0, 1, 2, 3, 4])
TWO_HELICES = pairs(DUPLEX, [0, 1, 2, 3, 6, 7, 8, 9])  # a 2×2 internal loop in a straight duplex


def scored(model: Chain, native: Chain, found: Interactions, made: Interactions | None = None) -> list[MotifScore]:
    return list(score_motifs(native, model, found, made or found, np.ones(len(native))))


def moved(chain: Chain) -> Chain:
    return replace(chain, atoms=chain.atoms @ TURN.T + np.float32(40))


def bent(chain: Chain, places: range, degrees: float) -> Chain:
    """The chain with some residues turned about the x axis, through the origin."""
    angle = np.radians(degrees)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    atoms = chain.atoms.copy()
    atoms[list(places)] = atoms[list(places)] @ turn.T.astype(np.float32)
    return replace(chain, atoms=atoms)


@pytest.mark.parametrize(("native", "found"), [(HAIRPIN, STEM), (DUPLEX, TWO_HELICES)])
def test_a_moved_copy_is_perfect(native: Chain, found: Interactions):
    for score in scored(moved(native), native, found):
        assert score.pair_f1 in (1, None)
        assert score.lddt == 1
        assert score.ermsd == pytest.approx(0, abs=1e-3)
        assert score.rmsd == pytest.approx(0, abs=1e-4)
        assert score.helix_angle_error in (None, pytest.approx(0, abs=1e-3))


def test_motifs_come_class_by_class_with_their_residues():
    found = scored(HAIRPIN, HAIRPIN, STEM)
    assert [(score.kind, score.name) for score in found] == [("helix", "helix of 5"), ("hairpin", "GNRA tetraloop")]
    assert found[0].residues == (0, 1, 2, 3, 4, 9, 10, 11, 12, 13)
    assert found[1].residues == (4, 5, 6, 7, 8, 9), "with the pair that closes it"


def test_pairs_count_as_right_with_their_class():
    helix, loop = scored(HAIRPIN, HAIRPIN, STEM, pairs(HAIRPIN, [0, 1, 2]))
    assert helix.pair_f1 == pytest.approx(2 * 3 / (5 + 3))
    assert loop.pair_f1 == 0, "its closing pair is not made"
    other = Interactions(tuple(replace(pair, kind="tWW", is_canonical=False) for pair in STEM.pairs), ())
    assert scored(HAIRPIN, HAIRPIN, STEM, other)[0].pair_f1 == 0


def test_a_motif_without_pairs_has_no_f1():
    alone = Interactions((), ())
    (score,) = scored(HAIRPIN, HAIRPIN, alone, STEM)
    assert (score.kind, score.pair_f1) == ("exterior", None)


def test_lddt_is_the_mean_over_the_residues_that_have_one():
    lddt = np.linspace(0, 1, 14)
    lddt[5] = np.nan
    _, loop = score_motifs(HAIRPIN, HAIRPIN, STEM, STEM, lddt)
    assert loop.lddt == pytest.approx(np.mean(lddt[[4, 6, 7, 8, 9]]))
    _, undefined = score_motifs(HAIRPIN, HAIRPIN, STEM, STEM, np.full(14, np.nan))
    assert undefined.lddt is None


def test_local_rmsd_is_that_of_each_part_superposed_alone():
    draw = np.random.default_rng(3)
    noisy = replace(HAIRPIN, atoms=HAIRPIN.atoms + draw.normal(size=HAIRPIN.atoms.shape).astype(np.float32))
    groups = [np.arange(start, end) for start, end in pairwise([0, 3, 8, 14])]
    for group, found in zip(groups, local_rmsds(HAIRPIN, noisy, groups), strict=True):
        known = HAIRPIN.resolved[group]
        model, native = noisy.atoms[group][known].astype(np.float64), HAIRPIN.atoms[group][known].astype(np.float64)
        distances = np.linalg.norm(move(model, *superpose(model, native)) - native, axis=1)
        assert found == pytest.approx(np.sqrt(np.mean(distances**2)), abs=1e-6)
    assert local_rmsds(HAIRPIN, noisy, []) == []


def test_a_mirror_image_is_not_superposed():
    mirrored = replace(HAIRPIN, atoms=HAIRPIN.atoms * np.array([1, 1, -1], dtype=np.float32))
    (found,) = local_rmsds(HAIRPIN, mirrored, [np.arange(14)])
    assert found is not None
    assert found > 1


def test_the_axis_of_an_ideal_helix_is_its_screw():
    helix = Helix(tuple((i, 19 - i) for i in range(10)))
    native, model = helix_axes(DUPLEX, bent(DUPLEX, range(20), 90), helix)
    assert native == pytest.approx([0, 0, 1], abs=1e-4)
    assert model == pytest.approx([0, -1, 0], abs=1e-4)
    short = Helix(((4, 15), (5, 14)))
    assert helix_axes(DUPLEX, DUPLEX, short)[0] == pytest.approx([0, 0, 1], abs=1e-4)


def test_a_bend_is_the_angle_error():
    straight = next(score for score in scored(DUPLEX, DUPLEX, TWO_HELICES) if score.kind == "internal")
    assert straight.helix_angles[0].native == pytest.approx(180, abs=0.1)
    model = bent(DUPLEX, range(6, 14), 30)
    (loop,) = [score for score in scored(model, DUPLEX, TWO_HELICES) if score.kind == "internal"]
    (angle,) = loop.helix_angles
    assert angle.helices == (0, 1)
    assert angle.error == pytest.approx(-30, abs=0.1)
    assert loop.helix_angle_error == pytest.approx(30, abs=0.1)
    assert all(score.rmsd == pytest.approx(0, abs=1e-3) for score in scored(model, DUPLEX, TWO_HELICES)[:2])


def test_missing_atoms_are_left_out_and_nothing_left_is_undefined():
    atoms = HAIRPIN.atoms.copy()
    atoms[4:10] = np.nan
    helix, loop = scored(replace(HAIRPIN, atoms=atoms), HAIRPIN, STEM)
    assert helix.rmsd == pytest.approx(0, abs=1e-4)
    assert (loop.rmsd, loop.ermsd) == (None, None)
    duplex_atoms = DUPLEX.atoms.copy()
    duplex_atoms[6:14] = np.nan
    (internal,) = [s for s in scored(replace(DUPLEX, atoms=duplex_atoms), DUPLEX, TWO_HELICES) if s.kind == "internal"]
    assert (internal.helix_angles, internal.helix_angle_error) == ((), None)


def test_atoms_on_one_point_have_scores_too():
    collapsed = replace(HAIRPIN, atoms=np.where(np.isnan(HAIRPIN.atoms), np.nan, 0).astype(np.float32))
    assert all(score.rmsd is not None and np.isfinite(score.rmsd) for score in scored(collapsed, HAIRPIN, STEM))


def test_classes_are_means_over_their_motifs():
    found = scored(bent(DUPLEX, range(6, 14), 30), DUPLEX, TWO_HELICES)
    rows = {row.kind: row for row in summarise(found)}
    assert list(rows) == [kind for kind in KINDS if kind in rows]
    assert rows["helix"].num_motifs == 2
    assert rows["helix"].helix_angle_error is None
    assert rows["internal"].helix_angle_error == pytest.approx(30, abs=0.1)
    assert summarise(()) == ()


def test_scores_are_json():
    text = json.dumps([asdict(score) for score in scored(HAIRPIN, HAIRPIN, STEM)], allow_nan=False)
    assert json.loads(text)[1]["name"] == "GNRA tetraloop"
