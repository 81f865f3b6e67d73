"""Dot-bracket form: what is written is read back, and the round brackets are the largest nested set."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosome.rna.dotbracket import dot_bracket, nested_layers, nested_pairs, one_per_residue, stems, with_breaks
from monosome.rna.pairing import Pairs, pairs_of


@st.composite
def matchings(draw: st.DrawFn) -> Pairs:
    """Up to 7 pairs of residues from 0 to 19, each residue in one at most."""
    residues = draw(st.permutations(range(20)))[: 2 * draw(st.integers(0, 7))]
    return sorted((min(pair), max(pair)) for pair in zip(residues[::2], residues[1::2], strict=True))


def cross(first: tuple[int, int], second: tuple[int, int]) -> bool:
    (i, j), (k, m) = sorted([first, second])
    return i < k < j < m


@given(matchings())
def test_what_is_written_is_read_back(pairs: Pairs):
    text = dot_bracket(20, pairs)
    assert len(text) == 20
    assert pairs_of(text) == pairs


@given(matchings())
def test_the_nested_set_is_the_largest(pairs: Pairs):
    found = nested_pairs(pairs)
    assert not any(cross(first, second) for first, second in combinations(found, 2))
    largest = max(
        num
        for num in range(len(pairs) + 1)
        if any(not any(cross(*two) for two in combinations(chosen, 2)) for chosen in combinations(pairs, num))
    )
    assert len(found) == largest


@given(matchings())
def test_every_pair_is_in_one_layer(pairs: Pairs):
    assert sorted(pair for layer in nested_layers(pairs) for pair in layer) == pairs


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(10, 19)), max_size=20))
def test_of_pairs_that_share_a_residue_one_is_kept(pairs: set[tuple[int, int]]):
    kept = one_per_residue(pairs)
    residues = [residue for pair in kept for residue in pair]
    assert len(set(residues)) == len(residues)
    assert all(not set(pair).isdisjoint(residues) for pair in pairs), "a pair is left out only for another"


def test_a_longer_stem_wins_a_shared_residue():
    assert one_per_residue([(0, 9), (1, 8), (2, 7), (7, 15)]) == [(0, 9), (1, 8), (2, 7)]
    assert one_per_residue([(9, 0), (3, 9)]) == [(0, 9)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "....",
        "((((....))))",
        "(((..[[[..)))...]]]",  # an H-type pseudoknot: of equal stems the 5' one is round
        "((..[[..{{..))..]]..}}",
        "((((.[[.{{.<<.AA.BB.CC.DD.)))).]].}}.>>.aa.bb.cc.dd",  # the longest stem is round
    ],
)
def test_a_text_is_written_as_it_was(text: str):
    assert dot_bracket(len(text), pairs_of(text)) == text


def test_the_longer_stem_of_a_pseudoknot_is_round():
    assert dot_bracket(12, pairs_of("((.[[[))]]].")) == "[[.(((]])))."


def test_stems_are_runs():
    assert stems(pairs_of("((.((...))))")) == [[(0, 11), (1, 10)], [(3, 9), (4, 8)]]


def test_strands_are_told_apart():
    segments = np.array([0, 0, 1, 1, 1, 4])
    assert with_breaks("GCAUGC", segments) == "GC&AUG&C"
    assert with_breaks("((.)).", segments) == "((&.))&."
    assert with_breaks("GC", np.zeros(2, dtype=np.int64)) == "GC"
