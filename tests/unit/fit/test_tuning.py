import pytest

from monosome.errors import ConfigError
from monosome.fit.tuning import (
    Memory,
    best_fit,
    curve,
    longest,
    memory_of,
    parsed_lengths,
    traced_batch,
    traced_lengths,
)

PLAIN = Memory(total_bytes=1000, context_bytes=0, overhead=0.0)


def test_lengths():
    assert parsed_lengths("50:200:50") == [50, 100, 150, 200]
    assert parsed_lengths("128") == [128]


@pytest.mark.parametrize("text", ["", "a:b:c", "50:500", "200:100:10", "0:10:1"])
def test_what_is_no_length_is_refused(text: str):
    with pytest.raises(ConfigError):
        parsed_lengths(text)


def test_few_lengths_are_traced_and_the_ends_are_among_them():
    assert traced_lengths([50, 100]) == [50, 100]
    many = traced_lengths(list(range(50, 501, 50)))
    assert len(many) == 4
    assert (many[0], many[-1]) == (50, 500)


def test_long_examples_are_traced_in_smaller_numbers():
    assert [traced_batch(length, [50, 200, 500], 8) for length in (50, 200, 500)] == [8, 4, 2]
    assert traced_batch(500, [50, 500], 1) == 1


def test_a_cubic_is_found_again():
    def peak(length: float) -> float:
        return 7 + 3 * length + 0.1 * length**2 + 0.01 * length**3

    found = curve({length: peak(length) for length in (50, 200, 350, 500)})
    assert found(275) == pytest.approx(peak(275))


def test_the_most_examples_that_fit():
    found = best_fit(64, 300.0, 300.0 + 7 * 200, 8, PLAIN)
    assert (found.micro_batch, found.peak_bytes) == (4, 900)
    assert best_fit(64, 2000.0, 9000.0, 8, PLAIN).micro_batch == 0
    assert best_fit(64, 10.0, 80.0, 8, PLAIN).micro_batch == 8


def test_context_and_gaps_take_their_share():
    memory = Memory(total_bytes=1000, context_bytes=100, overhead=0.1)
    assert memory.needed(500.0) == 650
    assert best_fit(64, 300.0, 300.0 + 7 * 200, 8, memory).micro_batch == 3
    assert memory_of("cuda", 16 * 2**30).total_bytes < 16 * 2**30


@pytest.mark.parametrize("total", [5, 1000, 250_000, 10**9])
def test_the_longest_is_within_five_percent_and_fits(total: int):
    memory = Memory(total, 0, 0.0)

    def peak(length: int) -> float:
        return 10 + 0.5 * length + 0.2 * length**2

    true = max((length for length in range(1, 4097) if peak(length) <= total), default=0)
    found = longest(peak, {50: peak(50), 200: peak(200)}, 4096, memory)
    assert found <= true
    assert found >= 0.94 * true - 1


def test_few_traces_are_enough():
    tries: list[int] = []

    def peak(length: int) -> float:
        tries.append(length)
        return 1e3 * length**2

    longest(peak, {50: 2.5e6, 275: 7.5625e7, 500: 2.5e8}, 4096, Memory(10**9, 0, 0.0))
    assert len(tries) <= 2
