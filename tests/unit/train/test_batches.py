import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monosome.errors import DataError
from monosome.train.batches import WINDOW_BATCHES, Batches, Cursor, example_seeds, mixed, split

LENGTHS = np.random.default_rng(0).integers(10, 500, 1003).tolist()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=90), st.integers(1, 12), st.integers(0, 3))
def test_an_epoch_holds_each_example_exactly_once(lengths: list[int], batch_size: int, epoch: int) -> None:
    batches = Batches(lengths, batch_size, seed=5)
    steps = range(epoch * batches.num_batches, (epoch + 1) * batches.num_batches)
    seen = [batches.at(step) for step in steps]
    assert sorted(index for batch in seen for index in batch) == list(range(len(lengths)))
    assert all(len(batch) <= batch_size for batch in seen)
    assert sum(len(batch) < batch_size for batch in seen) <= 1


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    forward, backward = Batches(LENGTHS, 8, seed=1), Batches(LENGTHS, 8, seed=1)
    steps = range(0, 3 * forward.num_batches, 7)
    there = {step: forward.at(step) for step in steps}
    back = {step: backward.at(step) for step in reversed(steps)}
    assert there == back
    assert there[0] != Batches(LENGTHS, 8, seed=2).at(0)


def test_epochs_differ_in_batches_and_in_order() -> None:
    batches = Batches(LENGTHS, 8, seed=1)
    first, second = (
        [tuple(batches.at(e * batches.num_batches + i)) for i in range(batches.num_batches)] for e in (0, 1)
    )
    assert len(set(first) & set(second)) < 3


def test_the_cursor_names_epoch_and_position() -> None:
    batches = Batches(range(1, 22), 8, seed=0)
    assert batches.num_batches == 3
    assert [batches.cursor(step) for step in (0, 2, 3, 7)] == [Cursor(0, 0), Cursor(0, 2), Cursor(1, 0), Cursor(2, 1)]


def test_less_data_than_a_batch_is_one_batch_an_epoch() -> None:
    batches = Batches([5, 3, 9], 8, seed=0)
    assert [sorted(batches.at(step)) for step in range(3)] == [[0, 1, 2]] * 3


def test_no_data_is_refused() -> None:
    with pytest.raises(DataError, match="no training examples"):
        Batches([], 8, seed=0)


def padding(batches: list[list[int]]) -> float:
    lengths = np.array(LENGTHS)
    held = sum(len(batch) * lengths[batch].max() for batch in batches)
    return float(1 - lengths.sum() / held)


def test_buckets_save_padding() -> None:
    """Lengths are uniform here: 40 % of positions are padding without buckets, 3 % with them."""
    bucketed = Batches(LENGTHS, 8, seed=0)
    shuffled = np.random.default_rng(0).permutation(len(LENGTHS)).tolist()
    assert padding(split(shuffled, 8)) > 0.35
    assert padding([bucketed.at(step) for step in range(bucketed.num_batches)]) < 0.05
    assert len(LENGTHS) > 3 * WINDOW_BATCHES * 8


def test_split_keeps_order_and_size() -> None:
    assert split([4, 2, 7, 1, 9], 2) == [[4, 2], [7, 1], [9]]
    assert split([4, 2], 8) == [[4, 2]]


def test_an_example_s_seed_knows_no_company() -> None:
    alone, together = example_seeds(3, [7], step=11), example_seeds(3, [2, 7, 5], step=11)
    assert together[1] == alone[0]
    seeds = {seed for step in range(50) for seed in example_seeds(3, range(50), step)}
    assert len(seeds) == 2500
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_seeds_are_the_same_on_every_machine() -> None:
    assert mixed(0, 1, 2) == 4727102316523150270
