"""Kaggle's score: its rules hold, and single scores are those of `tm_score` and `tm_align`."""

from pathlib import Path

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna.geometry import helix_frames
from monosome.rna.kaggle import Part, Strand, Target
from monosome.rna.kaggle_score import score_submission
from monosome.rna.submission import write_submission
from monosome.rna.tm_align import tm_align
from monosome.rna.tm_score import tm_score

HELIX = helix_frames(20).translations.numpy()
MISSING = -1e18
Strands = list[tuple[str, int]]


def _labels(path: Path, references: list[np.ndarray], strands: Strands | None = None) -> Path:
    """Labels of the target X in Kaggle's columns."""
    axes = [f"{axis}_{number}" for number in range(1, len(references) + 1) for axis in "xyz"]
    header = ["ID", "resname", "resid", *axes, *(["chain", "copy"] if strands else [])]
    rows = [",".join(header)]
    for place in range(len(references[0])):
        values = [f"{value}" for reference in references for value in reference[place]]
        strand = [str(value) for value in strands[place]] if strands else []
        rows.append(",".join([f"X_{place + 1}", "G", str(place + 1), *values, *strand]))
    path.write_text("\n".join(rows) + "\n")
    return path


def _score(folder: Path, structures: np.ndarray, labels: Path, part: Part) -> list[float]:
    path = folder / "submission.csv"
    target = Target("X", (Strand("A", 1, "G" * structures.shape[1]),))
    write_submission(path, [target], [structures.astype(np.float32)], part)
    (found,) = score_submission(path, labels, part)
    assert found.best == max(found.scores)
    return list(found.scores)


def _noisy(places: np.ndarray, noise: float, seed: int) -> np.ndarray:
    return places + np.random.default_rng(seed).normal(size=places.shape) * noise


@pytest.mark.parametrize("part", [1, 2])
def test_each_structure_is_scored_against_the_closest_reference(part: Part, tmp_path: Path):
    other = np.random.default_rng(1).normal(size=HELIX.shape) * 15
    models = np.stack([HELIX, other, *(_noisy(HELIX, 2.0, seed) for seed in range(3))])
    scores = _score(tmp_path, models, _labels(tmp_path / "labels.csv", [HELIX, other]), part)
    assert scores[:2] == pytest.approx([1.0, 1.0], abs=1e-3)
    rounded = np.round(models[2].astype(np.float32), 3)
    found = [
        (tm_score(rounded, each, 20) if part == 2 else tm_align(rounded, each, 20).found).score
        for each in (HELIX, other)
    ]
    assert scores[2] == pytest.approx(max(found), abs=1e-3)


def test_part_one_pairs_by_structure_and_part_two_by_number(tmp_path: Path):
    native = np.random.default_rng(2).normal(size=HELIX.shape) * 15  # a helix is like itself wherever it begins
    shifted = np.concatenate([native[5:], native[:5] + 100.0])
    labels = _labels(tmp_path / "labels.csv", [native])
    by_structure, by_number = (_score(tmp_path, np.stack([shifted] * 5), labels, part)[0] for part in (1, 2))  # type: ignore[arg-type]
    assert by_structure >= 0.74, "fifteen of twenty residues fit"
    assert by_number < 0.5


def test_missing_residues_of_a_reference_do_not_count_and_a_missing_reference_neither(tmp_path: Path):
    partial = HELIX.copy()
    partial[15:] = MISSING
    nothing = np.full_like(HELIX, MISSING)
    labels = _labels(tmp_path / "labels.csv", [partial, nothing])
    spoiled = HELIX.copy()
    spoiled[15:] += 300.0
    assert _score(tmp_path, np.stack([spoiled] * 5), labels, 2)[0] == pytest.approx(1.0, abs=1e-3)


def test_copies_may_be_exchanged_in_part_two_and_other_chains_may_not(tmp_path: Path):
    draw = np.random.default_rng(3)
    one, two = HELIX[:10], draw.normal(size=(10, 3)) * 10 + 40
    native, swapped = np.concatenate([one, two]), np.concatenate([two, one])
    copies: Strands = [("A", 1)] * 10 + [("A", 2)] * 10
    others: Strands = [("A", 1)] * 10 + [("B", 1)] * 10
    models = np.stack([swapped] * 5)
    assert _score(tmp_path, models, _labels(tmp_path / "copies.csv", [native], copies), 2)[0] == pytest.approx(
        1.0, abs=1e-3
    )
    assert _score(tmp_path, models, _labels(tmp_path / "others.csv", [native], others), 2)[0] < 0.6


def test_part_two_clips_places_and_two_residues_score_nothing(tmp_path: Path):
    native = HELIX.copy()
    native[0] = [9999.999, 0, 0]
    beyond = HELIX.copy()
    beyond[0] = [50_000, 0, 0]
    labels = _labels(tmp_path / "labels.csv", [native])
    assert _score(tmp_path, np.stack([beyond] * 5), labels, 2)[0] == pytest.approx(1.0, abs=1e-3)
    lost = np.full_like(HELIX, MISSING)
    lost[:2] = 0
    assert _score(tmp_path, np.stack([lost] * 5), labels, 2) == [0.0] * 5


def test_a_residue_that_the_submission_lacks_is_named(tmp_path: Path):
    labels = _labels(tmp_path / "labels.csv", [HELIX])
    with pytest.raises(DataError, match="lacks X_20"):
        _score(tmp_path, np.stack([HELIX[:19]] * 5), labels, 1)
    with pytest.raises(DataError, match="X has no coordinates"):
        _score(tmp_path, np.stack([HELIX] * 5), _labels(tmp_path / "none.csv", [np.full_like(HELIX, MISSING)]), 1)
