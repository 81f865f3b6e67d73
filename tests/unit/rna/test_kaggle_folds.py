"""Structures of whole targets: strands apart, steps as long as bonds allow, and places that a submission can hold."""

from pathlib import Path

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna import kaggle_folds
from monosome.rna.files import write_structure
from monosome.rna.geometry import helix_frames, random_hairpin
from monosome.rna.kaggle import Strand, Target
from monosome.rna.kaggle_folds import Network, fingerprint, folded, helices, laid_out
from monosome.rna.submission import HIGHEST, LOWEST
from monosome.rna.superposition import move, superpose


def _target(*strands: str) -> Target:
    return Target("9ABC", tuple(Strand("A", copy, letters) for copy, letters in enumerate(strands, start=1)))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))


def _steps(places: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(np.diff(places, axis=-2), axis=-1))


@pytest.mark.parametrize("length", [1, 2, 231, 232, 4640])
def test_a_helix_has_the_steps_of_a_form_and_fits_whatever_its_length(length: int):
    places = helices(_target("A" * length))
    assert places.shape == (length, 3)
    ideal = _steps(helix_frames(3).translations.numpy())[0]
    assert _steps(places) == pytest.approx(np.full(length - 1, ideal), abs=0.3)
    assert LOWEST < places.min() <= places.max() < 400


def test_a_long_helix_is_right_handed_like_a_straight_one():
    """Eleven residues anywhere in it fit a straight helix; a mirror image would not."""
    places, straight = helices(_target("A" * 1000)), helix_frames(11).translations.numpy()
    for start in (0, 300, 900):
        turn = places[start : start + 11]
        assert np.linalg.norm(move(turn, *superpose(turn, straight)) - straight, axis=-1).max() < 1.5
        mirrored = turn * [1, 1, -1]
        assert np.linalg.norm(move(mirrored, *superpose(mirrored, straight)) - straight, axis=-1).max() > 3.0


def test_strands_stand_apart():
    places = helices(_target(*["A" * 20] * 5)).reshape(5, 20, 3)
    for one in range(5):
        for other in range(one):
            gaps = np.linalg.norm(places[one][:, None] - places[other][None], axis=-1)
            assert gaps.min() > 20.0


def test_layouts_pair_strands_with_each_other():
    """Two strands that are complementary make a duplex: its ends lie 10 Å apart, C1' to C1', see facts of A-form."""
    places = laid_out(_target("GGCGCAUCGC", "GCGAUGCGCC"), 0)
    assert places.shape == (5, 20, 3)
    for one in places:
        paired = np.linalg.norm(one[:10] - one[:9:-1], axis=-1)
        assert np.median(paired) == pytest.approx(10.5, abs=0.7)


def test_many_strands_are_laid_out_one_by_one():
    places = laid_out(_target(*["GGGGAAAACCCC" * 4] * 22), 0)
    assert places.shape == (5, 22 * 48, 3)
    assert places.min() >= LOWEST
    assert places.max() <= HIGHEST


def test_what_a_submission_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch):
    """As 4,640 nt without a pair, laid out straight; here with a hundredth of the room."""
    monkeypatch.setattr(kaggle_folds, "LOWEST", -9.99999)
    monkeypatch.setattr(kaggle_folds, "HIGHEST", 99.99999)
    with pytest.raises(DataError, match="cannot hold"):
        laid_out(_target("A" * 80), 0)
    assert laid_out(_target("A" * 30), 0).min() >= -9.99999, "what would reach too low is moved up"


def test_the_network_folds_each_strand_once_and_copies_stand_side_by_side():
    strand = "GGGGAAAACCCC"
    places = folded(_target(strand, strand, "ACN"), Network(), 2, 0)
    assert places.shape == (2, 27, 3)
    one, other = places[:, :12], places[:, 12:24]
    assert one - one.mean(axis=1, keepdims=True) == pytest.approx(other - other.mean(axis=1, keepdims=True), abs=1e-3)
    assert np.median(_steps(one)) == pytest.approx(5.5, abs=1.0)


def test_templates_are_those_of_before_the_target_was_known(tmp_path: Path):
    """A file without a date is of no day: only "any" takes it."""
    chain = random_hairpin(4)
    write_structure(chain, tmp_path / "known.cif")
    target = Target("9ABC", (Strand("A", 1, chain.sequence),), cutoff="2025-01-01")
    without, dated, any_day = (
        folded(target, network, 1, 0)[0]
        for network in (
            Network(),
            Network(library=tmp_path / "known.cif"),
            Network(None, tmp_path / "known.cif", "any"),
        )
    )
    assert np.array_equal(without, dated)
    assert "known" in fingerprint(Network(None, tmp_path / "known.cif", "any"))
    native = chain.atom("C1'")
    off = [np.linalg.norm(move(one, *superpose(one, native)) - native, axis=-1).mean() for one in (without, any_day)]
    assert off[1] < 0.5 < off[0], "the template is the structure itself"
