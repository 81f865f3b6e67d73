import numpy as np
import pytest

from monosome.rna.comparison import Comparison, Reference, rmsd
from monosome.rna.geometry import hairpin
from monosome.rna.matching import match

NATIVE = hairpin("GGCACGAAAGUGCC", 5)


def test_rmsd_of_points_one_can_compute():
    # The ends of a cross, one arm longer by 1 Å on both sides: the best superposition leaves the centre.
    native = np.array([[2, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0]], dtype=np.float64)
    model = np.array([[3, 0, 0], [-3, 0, 0], [0, 1, 0], [0, -1, 0]], dtype=np.float64)
    assert rmsd(model, native) == pytest.approx((2 / 4) ** 0.5)


def test_two_points_have_no_rmsd():
    assert rmsd(np.zeros((2, 3)), np.ones((2, 3))) is None


def test_a_native_is_worked_out_once():
    reference = Reference((NATIVE,))
    first, second = (Comparison(reference, reference, match([NATIVE], [NATIVE]), "C1'") for _ in range(2))
    assert first.lddt == second.lddt == 1
    assert first.reference.contacts is second.reference.contacts
    assert first.inf_all == 1


def test_the_clashscore_is_that_of_the_whole_model():
    part = NATIVE.subset(range(4))
    alone = Comparison(Reference((NATIVE,)), Reference((part,)), match([NATIVE], [part]), "C1'")
    assert alone.length == 4
    assert (
        alone.clashscore
        == Comparison(Reference((NATIVE,)), Reference((NATIVE,)), match([NATIVE], [NATIVE]), "P").clashscore
    )
