"""Base-pair probabilities: laws, the cache, and ViennaRNA's own figures (golden/test_viennarna.py)."""

from pathlib import Path

import numpy as np
import pytest

from monosome.rna.pairing import pairs_of, predict_pairing, sample_structures

HAIRPIN = "GGGCGAAAGCCC"


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
    sequence = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA"
    first = sample_structures(sequence, 4, seed=3)
    assert first == sample_structures(sequence, 4, seed=3)
    assert first != sample_structures(sequence, 4, seed=4)
    complementary = {"AU", "UA", "GC", "CG", "GU", "UG"}
    assert all(sequence[i] + sequence[j] in complementary for one in first for i, j in pairs_of(one))


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
