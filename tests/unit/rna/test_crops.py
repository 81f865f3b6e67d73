"""Which residues a crop takes, by hand and by laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosome.rna.crops import neighbourhood, stretch


def walk(num_residues: int, seed: int = 0) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(size=(num_residues, 3))
    return (6 * steps / np.linalg.norm(steps, axis=1, keepdims=True)).cumsum(0).astype(np.float32)


@given(st.integers(1, 60), st.integers(1, 70), st.integers(0, 2**40))
def test_a_crop_is_in_order_without_repeats_and_as_long_as_asked(num: int, length: int, draw: int) -> None:
    for residues in (stretch(num, length, draw), neighbourhood(walk(num), length, draw)):
        assert len(residues) == min(num, length)
        assert (np.diff(residues) > 0).all()
        assert 0 <= residues[0] <= residues[-1] < num


def test_every_place_of_a_stretch_is_drawn() -> None:
    assert {tuple(stretch(5, 3, draw)) for draw in range(9)} == {(0, 1, 2), (1, 2, 3), (2, 3, 4)}


def test_a_neighbourhood_is_the_residues_nearest_to_one() -> None:
    """A hairpin of two strands 5 Å apart: the crop holds both ends of a rung, not the far end of either strand."""
    c1 = np.array([[10 * i, 0, 0] for i in range(4)] + [[10 * i, 5, 0] for i in (3, 2, 1, 0)], dtype=np.float32)
    assert neighbourhood(c1, 2, draw=0).tolist() == [0, 7]
    assert neighbourhood(c1, 4, draw=0).tolist() == [0, 1, 6, 7]
    assert {tuple(neighbourhood(c1, 2, draw)) for draw in range(8)} == {(0, 7), (1, 6), (2, 5), (3, 4)}


def test_moving_the_chain_moves_no_neighbourhood() -> None:
    c1, turn = walk(40), np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    moved = (c1 @ turn + 30).astype(np.float32)
    for draw in range(40):
        assert np.array_equal(neighbourhood(c1, 12, draw), neighbourhood(moved, 12, draw))


def test_residues_that_lie_nowhere_are_left_out_of_a_neighbourhood() -> None:
    c1 = walk(20)
    c1[::3] = np.nan
    known = set(np.flatnonzero(np.isfinite(c1).all(1)).tolist())
    assert all(set(neighbourhood(c1, 6, draw).tolist()) < known for draw in range(30))
    assert set(neighbourhood(c1, 18, 0).tolist()) == known
    assert neighbourhood(np.full_like(c1, np.nan), 6, 4).tolist() == stretch(20, 6, 4).tolist()


@pytest.mark.parametrize("length", [40, 41, 500])
def test_a_chain_that_fits_is_whole(length: int) -> None:
    c1 = walk(40)
    c1[3] = np.nan
    assert neighbourhood(c1, length, 7).tolist() == stretch(40, length, 7).tolist() == list(range(40))
