import numpy as np
import pytest

from monosome.rna.pairing import pairs_of
from monosome.rna.stacks import Gap, Site, Stacking, find_stacking


def stacked(structure: str) -> Stacking:
    return find_stacking(np.zeros(len(structure), dtype=np.int64), pairs_of(structure))


def test_partners_share_a_step_and_strands_run_against_each_other():
    found = stacked("(((....)))")
    assert found.sites[:3] == [Site(0, 0, 0), Site(0, 0, 1), Site(0, 0, 2)]
    assert found.sites[7:] == [Site(0, 1, 2), Site(0, 1, 1), Site(0, 1, 0)]
    assert found.hairpins == [Gap(2, 7)]


@pytest.mark.parametrize(
    ("structure", "num_stacks"),
    [
        ("((((...))))", 1),
        ("(((.(((...))))))", 1),  # through a bulge
        ("(((..(((...))).)))", 1),  # through an internal loop
        ("(((.........(((...))).........)))", 2),  # too long a way
        ("(((...)))(((...)))", 1),  # flush
        ("(((...)))...(((...)))", 2),
        ("((((((...)))...(((...)))...(((...))))))", 3),  # flush on both sides of the first stem, which takes one
        ("((((...[[[[.))))....]]]]", 1),  # as pseudoknots of this kind do
        (".....", 1),
    ],
)
def test_helices_stack_over_short_ways(structure: str, num_stacks: int):
    found = stacked(structure)
    assert found.num_stacks == num_stacks
    sites = [site for site in found.sites if site is not None]
    assert len(set(sites)) == len(sites)


def test_a_lone_crossing_pair_is_a_contact():
    assert stacked("((((.[...))))...].").contacts == [(5, 16)]
