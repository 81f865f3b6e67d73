"""Pictures: right-handed, one mark per residue and pair, whatever is missing."""

import numpy as np
import pytest

from monosome.rna.drawing import _principal_axes, arcs_svg, structure_svg
from monosome.rna.geometry import hairpin
from monosome.rna.pairing import pairs_of

CHAIN = hairpin("GGCACGAAAGUGCC", 5)
PAIRS = pairs_of("(((((....)))))")


@pytest.mark.parametrize("seed", range(5))
def test_views_never_mirror_a_structure(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(20, 3)) * [5, 3, 1]
    axes = _principal_axes(points)
    assert np.linalg.det(axes) == pytest.approx(1)
    assert (points @ axes[0]).std() >= (points @ axes[2]).std()


def test_a_structure_with_its_native_draws_both() -> None:
    plddt = np.linspace(0, 100, len(CHAIN)).astype(np.float32)
    alone = structure_svg(CHAIN, plddt, PAIRS, title="a hairpin")
    both = structure_svg(CHAIN, plddt, PAIRS, title="a hairpin", native=CHAIN)
    assert "a hairpin" in alone
    assert both.count("#9aa0a6") >= len(CHAIN) - 1
    assert "#9aa0a6" not in alone
    for band in ("#0053d6", "#65cbf3", "#ffdb13", "#ff7d45"):
        assert band in alone


def test_arcs_one_per_pair_and_shared_ones_in_green() -> None:
    picture = arcs_svg(CHAIN.sequence, PAIRS, PAIRS[:4], title="pairs")
    assert picture.count("#2a9d6f") == 8, "four above and four below"
    assert picture.count("#d9662b") == 1, "one is in the prediction alone"
