import numpy as np
import pytest

from monosome.rna.superposition import best_rotation, move, superpose


def rotation(seed: int) -> np.ndarray:
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return matrix * np.linalg.det(matrix)


def points(num: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num, 3)) * 10


def test_a_motion_is_found_again():
    cloud, turn, shift = points(12), rotation(1), np.array([3.0, -5.0, 70.0])
    found_turn, found_shift = superpose(cloud, cloud @ turn.T + shift)
    assert np.allclose(found_turn, turn)
    assert np.allclose(found_shift, shift)


def test_a_mirror_image_is_not_superposed_by_a_reflection():
    cloud = points(12)
    mirrored = cloud * np.array([1.0, 1.0, -1.0])
    turn, shift = superpose(cloud, mirrored)
    assert np.linalg.det(turn) > 0.999
    assert np.linalg.norm(move(cloud, turn, shift) - mirrored) > 1


def test_no_small_motion_does_better():
    mobile, target = points(9), points(9, seed=1)
    turn, shift = superpose(mobile, target)
    best = np.square(move(mobile, turn, shift) - target).sum()
    for seed in range(20):
        skew = 0.01 * (rotation(seed) - rotation(seed).T)
        wobble = np.linalg.solve(np.eye(3) - skew, np.eye(3) + skew)  # Cayley: a small rotation
        worse = np.square(move(mobile, wobble @ turn, shift + 0.02 * points(1, seed)[0]) - target).sum()
        assert worse > best


def test_weights_choose_the_points():
    mobile, target = points(8), points(8, seed=1)
    target[:4] = mobile[:4] @ rotation(2).T
    weights = np.array([1.0] * 4 + [0.0] * 4)
    turn, shift = superpose(mobile, target, weights)
    assert np.allclose(move(mobile, turn, shift)[:4], target[:4])


def test_points_on_a_plane_and_a_line_give_rotations():
    for flat in ([1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]):
        cloud = points(6) * np.array(flat)
        turn = best_rotation(cloud.T @ (cloud @ rotation(3).T))
        assert np.allclose(turn @ turn.T, np.eye(3))
        assert np.linalg.det(turn) > 0.999


@pytest.mark.parametrize("shape", [[1.0, 1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 1e-3, 1e-3], [1.0, 1.0, -1.0]])
def test_many_at_a_time_are_those_of_numpys_svd(shape: list[float]):
    clouds = np.random.default_rng(0).normal(size=(50, 7, 3))
    targets = clouds[::-1] * np.array(shape)
    covariance = np.swapaxes(clouds, -1, -2) @ targets
    left, _, right = np.linalg.svd(covariance)
    sign = np.linalg.det(left) * np.linalg.det(right)
    right[:, 2] *= sign[:, None]
    assert np.allclose(best_rotation(covariance), np.swapaxes(left @ right, -1, -2), atol=1e-7)
