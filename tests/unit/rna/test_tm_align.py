import numpy as np
import pytest

from monosome.rna.geometry import duplex, hairpin
from monosome.rna.tm_align import tm_align
from monosome.rna.tm_score import tm_d0, tm_score

TURN = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
NATIVE = hairpin("GGCACGGAAACGUGCCAAAA", 6, num_trailing=4).atom("C1'").astype(np.float64)


def test_a_part_is_found_wherever_it_is():
    model = NATIVE[5:15] @ TURN.T + 30
    found = tm_align(model, NATIVE, len(NATIVE))
    assert found.pairs.tolist() == [[row, row + 5] for row in range(10)]
    assert found.found.score == pytest.approx(10 / len(NATIVE), abs=1e-3)
    assert np.allclose(model @ found.found.rotation.T + found.found.translation, NATIVE[5:15], atol=0.01)


def test_an_insertion_is_stepped_over():
    loop = np.cumsum(np.full((6, 3), 5.0), axis=0) + NATIVE[9]
    model = np.concatenate([NATIVE[:10], loop, NATIVE[10:]])
    found = tm_align(model, NATIVE, len(NATIVE))
    assert found.found.score == pytest.approx(1, abs=1e-3)
    assert found.pairs[:, 0].tolist() == [*range(10), *range(16, 26)]


def test_the_score_is_that_of_its_own_pairs_and_superposition():
    model, native = duplex("GGCACGUAUC").atom("C1'"), hairpin("GGCACGGAAACGUGCC", 6).atom("C1'")
    found = tm_align(model, native, len(native))
    moved = model @ found.found.rotation.T + found.found.translation
    ours, theirs = found.pairs.T
    squared = np.square(moved[ours] - native[theirs]).sum(axis=-1)
    assert (1 / (1 + squared / tm_d0(16) ** 2)).sum() / 16 == pytest.approx(found.found.score, abs=1e-4)
    assert np.all(np.diff(found.pairs, axis=0) > 0)


def test_it_is_never_below_the_score_by_number():
    rng = np.random.default_rng(0)
    model = NATIVE + rng.normal(size=NATIVE.shape) * 3
    assert tm_align(model, NATIVE, 20).found.score >= tm_score(model, NATIVE, 20).score - 1e-6


def test_moving_the_model_changes_nothing():
    model = NATIVE + np.random.default_rng(1).normal(size=NATIVE.shape) * 2
    first, second = tm_align(model, NATIVE, 20), tm_align(model @ TURN.T - 50, NATIVE, 20)
    assert second.found.score == pytest.approx(first.found.score, abs=1e-3)


def test_three_residues_do_not_fail():
    assert tm_align(NATIVE[:3], NATIVE, 20).found.score <= 3 / 20 + 1e-6
