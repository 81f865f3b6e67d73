import math

import numpy as np
import pytest

from monosome.protein.likeness import dipeptide_counts, discrepancy, likeness, residue_counts


def test_counts_by_hand():
    assert residue_counts(["AAC"])[0, :2].tolist() == [2, 1]
    pairs = dipeptide_counts(["AACX", "CA"])
    assert pairs[0, :2].tolist() == [1, 1]  # AA, AC; CX is no pair of amino acids
    assert pairs.sum(1).tolist() == [2, 1]
    assert pairs[1, 20] == 1  # CA


def test_divergences_by_hand():
    """Sequences of A alone; the reference has 9 A and 1 C, and one is added to each of 20: p(A) = 10/30."""
    found = likeness(["AAAA", "AA"], ["AAAAAAAAAC", "C"])
    shares = np.full(20, 1 / 31)
    shares[:2] = 10 / 31, 3 / 31
    assert found.residue_kl.value == pytest.approx(math.log(31 / 10))
    middle = shares / 2
    middle[0] += 0.5
    expected = (math.log(1 / middle[0]) + (shares * np.log(shares / middle)).sum()) / 2
    assert found.residue_jsd.value == pytest.approx(expected)


def test_discrepancy_by_hand():
    """Two and two points on a line: 0 and 1 against 0 and 2; the median squared gap of the reference is 4."""
    ours, theirs = np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]])
    kernel = lambda gap: math.exp(-(gap**2) / 4)  # noqa: E731
    across = (kernel(0) + kernel(2) + kernel(1) + kernel(1)) / 4
    assert discrepancy(ours, theirs).value == pytest.approx(kernel(1) + kernel(2) - 2 * across)


def test_equal_distributions_are_near_and_others_far():
    random = np.random.default_rng(0)
    draw = lambda shares: ["".join(random.choice(list("ACDE"), 80, p=shares)) for _ in range(60)]  # noqa: E731
    even, same, other = draw([0.25] * 4), draw([0.25] * 4), draw([0.7, 0.1, 0.1, 0.1])
    near, far = likeness(same, even), likeness(other, even)
    for name in ("residue_kl", "residue_jsd", "dipeptide_kl", "dipeptide_jsd", "discrepancy"):
        low, high = getattr(near, name), getattr(far, name)
        assert low.value < high.low <= high.value <= high.high, name
    assert abs(near.discrepancy.value) < 0.02
