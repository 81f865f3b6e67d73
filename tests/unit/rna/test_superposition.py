import torch

from monosome.rna.superposition import best_rotation, move, superpose


def rotation(seed: int) -> torch.Tensor:
    matrix, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
    return matrix * torch.linalg.det(matrix)


def points(num: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(num, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 10


def test_a_motion_is_found_again():
    cloud, turn, shift = points(12), rotation(1), torch.tensor([3.0, -5.0, 70.0], dtype=torch.float64)
    found_turn, found_shift = superpose(cloud, cloud @ turn.T + shift)
    assert torch.allclose(found_turn, turn)
    assert torch.allclose(found_shift, shift)


def test_a_mirror_image_is_not_superposed_by_a_reflection():
    cloud = points(12)
    mirrored = cloud * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    turn, shift = superpose(cloud, mirrored)
    assert torch.linalg.det(turn).item() > 0.999
    assert (move(cloud, turn, shift) - mirrored).norm() > 1


def test_no_small_motion_does_better():
    mobile, target = points(9), points(9, seed=1)
    turn, shift = superpose(mobile, target)
    best = (move(mobile, turn, shift) - target).square().sum()
    for seed in range(20):
        wobble = torch.linalg.matrix_exp(0.02 * (rotation(seed) - rotation(seed).T))
        worse = (move(mobile, wobble @ turn, shift + 0.02 * points(1, seed)[0]) - target).square().sum()
        assert worse > best


def test_weights_choose_the_points():
    mobile, target = points(8), points(8, seed=1)
    target[:4] = mobile[:4] @ rotation(2).T
    weights = torch.tensor([1.0] * 4 + [0.0] * 4, dtype=torch.float64)
    turn, shift = superpose(mobile, target, weights)
    assert torch.allclose(move(mobile, turn, shift)[:4], target[:4])


def test_points_on_a_plane_and_a_line_give_rotations():
    for flat in ([1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]):
        cloud = points(6) * torch.tensor(flat, dtype=torch.float64)
        turn = best_rotation(cloud.T @ (cloud @ rotation(3).T))
        assert torch.allclose(turn @ turn.T, torch.eye(3, dtype=torch.float64))
        assert torch.linalg.det(turn).item() > 0.999
