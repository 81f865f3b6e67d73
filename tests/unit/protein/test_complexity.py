import pytest

from monosome.protein.complexity import entropy_bits, longest_run, low_complexity, repetition


def test_entropy_by_hand():
    assert entropy_bits("AAAA") == 0
    assert entropy_bits("AACC") == 1
    assert entropy_bits("ACDE") == 2


def test_a_run_is_of_low_complexity():
    assert low_complexity("A" * 20) == 1
    assert low_complexity("ACDEFGHIKLMN") == 0
    assert low_complexity("") == 0


def test_windows_that_trigger_are_taken_whole():
    """Windows of 12 over 12 different letters and then 12 A: with nine A of twelve the entropy is 1.21 bits, with
    seven 2.06, with six 2.29: the first window of at most 2.2 begins at letter 7, so 17 of 24 residues lie in one."""
    assert low_complexity("CDEFGHIKLMNP" + "A" * 12) == pytest.approx(17 / 24)


def test_repetition_by_hand():
    """ABABA has the pairs AB BA AB BA: two of four came before."""
    assert repetition("ABABA", 2) == 50
    assert repetition("ABABA", 5) == 0
    assert repetition("A", 2) == 0


def test_the_longest_run():
    assert longest_run("AACCCA") == 3
    assert longest_run("") == 0
