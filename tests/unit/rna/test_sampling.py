import numpy as np
import pytest

from monosome.rna.sampling import admitted, cluster_weights, resolution_weights


def test_clusters_count_alike() -> None:
    groups = ["a", "b", "a", "c", "a", "b"]
    weights = cluster_weights(groups)
    sums = {name: sum(w for w, group in zip(weights, groups, strict=True) if group == name) for name in "abc"}
    assert sums == pytest.approx({"a": 1, "b": 1, "c": 1})


def test_blurred_chains_count_half_and_unknown_ones_the_mean() -> None:
    weights = resolution_weights([1.2, 3.0, 4.0, 5.0, 8.5, None])
    assert weights.tolist() == pytest.approx([1, 1, 0.75, 0.5, 0.5, 0.75])
    assert resolution_weights([None, None]).tolist() == [1, 1]
    assert np.isfinite(resolution_weights([None])).all()


def test_chains_wait_until_a_crop_holds_half_of_them() -> None:
    assert admitted([30, 100, 101, 900], limit=50, last=128).tolist() == [1, 1, 0, 0]
    assert admitted([30, 100, 101, 900], limit=128, last=128).tolist() == [1, 1, 1, 1]
