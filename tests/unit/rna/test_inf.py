import pytest

from monosome.rna.geometry import duplex, random_hairpin
from monosome.rna.inf import Overlap, inf
from monosome.rna.interactions import BasePair, Interactions, Stack, find_interactions

NATIVE = Interactions(
    (
        BasePair(0, 9, "cWW", True),
        BasePair(1, 8, "cWW", True),
        BasePair(2, 7, "cWW", False),
        BasePair(3, 6, "tSH", False),
    ),
    (Stack(0, 1, "upward"), Stack(1, 2, "upward")),
)


@pytest.mark.parametrize("seed", range(3))
def test_a_structure_has_its_own_interactions(seed: int):
    found = find_interactions(random_hairpin(seed))
    fidelity = inf(found, found)
    assert (fidelity.all.inf, fidelity.wc.inf, fidelity.stack.inf, fidelity.canonical.inf) == (1, 1, 1, 1)
    assert (fidelity.all.ppv, fidelity.all.sensitivity, fidelity.all.f1) == (1, 1, 1)


# By hand: of the native's six the model has two pairs and one stack, and two of its own.
def test_one_case_by_hand():
    model = Interactions(
        (BasePair(0, 9, "cWW", True), BasePair(2, 7, "cWW", False), BasePair(3, 6, "tHS", False)),
        (Stack(0, 1, "upward"), Stack(1, 2, "outward")),
    )
    fidelity = inf(NATIVE, model)
    assert fidelity.all == Overlap(6, 5, 3)
    assert fidelity.all.inf == pytest.approx((3 / 5 * 3 / 6) ** 0.5)
    assert fidelity.all.f1 == pytest.approx(6 / 11)
    assert fidelity.wc == Overlap(3, 2, 2)
    assert (fidelity.wc.ppv, fidelity.wc.sensitivity) == (1, pytest.approx(2 / 3))
    assert fidelity.nwc == Overlap(1, 1, 0)  # the same edges, the other way round
    assert (fidelity.nwc.inf, fidelity.nwc.f1) == (0, 0)
    assert fidelity.stack == Overlap(2, 2, 1)
    assert fidelity.canonical == Overlap(2, 1, 1)


def test_the_roles_of_native_and_model_are_symmetric():
    model = find_interactions(duplex("GGACU"))
    one, other = inf(NATIVE, model).all, inf(model, NATIVE).all
    assert (one.inf, one.f1) == (other.inf, other.f1)
    assert (one.ppv, one.sensitivity) == (other.sensitivity, other.ppv)


def test_what_neither_or_only_one_has_is_undefined():
    nothing = Interactions((), ())
    assert inf(nothing, nothing).all.inf is None
    assert inf(nothing, nothing).all.f1 is None
    for fidelity in (inf(NATIVE, nothing), inf(nothing, NATIVE)):
        assert fidelity.all.inf is None
        assert fidelity.all.f1 == 0
    assert inf(NATIVE, nothing).wc.ppv is None
    assert inf(NATIVE, nothing).wc.sensitivity == 0
