import numpy as np
import pytest

from monosome.protein.calibration import NUM_BINS, calibration


def drawn(num: int, gap: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens that are right by their confidence less `gap`; in clusters of twenty."""
    random = np.random.default_rng(seed)
    confidence = random.uniform(0.1, 0.9, num)
    correct = (random.uniform(size=num) < confidence - gap).astype(float)
    return confidence, correct, np.arange(num) // 20


def test_a_model_that_is_as_often_right_as_sure_has_no_error():
    found = calibration(*drawn(60_000, gap=0.0), num_examples=3000)
    assert found.ece.value < 0.01
    assert (found.ece.num_examples, found.ece.num_groups) == (3000, 3000)
    assert [one.num_tokens for one in found.bins] == [60_000 // NUM_BINS] * NUM_BINS
    for one in found.bins:
        assert one.accuracy == pytest.approx(one.confidence, abs=0.03)


def test_the_error_is_the_gap():
    found = calibration(*drawn(60_000, gap=0.1), num_examples=3000)
    assert found.ece.value == pytest.approx(0.1, abs=0.005)
    assert found.ece.low is not None
    assert found.ece.high is not None
    assert found.ece.low < found.ece.value < found.ece.high < 0.12


def test_small_confidences_are_told_apart():
    """Bins of equal width put all of these into the first, where under- and overconfidence cancel."""
    confidence = np.repeat([0.01, 0.03], 5000)
    correct = np.concatenate([np.zeros(5000), np.arange(5000) % 25 == 0]).astype(float)
    found = calibration(confidence, correct, np.arange(10_000) // 10, num_examples=1000)
    assert found.ece.value == pytest.approx((0.01 + 0.01) / 2)
    assert len(found.bins) == 2


def test_a_constant_confidence_is_one_bin():
    correct = (np.arange(1000) % 10 == 0).astype(float)
    found = calibration(np.full(1000, 0.2), correct, np.arange(1000) // 50, num_examples=20)
    assert [(one.num_tokens, round(one.accuracy, 6)) for one in found.bins] == [(1000, 0.1)]
    assert found.ece.value == pytest.approx(0.1)


def test_the_interval_covers_the_truth():
    """Of 40 samples of 100 clusters at least 34 intervals hold the true gap: 95 % would miss that once in 1,000."""
    held = 0
    for seed in range(40):
        ece = calibration(*drawn(2000, gap=0.15, seed=seed), num_examples=100).ece
        assert ece.low is not None
        assert ece.high is not None
        held += ece.low <= 0.15 <= ece.high
    assert held >= 34
