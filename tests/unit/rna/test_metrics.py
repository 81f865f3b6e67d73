from dataclasses import replace

import numpy as np
import pytest

from monosome.errors import ConfigError
from monosome.rna.chain import Chain
from monosome.rna.geometry import hairpin
from monosome.rna.metrics import assess
from monosome.rna.nucleotides import ATOM_INDEX

NATIVE = hairpin("GGCACGAAAGUGCC", 5)
TURN = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float32)


def moved(chain: Chain) -> Chain:
    return replace(chain, atoms=chain.atoms @ TURN.T + np.float32(40))


def test_a_moved_copy_is_perfect():
    found = assess(moved(NATIVE), NATIVE)
    assert (found.length, found.num_common, found.mode, found.atom) == (14, 14, "residue", "C1'")
    assert found.tm_score == pytest.approx(1, abs=1e-5)
    assert found.rmsd == pytest.approx(0, abs=1e-4)
    assert found.rmsd_atom == pytest.approx(0, abs=1e-4)


def test_a_mirror_image_is_not():
    found = assess(replace(NATIVE, atoms=NATIVE.atoms * np.array([1, 1, -1], dtype=np.float32)), NATIVE)
    assert found.tm_score is not None
    assert found.tm_score < 0.7
    assert found.rmsd is not None
    assert found.rmsd > 1


def test_residues_pair_by_number_whatever_their_place():
    part = moved(NATIVE).subset([9, 8, 7, 3, 2])
    found = assess(part, NATIVE)
    assert (found.length, found.num_common) == (14, 5)
    assert found.tm_score == pytest.approx(5 / 14, abs=1e-4)
    assert found.rmsd == pytest.approx(0, abs=1e-4)


def test_inserted_residues_pair_in_their_order():
    numbers = np.array([1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
    native = replace(NATIVE, residue_numbers=numbers)
    assert assess(moved(native), native).tm_score == pytest.approx(1, abs=1e-5)


def test_length_counts_what_the_native_has():
    atoms = NATIVE.atoms.copy()
    atoms[3, ATOM_INDEX["C1'"]] = np.nan
    found = assess(NATIVE, replace(NATIVE, atoms=atoms))
    assert (found.length, found.num_common) == (13, 13)
    assert assess(NATIVE, NATIVE, "P").length == 14


def test_too_few_points_are_undefined_not_zero():
    found = assess(NATIVE.subset([0, 1]), NATIVE)
    assert found.tm_score is None
    assert found.rmsd_atom is None
    assert found.rmsd == pytest.approx(0, abs=1e-4)
    empty = replace(NATIVE, atoms=np.full_like(NATIVE.atoms, np.nan))
    assert assess(empty, NATIVE).rmsd is None


def test_a_mutant_is_compared():
    mutant = hairpin("GGCACGUAAGUGCC", 5)
    found = assess(moved(mutant), NATIVE)
    assert found.num_differing == 1
    assert found.tm_score == pytest.approx(1, abs=1e-5)
    assert found.lddt is not None
    assert 0.9 < found.lddt < 1  # the mutated base is missing
    assert found.rmsd is not None
    assert 0 < found.rmsd < 0.5  # its atoms are compared by their names, as published


def test_every_metric_of_a_moved_copy():
    found = assess(moved(NATIVE), NATIVE)
    perfect = {"tm_score", "lddt", "gdt_ts", "inf_all", "inf_wc", "inf_stack"}
    assert {name: getattr(found, name) for name in perfect} == pytest.approx(dict.fromkeys(perfect, 1.0), abs=1e-4)
    still = {"rmsd", "rmsd_atom", "di", "mcq", "ermsd"}
    assert {name: getattr(found, name) for name in still} == pytest.approx(dict.fromkeys(still, 0.0), abs=0.01)
    assert found.inf_nwc is None  # an ideal stem has no other pairs
    assert found.lddt_stereo is not None
    assert 0.5 < found.lddt_stereo < 1  # the loop is built of rigid nucleotides, with a few strained bonds
    assert found.clashscore == assess(NATIVE, NATIVE).clashscore


def test_only_what_is_asked_for_is_worked_out():
    found = assess(NATIVE, NATIVE, metrics=("rmsd",))
    assert found.rmsd == pytest.approx(0, abs=1e-5)
    assert (found.tm_score, found.lddt, found.rotation) == (None, None, None)
    with pytest.raises(ConfigError, match="tm_scor"):
        assess(NATIVE, NATIVE, metrics=("tm_scor",))


def test_the_superposition_gives_the_score_again():
    model = moved(hairpin("GGCACGAAAGUGCCAAAA", 5, num_trailing=4)).subset(range(14))
    found = assess(model, NATIVE)
    assert found.rotation is not None
    assert found.translation is not None
    placed = model.atom("C1'") @ np.array(found.rotation).T + np.array(found.translation)
    squared = np.square(placed - NATIVE.atom("C1'")).sum(axis=-1)
    assert (1 / (1 + squared / 0.4**2)).mean() == pytest.approx(found.tm_score, abs=1e-5)


def test_of_several_natives_the_closest_counts():
    other = replace(NATIVE, atoms=NATIVE.atoms * np.float32([1, 1, -1]))
    assert assess(moved(NATIVE), [other, NATIVE]).tm_score == pytest.approx(1, abs=1e-5)
    assert assess(moved(NATIVE), [other]).tm_score != pytest.approx(1, abs=1e-2)


def test_scores_of_each_residue():
    atoms = NATIVE.atoms.copy()
    atoms[6] += 5
    atoms[2] = np.nan
    found = assess(replace(NATIVE, atoms=atoms), NATIVE, details=("residues",))
    assert found.residues is not None
    assert [one.number for one in found.residues] == list(range(1, 15))
    assert (found.residues[2].distance, found.residues[2].mcq, found.residues[2].lddt) == (None, None, 0.0)
    worst = max((one for one in found.residues if one.distance is not None), key=lambda one: one.distance or 0)
    assert (worst.number, worst.base) == (7, "A")
    assert worst.distance == pytest.approx(75**0.5, abs=0.5)


def test_scores_of_each_motif():
    found = assess(moved(NATIVE), NATIVE, details=("motifs",))
    assert found.motifs is not None
    assert {one.kind for one in found.motifs} == {"helix", "hairpin"}
    assert all(one.rmsd == pytest.approx(0, abs=1e-3) for one in found.motifs)


def test_an_unknown_atom_is_refused_with_the_nearest():
    with pytest.raises(ConfigError) as caught:
        assess(NATIVE, NATIVE, "C1*")
    assert "C1'" in caught.value.hint
