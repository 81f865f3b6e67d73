from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from monosome.rna.chain import Chain, empty_atoms, join
from monosome.rna.geometry import duplex, hairpin, random_hairpin
from monosome.rna.interactions import BasePair, Interactions, Stack, find_interactions, renumber
from monosome.rna.nucleotides import ATOM_INDEX

SEQUENCES = ["GGACUCAGUC", "AUAUAU", "CAGUACGU", "GGGGG"]


def residues(interactions: Interactions) -> set[tuple[int, int]]:
    return {(pair.i, pair.j) for pair in interactions.pairs}


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_an_ideal_duplex_has_its_watson_crick_pairs_and_no_others(sequence: str):
    last = 2 * len(sequence) - 1
    expected = tuple(BasePair(i, last - i, "cWW", True) for i in range(len(sequence)))
    assert find_interactions(duplex(sequence)).pairs == expected


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_an_ideal_duplex_stacks_along_its_strands_and_purines_across(sequence: str):
    chain = duplex(sequence)
    num, last = len(sequence), 2 * len(sequence) - 1
    along = {Stack(i, i + 1, "upward") for i in range(last) if i != num - 1}
    stacks = set(find_interactions(chain).stacks)
    assert along <= stacks
    for stack in stacks - along:  # in a step of pyrimidine to purine the purines of both strands overlap
        assert (stack.kind, stack.i + stack.j) == ("outward", last + 1)
        assert chain.sequence[stack.i] + chain.sequence[stack.j] in {"AA", "AG", "GA", "GG"}


def test_a_single_strand_stacks_without_pairs():
    strand = duplex("GGACUCAGUC").subset(np.arange(10))
    found = find_interactions(strand)
    assert found.pairs == ()
    assert found.stacks == tuple(Stack(i, i + 1, "upward") for i in range(9))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_motions_change_nothing(seed: int):
    chain = random_hairpin(seed)
    draw = np.random.default_rng(seed)
    rotation = Rotation.random(rng=draw).as_matrix()
    moved = replace(chain, atoms=(chain.atoms @ rotation.T + draw.normal(scale=50, size=3)).astype(np.float32))
    assert find_interactions(moved) == find_interactions(chain)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_residues_changes_only_their_numbers(seed: int):
    chain = random_hairpin(seed)
    order = np.random.default_rng(seed).permutation(len(chain))
    assert renumber(find_interactions(chain.subset(order)), order) == find_interactions(chain)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_missing_atoms_add_no_pairs_and_no_stacks(seed: int):
    chain = random_hairpin(seed)
    whole = find_interactions(chain)
    draw = np.random.default_rng(seed)
    for share in (0.05, 0.5, 1.0):
        missing = draw.random(chain.atoms.shape[:2]) < share
        damaged = replace(chain, atoms=np.where(missing[..., None], np.float32(np.nan), chain.atoms))
        found = find_interactions(damaged)
        assert residues(found) <= residues(whole)
        assert {(stack.i, stack.j) for stack in found.stacks} <= {(stack.i, stack.j) for stack in whole.stacks}


def test_nothing_is_found_where_nothing_is():
    for length in (0, 1, 4):
        numbers = np.arange(length)
        chain = Chain("x", "ACGU"[:length], empty_atoms(length), numbers, np.zeros(length, dtype=np.int64))
        assert find_interactions(chain) == Interactions((), ())


def test_without_the_glycosidic_bond_there_is_neither_cis_nor_trans():
    chain = duplex("GGAC")
    atoms = chain.atoms.copy()
    atoms[1, ATOM_INDEX["C1'"]] = np.nan
    assert residues(find_interactions(replace(chain, atoms=atoms))) == {(0, 7), (2, 5), (3, 4)}


def test_residues_on_top_of_each_other_do_not_interact_and_one_pairs_canonically():
    chain = duplex("GGAC")
    found = find_interactions(join([chain, chain]))
    assert not residues(found) & {(i, i + 8) for i in range(8)}
    assert not {(stack.i, stack.j) for stack in found.stacks} & {(i, i + 8) for i in range(8)}
    canonical = [residue for pair in found.pairs if pair.is_canonical for residue in (pair.i, pair.j)]
    assert len(canonical) == len(set(canonical)) == 16


def test_all_atoms_in_one_place_are_no_interaction():
    chain = duplex("GGAC")
    atoms = np.where(np.isnan(chain.atoms), chain.atoms, np.float32(0))
    assert find_interactions(replace(chain, atoms=atoms)) == Interactions((), ())


def test_the_wobble_pair_is_canonical_and_others_in_its_geometry_are_not():
    chain = duplex("GGAC")
    mutated = replace(chain, sequence="GGACGUAC")  # A in the place of C: their N6 and N4 both give to O6
    kinds = {(pair.i, pair.j): (pair.kind, pair.is_canonical) for pair in find_interactions(mutated).pairs}
    assert kinds[0, 7] == ("cWW", True)
    assert not any(canonical for (i, _), (_, canonical) in kinds.items() if i == 1)


def test_strands_pulled_apart_lose_their_pairs():
    chain = duplex("GGACUC")
    atoms = chain.atoms + np.where(chain.segments == 1, 20, 0)[:, None, None].astype(np.float32)
    assert find_interactions(replace(chain, atoms=atoms)).pairs == ()


def test_renumbering_turns_pairs_and_stacks_around():
    found = Interactions(
        (BasePair(0, 1, "tWH", False), BasePair(0, 2, "cWS", False), BasePair(1, 2, "cWW", True)),
        (Stack(0, 1, "upward"), Stack(0, 2, "outward"), Stack(1, 2, "downward")),
    )
    assert renumber(found, np.array([5, 3, -1])) == Interactions(
        (BasePair(3, 5, "tHW", False),), (Stack(3, 5, "downward"),)
    )
    assert renumber(renumber(found, np.array([2, 0, 1])), np.array([1, 2, 0])) == found


def test_hairpins_pair_in_their_stem():
    assert residues(find_interactions(hairpin("GGGCGAAAGUCU", 4))) == {(0, 11), (1, 10), (2, 9), (3, 8)}
