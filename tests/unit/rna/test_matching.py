from dataclasses import replace

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna.chain import Chain
from monosome.rna.geometry import duplex, hairpin
from monosome.rna.matching import match, match_structures
from monosome.rna.nucleotides import BACKBONE

NATIVE = hairpin("GGCACGAAAGUGCCAUCG", 5, num_trailing=4)
OTHER = hairpin("CCUUAGGGGCUAAGG", 6)
TURN = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float32)


def renumbered(chain: Chain, shift: int) -> Chain:
    return replace(chain, residue_numbers=chain.residue_numbers + shift)


def placed(chain: Chain, shift: float, name: str) -> Chain:
    return replace(chain, id=name, atoms=chain.atoms @ TURN.T + np.float32([shift, 0, 2 * shift]))


def test_residues_pair_by_number_whatever_their_order():
    found = match([NATIVE.subset([9, 8, 7, 3, 2])], [NATIVE])
    assert (found.paired_by, found.num_common) == ("number", 5)
    resolved = np.flatnonzero(found.model.resolved.any(axis=1))
    assert resolved.tolist() == [2, 3, 7, 8, 9]
    assert np.array_equal(found.model.atoms[resolved], NATIVE.atoms[resolved], equal_nan=True)


@pytest.mark.parametrize("shift", [3, 100])
def test_other_numbers_are_paired_by_sequence_and_said(shift: int):
    found = match([renumbered(NATIVE, shift)], [NATIVE])
    assert (found.paired_by, found.num_common, found.num_differing) == ("sequence", 18, 0)
    assert "aligning the sequences" in found.notes[0]
    with pytest.raises(DataError, match="numbered differently") as caught:
        match([renumbered(NATIVE, shift)], [NATIVE], by_number_only=True)
    assert "leave out --mode residue" in caught.value.hint


def test_a_model_of_the_whole_sequence_fits_a_native_with_a_gap_numbered_anew():
    native = NATIVE.subset([*range(6), *range(9, 18)])
    native = replace(native, residue_numbers=np.arange(1, 16))
    found = match([NATIVE], [native])
    assert (found.paired_by, found.num_common, found.num_differing) == ("sequence", 15, 0)
    assert np.array_equal(found.model.atoms, native.atoms, equal_nan=True)
    insisted = match([NATIVE], [native], by_number_only=True)  # as US-align's -TMscore 1
    assert (insisted.paired_by, insisted.num_common) == ("number", 15)
    assert "differ in base" in insisted.notes[0]


def test_unrelated_molecules_are_refused_with_the_reason():
    for by_number_only in (False, True):
        with pytest.raises(
            DataError, match=r"model \(15 nt\) and native \(18 nt\) are not the same molecule"
        ) as caught:
            match([OTHER], [NATIVE], by_number_only=by_number_only)
        assert "--mode sequence" in caught.value.hint


def test_a_mutated_base_is_left_out():
    mutant = replace(NATIVE, sequence=NATIVE.sequence[:7] + "U" + NATIVE.sequence[8:])
    found = match([mutant], [NATIVE])
    assert (found.paired_by, found.num_differing) == ("number", 1)
    assert np.flatnonzero(found.model.resolved[7]).tolist() == list(range(len(BACKBONE)))
    assert np.array_equal(found.by_name, NATIVE.atoms, equal_nan=True)


def test_chains_pair_by_what_they_are_not_by_their_place():
    found = match([placed(OTHER, 0, "X"), placed(NATIVE, 0, "Y")], [NATIVE, OTHER])
    assert found.chain_pairs == (("Y", NATIVE.id), ("X", OTHER.id))
    assert found.num_common == 33
    assert any("chain Y of the model stands for chain" in note for note in found.notes)


def test_copies_are_exchanged_so_that_the_whole_fits():
    natives = [placed(NATIVE, shift, name) for shift, name in ((0, "A"), (60, "B"), (150, "C"))]
    models = [replace(natives[at], id=name) for at, name in ((2, "X"), (0, "Y"), (1, "Z"))]
    found = match(models, natives)
    assert found.chain_pairs == (("Y", "A"), ("Z", "B"), ("X", "C"))
    assert np.array_equal(found.model.atoms, found.native.atoms, equal_nan=True)


def test_many_copies_are_exchanged_by_superposing_one():
    places = np.random.default_rng(0).normal(size=6) * 80
    natives = [placed(NATIVE, float(shift), str(number)) for number, shift in enumerate(places)]
    order = [3, 5, 0, 4, 1, 2]  # 6! = 720 orders are not all tried
    models = [replace(natives[at], id=f"m{at}", atoms=natives[at].atoms @ TURN.T + 7) for at in order]
    found = match(models, natives)
    assert found.chain_pairs == tuple((f"m{number}", str(number)) for number in range(6))


def test_strands_written_as_one_chain_fit_strands_written_as_two():
    whole = duplex("GGACUC")
    strands = [replace(whole.subset(range(start, start + 6)), id=name) for start, name in ((0, "A"), (6, "B"))]
    found = match([whole], strands)
    assert (found.num_common, found.chain_ids) == (12, ("A",) * 6 + ("B",) * 6)
    assert match(strands, [whole]).num_common == 12
    # Numbered from 1 in both strands, as many programs do, only the sequence tells.
    again = [replace(strand, residue_numbers=np.arange(1, 7)) for strand in strands]
    assert (match([whole], again).num_common, match([whole], again).paired_by) == (12, "sequence")


def test_chains_that_one_side_lacks_are_said():
    found = match([NATIVE], [NATIVE, OTHER])
    assert (found.num_common, len(found.native)) == (18, 33)
    assert any("is missing from the model" in note for note in found.notes)
    found = match([NATIVE, OTHER], [NATIVE])
    assert any("stands for none of the native" in note for note in found.notes)


def test_structures_pair_without_numbers_or_sequence():
    shape = replace(NATIVE, sequence="A" * 18, residue_numbers=np.arange(500, 518))
    found = match_structures([placed(shape, 9, "A")], [NATIVE])
    assert (found.paired_by, found.num_common) == ("structure", 18)
    with pytest.raises(DataError, match="fewer than 3"):
        match_structures([NATIVE.subset([0, 1])], [NATIVE])
