import numpy as np

from monosome.rna.neighbours import pairs_between, pairs_within

POINTS = np.random.default_rng(0).random((40, 3)) * 10


def test_pairs_are_those_that_distances_give():
    distances = np.linalg.norm(POINTS[:, None] - POINTS, axis=-1)
    expected = {(i, j) for i, j in np.argwhere(distances <= 3).tolist() if i < j}
    assert set(map(tuple, pairs_within(POINTS, 3.0).tolist())) == expected
    between = np.linalg.norm(POINTS[:15, None] - POINTS[15:], axis=-1)
    assert sorted(map(tuple, pairs_between(POINTS[:15], POINTS[15:], 3.0).tolist())) == sorted(
        map(tuple, np.argwhere(between <= 3).tolist())
    )


def test_points_that_are_missing_are_near_none():
    first = POINTS[:3].copy()
    first[1] = np.nan
    assert set(pairs_between(first, POINTS[:3], 0.1)[:, 0].tolist()) == {0, 2}
    assert pairs_between(np.full((2, 3), np.nan), POINTS, 5.0).shape == (0, 2)
    assert pairs_within(np.zeros((0, 3)), 1.0).shape == (0, 2)
