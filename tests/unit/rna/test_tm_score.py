import numpy as np
import pytest

from monosome.rna.geometry import hairpin
from monosome.rna.tm_score import fragments, tm_d0, tm_score


def cloud(num: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num, 3)).cumsum(axis=0) * 4


@pytest.mark.parametrize(
    ("length", "d0"),
    [
        *[(3, 0.3), (11, 0.3), (12, 0.4), (15, 0.4), (16, 0.5), (19, 0.5), (20, 0.6), (23, 0.6), (24, 0.7), (29, 0.7)],
        *[(30, 0.759), (84, 2.982), (100, 3.485)],
    ],
)
def test_d0_of_each_length(length: int, d0: float):
    assert tm_d0(length) == pytest.approx(d0, abs=0.005)


def test_a_moved_copy_scores_one():
    native = cloud(50)
    turn = np.linalg.qr(cloud(3, seed=5))[0]
    turn = turn * np.linalg.det(turn)
    found = tm_score(native @ turn.T + 100, native, 50)
    assert found.score == pytest.approx(1, abs=1e-6)
    assert np.allclose((native @ turn.T + 100) @ found.rotation.T + found.translation, native, atol=1e-3)


def test_a_mirror_image_scores_less():
    native = hairpin("GGGGCUUCGGCCCC", 5).atom("C1'")
    assert tm_score(native * np.array([1.0, 1.0, -1.0]), native, 14).score < 0.7


def test_residues_missing_from_the_model_score_nothing():
    native = cloud(40)
    assert tm_score(native[:20], native[:20], 40).score == pytest.approx(0.5)


def test_one_displaced_residue_scores_by_its_distance():
    # 199 residues of 200 stay: the best superposition leaves them, so the score is (199 + 1/(1 + (d/d0)²)) / 200.
    native = cloud(200)
    model = native.copy()
    model[100] += [0.0, 0.0, 30.0]
    expected = (199 + 1 / (1 + (30 / tm_d0(200)) ** 2)) / 200
    assert tm_score(model, native, 200).score == pytest.approx(expected, abs=1e-4)


def test_a_half_that_fits_is_found():
    # Two rigid halves hinged apart: superposing either half alone gives a half at least.
    native = cloud(60)
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    model = np.concatenate([native[:30], native[30:] @ turn.T + 25])
    assert tm_score(model, native, 60).score > 0.5


def test_no_better_score_is_known_than_that_of_a_random_search():
    model, native = cloud(40), cloud(40) + cloud(40, seed=1)
    best = tm_score(model, native, 40)
    moved = model @ best.rotation.T + best.translation
    again = (1 / (1 + ((moved - native) ** 2).sum(axis=-1) / tm_d0(40) ** 2)).mean()
    assert again == pytest.approx(best.score, abs=1e-5)


def test_fragments_are_runs_down_to_four():
    starts = fragments(16)
    assert sorted({int(row.sum()) for row in starts}) == [4, 8, 16]
    assert len(starts) == 1 + 9 + 13
    assert all((np.diff(np.flatnonzero(row)) == 1).all() for row in starts)
    assert len(fragments(3)) == 1


@pytest.mark.parametrize("num", [1, 2, 3, 4, 5])
def test_few_residues_do_not_fail(num: int):
    assert 0 < tm_score(cloud(num), cloud(num, seed=1), num).score <= 1
