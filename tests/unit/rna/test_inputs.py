"""The inputs by name: every channel is in exactly one, and disturbing one leaves the others as they are."""

import numpy as np
import pytest

from monosome.rna.examples import example
from monosome.rna.features import NUM_OFFSETS, NUM_PAIR, NUM_SINGLE
from monosome.rna.geometry import hairpin
from monosome.rna.inputs import INPUTS, disturbed

FEATURES = example(hairpin("GGCACGAAAGUGCCUU", 5, num_trailing=2)).features


def test_every_channel_is_in_one_input():
    for where, num in (("single", NUM_SINGLE), ("pair", NUM_PAIR)):
        channels = [c for each in INPUTS.values() if each.where == where for c in range(*each.channels)]
        assert sorted(channels) == list(range(num)), where
    assert sum(each.where == "offsets" for each in INPUTS.values()) == 1


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("seed", [None, 3])
def test_only_the_input_of_that_name_is_touched(name: str, seed: int | None):
    changed = disturbed(FEATURES, name, seed)
    for where in ("single", "pair", "offsets"):
        before, after = getattr(FEATURES, where), getattr(changed, where)
        assert after.dtype == before.dtype
        if where != INPUTS[name].where:
            assert after is before
        elif where != "offsets":
            others = [c for c in range(before.shape[-1]) if c not in range(*INPUTS[name].channels)]
            assert np.array_equal(after[..., others], before[..., others])
    assert not np.array_equal(getattr(changed, INPUTS[name].where), getattr(FEATURES, INPUTS[name].where))


def test_shuffling_moves_rows_and_columns_alike_and_the_same_seed_shuffles_alike():
    one, again, other = (disturbed(FEATURES, "pair probabilities", seed).pair[..., 0] for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert np.array_equal(one, one.T)
    assert np.array_equal(np.sort(one, axis=None), np.sort(FEATURES.pair[..., 0], axis=None))


def test_left_out_says_nothing():
    assert not disturbed(FEATURES, "bases", None).single[:, :4].any()
    assert (disturbed(FEATURES, "distance along the strand", None).offsets == NUM_OFFSETS - 1).all()
