"""Prediction from a checkpoint: whole structures, ordered, repeatable, and clear about what is missing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monosome.errors import CheckpointError, DataError, HardwareError
from monosome.rna import predict
from monosome.rna.candidates import DOUBTED, OWN
from monosome.rna.features import Features
from monosome.rna.nucleotides import ATOM_MASK
from monosome.rna.pairing import pairs_of
from monosome.rna.predict import Predictor, fold, load
from monosome.rna.recipe import BetaRhoConfig
from monosome.rna.refinement import Geometry
from monosome.rna.task import BetaRhoTask
from monosome.rna.windows import Part
from monosome.train.loop import Trainer

SEQUENCE = "GGCGAACUGCGAAAGCAGUUCGCC"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps."""
    folder = tmp_path_factory.mktemp("run")
    settings = {"num_synthetic": 12}
    config = BetaRhoConfig.model_validate(
        {"domain": "rna", "data": settings, "train": {"steps": 2, "batch_size": 2}, "model": {"num_trunk_blocks": 1}}
    )
    Trainer(BetaRhoTask(config), folder, progress=False).fit()
    return folder


def test_every_heavy_atom_is_placed_and_the_best_comes_first(run: Path) -> None:
    predictions = load(run).fold(SEQUENCE, num_models=4, seed=1)
    assert len(predictions) == 4
    for prediction in predictions:
        assert np.array_equal(prediction.chain.resolved, ATOM_MASK[prediction.chain.bases])
        assert prediction.plddt.shape == (len(SEQUENCE),)
        assert ((prediction.plddt >= 0) & (prediction.plddt <= 100)).all()
    order = [(prediction.rank, -prediction.mean_plddt) for prediction in predictions]
    assert order == sorted(order)
    assert [prediction.rank for prediction in predictions] == [OWN, OWN, DOUBTED, DOUBTED]
    assert len({prediction.origin for prediction in predictions}) == 4


def test_the_seed_repeats_and_another_seed_differs(run: Path) -> None:
    first, again, other = (fold(SEQUENCE, checkpoint=run, num_models=3, seed=seed) for seed in (5, 5, 6))
    assert all(np.array_equal(a.chain.atoms, b.chain.atoms, equal_nan=True) for a, b in zip(first, again, strict=True))
    assert not all(
        np.array_equal(a.chain.atoms, b.chain.atoms, equal_nan=True) for a, b in zip(first, other, strict=True)
    )


def test_what_ships_folds_a_hairpin_whole() -> None:
    """GNRA tetraloop on seven pairs: everything closed, right-handed and free of clashes, whatever the network says."""
    predictions = fold(SEQUENCE, num_models=2)
    assert [len(pairs_of(prediction.structure)) for prediction in predictions] == [10, 10]
    for prediction in predictions:
        found = Geometry.of(prediction.chain).as_json()
        assert found["num_gaps"] == found["num_inverted"] == 0
        assert found["bonds_within"] >= 0.99
        assert found["angles_within"] >= 0.98
        assert found["clashscore"] <= 20
        assert 0 < prediction.ptm < 1


def test_what_is_no_rna_is_refused(run: Path) -> None:
    with pytest.raises(DataError, match="'N' at position 3"):
        load(run).fold("GGNAAACC")


def test_without_a_checkpoint_the_package_has_its_own_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    shipped = load()
    assert shipped.name == "betarho-micro"
    assert shipped.config.model.start == "paired"
    assert sum(file.stat().st_size for file in predict._shipped().iterdir()) < 12 * 2**20
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        load(tmp_path)


def test_running_out_of_memory_is_said(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Predictor, "_part", full)
    with pytest.raises(HardwareError, match="out of memory folding 24 nt, 24 at a time"):
        load(run).fold(SEQUENCE)


def test_what_memory_does_not_hold_is_folded_in_windows(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor, unlimited, lengths = load(run), Predictor._part, []

    def limited(self: Predictor, features: Features, *rest: Any) -> Part:
        if len(features.single) > 70:
            torch.empty(2**50)  # a petabyte: the allocator itself refuses
        lengths.append(len(features.single))
        return unlimited(self, features, *rest)

    monkeypatch.setattr(Predictor, "_part", limited)
    monkeypatch.setattr(predict, "SHORTEST", 32)
    (found,) = predictor.fold("GGCGAACUGCGAAAGCAGUUCGCCAAA" * 6, num_models=1)
    assert len(lengths) > 2
    assert max(lengths) <= 70
    assert np.array_equal(found.chain.resolved, ATOM_MASK[found.chain.bases])
    assert Geometry.of(found.chain).as_json()["num_gaps"] == 0


def test_strands_are_folded_together_and_not_linked(run: Path) -> None:
    (found,) = load(run).fold("GGCGAACUGC&GCAGUUCGCC", num_models=1)
    assert found.chain.segments.tolist() == [0] * 10 + [1] * 10
    assert found.chain.residue_numbers.tolist() == [*range(1, 11)] * 2
    assert len(pairs_of(found.structure)) == 10
    with pytest.raises(DataError, match="strand 2: 'N' at position 3"):
        load(run).fold("GGC&GCN")
