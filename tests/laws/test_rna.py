"""Laws of BetaRho: space has no preferred frame, and coordinates never reach the input."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from rnas import rna_task

from monosome.rna.examples import ChainBatch, Recipe
from monosome.rna.frames import Frames
from monosome.rna.pair_labels import label_pairs
from monosome.rna.task import BetaRhoTask


@pytest.fixture(scope="module")
def task() -> BetaRhoTask:
    """With everything that a network can have."""
    terms = [f"loss.{name}=0.5" for name in ("tm", "smooth_lddt", "trace_fape")]
    return rna_task("model.num_ipa_blocks=3", "model.num_recycles=1", "model.triangle_attention=true", *terms)


@pytest.fixture(scope="module")
def model(task: BetaRhoTask) -> torch.nn.Module:
    """A network none of whose layers is zero: fresh ones end in zeros, and would obey any law."""
    model = task.model()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    return model


def _moved(batch: ChainBatch, motion: Frames) -> ChainBatch:
    """The batch with its start and its native both moved."""
    shape = batch.start_translations.shape[:2]
    everywhere = Frames(motion.rotations.expand(*shape, 3, 3), motion.translations.expand(*shape, 3))
    start = everywhere.compose(batch.start)
    return replace(
        batch,
        start_rotations=start.rotations,
        start_translations=start.translations,
        points=everywhere.apply(batch.points) * batch.points_mask.unsqueeze(-1),
    )


def _motion() -> Frames:
    points = torch.randn(3, 1, 3, generator=torch.Generator().manual_seed(0))
    return Frames.from_points(40 * points[0], 40 * points[0] + points[1], 40 * points[0] + points[2])


@torch.no_grad()
def test_moving_everything_moves_the_prediction_and_no_loss(task: BetaRhoTask, model: torch.nn.Module) -> None:
    examples = task.examples("train")
    batch = task.collate([examples[0], examples[1]], [1, 2])
    motion = _motion()
    there = _moved(batch, motion)
    here, moved = task.forward(model, batch), task.forward(model, there)
    mask = batch.mask.bool()
    expected = motion.apply(here.frames.translations)[mask]
    found = moved.frames.translations[mask]
    assert (found - expected).norm() / expected.norm() < 1e-5
    before, after = task.loss(here, batch), task.loss(moved, there)
    for name, value in before.sums.items():
        assert float(after.sums[name].detach()) == pytest.approx(float(value.detach()), rel=1e-5), name


@torch.no_grad()
def test_a_mirror_image_is_another_structure(task: BetaRhoTask, model: torch.nn.Module) -> None:
    batch = task.collate([task.examples("train")[0]])
    mirrored = replace(batch, points=batch.points * torch.tensor([1.0, 1.0, -1.0]))
    outputs = task.forward(model, batch)
    before, after = task.loss(outputs, batch).sums, task.loss(outputs, mirrored).sums
    assert not torch.allclose(after["fape"], before["fape"], rtol=1e-3)
    assert torch.allclose(after["distogram"], before["distogram"]), "distances are blind to it"


@torch.no_grad()
def test_deleting_the_coordinates_changes_no_feature_and_no_prediction(
    task: BetaRhoTask, model: torch.nn.Module
) -> None:
    whole = task.examples("train")[0]
    blind = Recipe().example(replace(whole.chain, atoms=np.full_like(whole.chain.atoms, np.nan)), whole.group)
    for name in ("single", "pair", "offsets"):
        assert np.array_equal(getattr(whole.features, name), getattr(blind.features, name)), name
    seen, unseen = (task.forward(model, task.collate([each])) for each in (whole, blind))
    assert torch.equal(seen.frames.translations, unseen.frames.translations)


@torch.no_grad()
def test_an_unknown_native_costs_nothing_and_teaches_nothing(task: BetaRhoTask, model: torch.nn.Module) -> None:
    whole = task.examples("train")[0]
    unresolved = replace(whole.chain, atoms=np.full_like(whole.chain.atoms, np.nan))
    blind = replace(whole, chain=unresolved, pairs=label_pairs(unresolved))
    batch = task.collate([blind])
    loss = task.loss(task.forward(model, batch), batch)
    assert all(float(value) == 0 for value in loss.sums.values())
