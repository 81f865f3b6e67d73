import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monosome.errors import DataError
from monosome.train.batches import (
    WINDOW_BATCHES,
    Batches,
    Cursor,
    Stage,
    example_seeds,
    mixed,
    split,
    stage_of,
    stage_seed,
)

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
    assert padding(split(shuffled, lambda piece: len(piece) <= 8)) > 0.35
    assert padding([bucketed.at(step) for step in range(bucketed.num_batches)]) < 0.05
    assert len(LENGTHS) > 3 * WINDOW_BATCHES * 8


def test_split_keeps_order_and_size() -> None:
    assert split([4, 2, 7, 1, 9], lambda piece: len(piece) <= 2) == [[4, 2], [7, 1], [9]]
    assert split([4, 2], lambda piece: len(piece) <= 8) == [[4, 2]]
    assert split([4, 2, 9], lambda piece: sum(piece) <= 8) == [[4, 2], [9]]


def test_an_example_s_seed_knows_no_company() -> None:
    alone, together = example_seeds(3, [7], step=11), example_seeds(3, [2, 7, 5], step=11)
    assert together[1] == alone[0]
    seeds = {seed for step in range(50) for seed in example_seeds(3, range(50), step)}
    assert len(seeds) == 2500
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_seeds_are_the_same_on_every_machine() -> None:
    assert mixed(0, 1, 2) == 4727102316523150270


def epoch_of(batches: Batches, epoch: int) -> list[list[int]]:
    return [batches.at(epoch * batches.num_batches + place) for place in range(batches.num_batches)]


def test_without_weights_the_order_is_the_one_it_always_was() -> None:
    assert Batches(LENGTHS, 8, seed=1).at(0) == [164, 992, 759, 243, 322, 113, 159, 742]
    assert Batches(LENGTHS, 8, seed=1).at(300) == [99, 891, 30, 0, 769, 112, 796, 33]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=90), st.integers(1, 12), st.integers(0, 3))
def test_a_weighted_epoch_holds_no_example_twice_and_has_always_one_length(
    weights: list[float], batch_size: int, epoch: int
) -> None:
    batches = Batches([7] * len(weights), batch_size, seed=5, weights=weights)
    seen = [index for batch in epoch_of(batches, epoch) for index in batch]
    assert len(seen) == len(set(seen)) == batches.num_drawn <= len(weights)


def test_equal_weights_of_any_unit_draw_each_example_once() -> None:
    for weight in (1.0, 0.1, 1 / 3, 17.0):
        batches = Batches(LENGTHS, 8, seed=1, weights=[weight] * len(LENGTHS))
        seen = sorted(index for batch in epoch_of(batches, 2) for index in batch)
        assert seen == list(range(len(LENGTHS)))


def test_examples_are_drawn_in_proportion_to_their_weights() -> None:
    """Weights of 1, ½, ⅕ and 0, as of clusters of one, two and five: 400 epochs, five sd of a count are 50 at most."""
    weights = np.array([1.0, 0.5, 0.2, 0.0] * 50)
    batches = Batches([9] * len(weights), 8, seed=3, weights=weights.tolist())
    counts = np.zeros(len(weights))
    for epoch in range(400):
        for batch in epoch_of(batches, epoch):
            counts[batch] += 1
    assert batches.num_drawn == 85
    assert (counts[weights == 1] == 400).all()
    assert (counts[weights == 0] == 0).all()
    assert np.abs(counts - 400 * weights).max() < 50


def test_a_weighted_batch_depends_on_seed_and_step_alone() -> None:
    weights = np.random.default_rng(1).random(len(LENGTHS)).tolist()
    forward, backward = (Batches(LENGTHS, 8, seed=1, weights=weights) for _ in range(2))
    steps = range(0, 3 * forward.num_batches, 7)
    assert {step: forward.at(step) for step in steps} == {step: backward.at(step) for step in reversed(steps)}
    assert forward.at(0) != Batches(LENGTHS, 8, seed=2, weights=weights).at(0)


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, -1.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_weights_that_draw_nothing_are_refused(weights: list[float]) -> None:
    with pytest.raises(DataError, match="no training example has a weight above 0"):
        Batches([5, 5], 8, seed=0, weights=weights)


def test_a_stage_has_epochs_of_its_own() -> None:
    first, second = Batches([5] * 6, 2, seed=0), Batches([5] * 8, 2, stage_seed(0, 10))
    stages = [Stage(0, 3, first), Stage(10, None, second)]
    assert [stage_of(stages, step).limit for step in (0, 9, 10, 99)] == [3, 3, None, None]
    assert stages[1].at(10) == second.at(0)
    assert stages[1].cursor(15) == Cursor(1, 1)
    assert stage_seed(7, 0) == 7, "a run of one stage is the run without stages"
    assert stage_seed(7, 10) != 7
