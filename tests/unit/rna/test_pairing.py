"""Base-pair probabilities: laws, the cache, and ViennaRNA's own figures (golden/test_viennarna.py)."""

import inspect
import math
import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from monosome.errors import ConfigError, DataError
from monosome.rna import pairing as module
from monosome.rna.pairing import (
    STRETCH,
    Conditions,
    at_most_certain,
    pairs_of,
    predict_local_energies,
    predict_pairing,
    sample_structures,
    unknown_pairing,
)

HAIRPIN = "GGGCGAAAGCCC"
TRNA = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path))


def _segments(length: int, *starts: int) -> np.ndarray:
    return np.searchsorted(np.array(starts), np.arange(length), side="right").astype(np.int64)


def test_a_hairpin_pairs_as_it_must() -> None:
    pairing = predict_pairing(HAIRPIN, _segments(12))
    assert pairing.structure == "((((....))))"
    assert np.allclose(pairing.probabilities, pairing.probabilities.T)
    assert (pairing.probabilities.sum(1) <= 1 + 1e-5).all()
    assert pairing.probabilities[0, 11] > 0.9
    assert pairing.ensemble_energy <= pairing.mfe
    assert 0 < pairing.mfe_probability <= 1


def test_two_strands_pair_with_each_other() -> None:
    pairing = predict_pairing("GGGGCCAAUUGGCCCC", _segments(16, 8))
    assert pairs_of(pairing.structure) == [(i, 15 - i) for i in range(7)]
    assert pairing.probabilities[:8, :8].max() < 0.2, "no pairs within a strand"


def test_pseudoknots_have_brackets_of_their_own() -> None:
    assert pairs_of("((..[[..))..]]") == [(0, 9), (1, 8), (4, 13), (5, 12)]


def test_holding_a_structure_is_certain() -> None:
    pairing = predict_pairing(HAIRPIN, _segments(12)).holding("(((......)))")
    assert pairing.probabilities.sum() == 6
    assert pairing.unpaired[0] == 0
    assert pairing.unpaired[5] == 1


def test_samples_repeat_with_the_seed_and_are_of_the_sequence() -> None:
    first = sample_structures(TRNA, 4, seed=3)
    assert first == sample_structures(TRNA, 4, seed=3)
    assert first != sample_structures(TRNA, 4, seed=4)
    complementary = {"AU", "UA", "GC", "CG", "GU", "UG"}
    assert all(TRNA[i] + TRNA[j] in complementary for one in first for i, j in pairs_of(one))


def test_seeds_sample_the_ensemble() -> None:
    """The structure of minimum free energy has probability 0.976: 200 first draws have 195 ± 2 of it."""
    first = [sample_structures(HAIRPIN, 1, seed)[0] for seed in range(200)]
    assert 186 < first.count("((((....))))") < 200
    assert "............" not in first


@pytest.mark.parametrize("seed", [-1, 2**32, 10**15])
def test_any_whole_number_is_a_seed(seed: int) -> None:
    assert sample_structures(HAIRPIN, 2, seed) == sample_structures(HAIRPIN, 2, seed)


def test_a_cache_that_cannot_be_written_costs_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "file"))
    assert predict_pairing(HAIRPIN, _segments(12)).structure == "((((....))))"


def test_a_damaged_cache_file_is_computed_again(tmp_path: Path) -> None:
    expected = predict_pairing(HAIRPIN, _segments(12))
    (file,) = (tmp_path / "pairing").iterdir()
    for content in (b"", b"no zip at all", file.read_bytes()[:200]):
        file.write_bytes(content)
        found = predict_pairing(HAIRPIN, _segments(12))
        assert np.array_equal(found.probabilities, expected.probabilities)
        assert found.structure == expected.structure
    cached = predict_pairing(HAIRPIN, _segments(12))
    assert (cached.mfe, cached.ensemble_energy) == (expected.mfe, expected.ensemble_energy)


def test_no_answer_depends_on_coordinates() -> None:
    for function in (predict_pairing, predict_local_energies):
        assert set(inspect.signature(function).parameters) == {"sequence", "segments", "conditions", "reactivities"}


@pytest.mark.parametrize("structure", ["(()", "(]", "))"])
def test_a_bracket_without_a_partner_is_named(structure: str) -> None:
    with pytest.raises(DataError, match="at position"):
        pairs_of(structure)


def test_heat_and_lack_of_salt_loosen_pairs() -> None:
    energies = [
        predict_pairing(TRNA, _segments(76), conditions).ensemble_energy
        for conditions in (Conditions(20.0), Conditions(), Conditions(salt_molar=0.05), Conditions(70.0))
    ]
    assert energies == sorted(energies)
    molten = predict_pairing(TRNA, _segments(76), Conditions(95.0))
    assert molten.structure == "." * 76
    assert 0 < molten.mfe_probability <= 1


@pytest.mark.parametrize("wrong", [{"temperature_celsius": -20.0}, {"salt_molar": 0.0}, {"reactivity_slope": math.inf}])
def test_impossible_conditions_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Conditions(**wrong)


def test_a_sure_pairing_has_one_structure() -> None:
    sure = unknown_pairing(12).holding("((((....))))")
    assert sure.centroid == sure.mea == "((((....))))"
    assert sure.diversity == 0
    assert sure.positional_entropy.max() == 0


@pytest.mark.parametrize("seed", range(8))
def test_mea_is_the_best_there_is(seed: int) -> None:
    """Against Nussinov's recursion, on probabilities that no energy model gave."""
    random_state = np.random.default_rng(seed)
    length = int(random_state.integers(3, 22))
    upper = np.triu(random_state.random((length, length)) ** random_state.integers(1, 20), 3).astype(np.float32)
    pairing = replace(unknown_pairing(length), probabilities=at_most_certain(upper + upper.T))
    chance, unpaired = pairing.probabilities, pairing.unpaired

    @cache
    def best(start: int, end: int) -> float:
        if start >= end:
            return 0.0
        partners = [2 * float(chance[start, k]) + best(start + 1, k) + best(k + 1, end) for k in range(start + 3, end)]
        return max(float(unpaired[start]) + best(start + 1, end), *partners, 0.0)

    pairs = pairs_of(pairing.mea)
    alone = set(range(length)) - {place for pair in pairs for place in pair}
    reached = sum(2 * chance[i, j] for i, j in pairs) + sum(unpaired[k] for k in alone)
    assert reached == pytest.approx(best(0, length), abs=1e-2)


def test_reactive_residues_unpair() -> None:
    reactivities = np.full(12, np.nan, dtype=np.float32)
    assert predict_pairing(HAIRPIN, _segments(12), reactivities=reactivities).mfe == pytest.approx(-6.7, abs=1e-3)
    reactivities[[0, 11]] = 8
    loosened = predict_pairing(HAIRPIN, _segments(12), reactivities=reactivities)
    assert loosened.unpaired[0] > predict_pairing(HAIRPIN, _segments(12)).unpaired[0] + 0.3
    assert loosened.mfe >= -6.7, "what speaks against a stack lowers no energy"


def test_reactivities_count_as_deigan_et_al_have_it() -> None:
    """Each of the three stacks gets m ln(r + 1) + b from all four of its residues; below 0 a reactivity is 0."""
    reactivities = np.where([letter == "A" for letter in HAIRPIN], 2.0, -0.5)
    found = predict_pairing(HAIRPIN, _segments(12), reactivities=reactivities)
    assert found.mfe == pytest.approx(-6.7 + 12 * -0.6, abs=1e-2)


def test_reactivities_reach_the_residues_of_every_strand() -> None:
    sequence, reactivities = "GGGGCCAAUUGGCCCC", np.full(16, np.nan)
    reactivities[15] = 9
    loosened = predict_pairing(sequence, _segments(16, 8), reactivities=reactivities).unpaired
    assert loosened[0] > 0.5 > loosened[1]
    assert loosened[15] > 0.5 > loosened[14]


def test_samples_heed_conditions_and_reactivities() -> None:
    assert len(pairs_of(sample_structures(HAIRPIN, 1, 0)[0])) >= 3
    assert sample_structures(TRNA, 1, 0, Conditions(100.0, 0.01))[0].count("(") < 10
    against = np.full(12, 200.0)
    assert all(not pairs_of(one) for one in sample_structures(HAIRPIN, 5, 0, reactivities=against))


@pytest.mark.parametrize("wrong", [np.zeros(11), np.full(11, np.nan), np.array([np.inf] * 12)])
def test_reactivities_that_do_not_fit_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(DataError, match="do not fit"):
        predict_pairing(HAIRPIN, _segments(12), reactivities=wrong)


def test_every_option_has_its_own_place_in_the_cache(tmp_path: Path) -> None:
    for conditions in (Conditions(), Conditions(25.0), Conditions(salt_molar=0.1), Conditions(reactivity_slope=2.6)):
        for reactivities in (None, np.zeros(12), np.ones(12)):
            predict_pairing(HAIRPIN, _segments(12), conditions, reactivities)
    predict_pairing(HAIRPIN, _segments(12, 6))
    assert len(list((tmp_path / "pairing").iterdir())) == 13


def test_windows_as_long_as_the_strand_say_what_the_whole_says(monkeypatch: pytest.MonkeyPatch) -> None:
    reactivities = np.tile([0.1, np.nan, 0.6, 0.0], 19)
    whole = predict_pairing(TRNA, _segments(76), Conditions(25.0, 0.5), reactivities)
    monkeypatch.setattr(module, "LONGEST_WHOLE", 50)
    windows = predict_pairing(TRNA, _segments(76), Conditions(25.0, 0.5), reactivities)
    assert windows.structure == whole.structure
    assert windows.probabilities == pytest.approx(whole.probabilities, abs=1e-4)
    assert math.isnan(windows.ensemble_energy)
    assert math.isnan(windows.mfe_probability)


def test_windows_slide_along_long_strands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_WHOLE", 100)
    monkeypatch.setattr(module, "WINDOW", 60)
    monkeypatch.setattr(module, "SPAN", 40)
    sequence = "".join(random.Random(0).choices("ACGU", k=300))
    found = predict_pairing(sequence, _segments(300))
    assert np.array_equal(found.probabilities, found.probabilities.T)
    assert found.probabilities.sum(axis=1).max() <= 1 + 1e-5
    apart = np.abs(np.subtract.outer(np.arange(300), np.arange(300)))
    assert found.probabilities[(apart > 40) | (apart < 4)].max() == 0
    assert found.probabilities.max() > 0.8
    for structure in (found.structure, found.mea, found.centroid):
        pairs = pairs_of(structure)
        assert len(pairs) > 20
        assert max(j - i for i, j in pairs) <= 40


def test_probabilities_past_certainty_are_brought_down_to_it() -> None:
    above = np.array([[0, 0.9, 0.6], [0.9, 0, 0], [0.6, 0, 0]], dtype=np.float32)
    assert at_most_certain(above).sum(axis=1) == pytest.approx([1, 0.6, 0.4])
    below = above / 2
    assert np.array_equal(at_most_certain(below), below)


def test_opening_energy_is_what_forbidding_the_pairs_costs() -> None:
    RNA = pytest.importorskip("RNA")
    opening = predict_local_energies(TRNA, _segments(76)).opening
    free = predict_pairing(TRNA, _segments(76)).ensemble_energy
    for place in (0, 20, 38, 60, 75):
        forbidden = RNA.fold_compound(TRNA)
        for near in range(max(place - STRETCH // 2, 0), min(place + STRETCH // 2, 75) + 1):
            forbidden.hc_add_up(near + 1)
        _, energy = forbidden.pf()
        assert opening[place] == pytest.approx(energy - free, abs=0.02)


def test_stacking_of_a_sure_helix_is_turners() -> None:
    """GG/CC −3.3 twice and GC/GC −3.4 kcal/mol (Turner 2004)."""
    stacking = predict_local_energies(HAIRPIN, _segments(12), Conditions(temperature_celsius=37.0)).stacking
    assert stacking.sum() == pytest.approx(-10.0, abs=0.1)
    assert stacking[:4] == pytest.approx(stacking[:7:-1], abs=1e-3)
    assert stacking[4:8] == pytest.approx(0, abs=1e-3)
    assert stacking[1] == pytest.approx((-3.3 - 3.3) / 4, abs=0.05)


def test_local_energies_of_two_strands() -> None:
    """Before they bind, neither has anything to open; bound, they stack on their own sides only."""
    energies = predict_local_energies("GGGGCCAAUUGGCCCC", _segments(16, 8))
    assert energies.opening.max() < 0.7
    assert energies.stacking[:7].max() < -0.4
    assert energies.stacking == pytest.approx(energies.stacking[::-1], abs=0.3)


def test_strands_stack_where_they_end() -> None:
    """Two strands end on end: the stack of the innermost two pairs is counted too."""
    stacking = predict_local_energies("GGGGGGCCCCCC", _segments(12, 6)).stacking
    assert stacking[5] == pytest.approx(-3.3 / 4, abs=0.15)


def test_local_energies_are_cached(tmp_path: Path) -> None:
    first = predict_local_energies(TRNA, _segments(76))
    assert len(list((tmp_path / "energies").iterdir())) == 1
    again = predict_local_energies(TRNA, _segments(76))
    assert np.array_equal(first.opening, again.opening)
    assert np.array_equal(first.stacking, again.stacking)


@pytest.mark.parametrize("length", [1, 2, 6])
def test_the_shortest_strands_have_no_pairs(length: int) -> None:
    pairing = predict_pairing("G" * length, _segments(length))
    assert pairing.centroid == pairing.mea == pairing.structure == "." * length
    assert not predict_local_energies("G" * length, _segments(length)).opening.any()
