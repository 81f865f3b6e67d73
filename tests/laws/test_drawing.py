"""Laws of what is drawn: a curriculum with weights goes on and splits as any run; unknown atoms teach nothing."""

import json
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rnas import rna_task
from runs import SHORT, journal, states, stop_at, train
from toy import ToyConfig, ToyTask, Word, WordBatch

from monosome.config import build, override
from monosome.errors import ConfigError
from monosome.rna.examples import ChainBatch, Recipe, collate
from monosome.rna.nucleotides import ATOM_INDEX
from monosome.rna.pair_labels import label_pairs
from monosome.train.checkpoint import load_manifest

CURRICULUM = ((0, 8), (3, 16), (6, 30))


class GrowingTask(ToyTask):
    """The toy with words of odd number drawn half as often, and of growing length; it notes what it was given."""

    stages: Sequence[tuple[int, int]] = CURRICULUM

    def __init__(self, config: ToyConfig) -> None:
        super().__init__(config)
        self.seen: list[list[int]] = []

    def weights(self, examples: Any, limit: int | None = None) -> Sequence[float]:
        lengths = self.lengths(examples)
        return [(limit is None or n <= 2 * limit) * (0.5 if at % 2 else 1.0) for at, n in enumerate(lengths)]

    def curriculum(self) -> Sequence[tuple[int, int]]:
        return self.stages

    def shortened(self, example: Word, limit: int, seed: int) -> Word:
        first = seed % max(1, len(example.letters) - limit + 1)
        return replace(example, letters=example.letters[first : first + limit])

    def reports(self) -> dict[str, Any]:
        return {"leakage": {"overlaps": []}}

    def collate(self, examples: Sequence[Word], seeds: Sequence[int] | None = None) -> WordBatch:
        if seeds is not None:
            self.seen.append([len(word.letters) for word in examples])
        return super().collate(examples, seeds)


def growing(*settings: str) -> GrowingTask:
    return GrowingTask(build(ToyConfig, override({"domain": "toy"}, [*SHORT, *settings])))


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return train(growing(), tmp_path / "whole").folder


def test_examples_grow_with_the_steps(tmp_path: Path) -> None:
    task = growing("execution.micro_batch=4")
    train(task, tmp_path)
    assert len(task.seen) == 8
    for step, lengths in enumerate(task.seen):
        limit = next(limit for first, limit in reversed(CURRICULUM) if first <= step)
        assert max(lengths) <= limit
    assert max(max(lengths) for lengths in task.seen[6:]) > 16, "the last stage shows more than the one before"
    assert json.loads((tmp_path / "leakage.json").read_text()) == {"overlaps": []}


def test_a_run_that_grows_goes_on_as_if_never_stopped(whole: Path, tmp_path: Path) -> None:
    """Stopped in step 5, in the middle of the second stage and short of the third."""
    stopped = train(stop_at(growing(), 7, signal.SIGTERM), tmp_path / "stopped")
    assert stopped.step == 5
    resumed = train(growing(), stopped.folder)
    assert resumed.resumed_from == 5
    one, other = (states(folder / "checkpoints" / "step_00000008") for folder in (whole, resumed.folder))
    assert all(torch.equal(tensor, other[name][key]) for name in one for key, tensor in one[name].items())
    assert journal(whole) == journal(resumed.folder)


@pytest.mark.parametrize("micro_batch", [1, 4])
def test_the_micro_batch_changes_nothing_that_is_drawn(whole: Path, tmp_path: Path, micro_batch: int) -> None:
    task = growing(f"execution.micro_batch={micro_batch}")
    other = train(task, tmp_path / "other")
    assert load_manifest(other.checkpoint).fingerprint == load_manifest(whole / "checkpoints" / "best").fingerprint
    losses = [[line["loss"] for line in journal(folder) if "loss" in line] for folder in (whole, other.folder)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize("stages", [((1, 8),), ((0, 8), (0, 9)), ((0, 8), (5, 9), (3, 9))])
def test_a_curriculum_out_of_order_is_refused(tmp_path: Path, stages: tuple[tuple[int, int], ...]) -> None:
    task = growing()
    task.stages = stages
    with pytest.raises(ConfigError, match="a curriculum begins at step 0"):
        train(task, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def _with_garbage(batch: ChainBatch, scale: float) -> ChainBatch:
    """The batch with other coordinates wherever a point is not known."""
    noise = scale * torch.randn(batch.points.shape, generator=torch.Generator().manual_seed(1))
    return replace(batch, points=torch.where(batch.points_mask.bool().unsqueeze(-1), batch.points, noise))


@pytest.mark.parametrize("c1_alone", [False, True])
def test_an_unknown_atom_changes_no_loss_and_no_gradient(c1_alone: bool) -> None:
    """A chain that lacks residues and single atoms: what stands in their place is of no account, in any term."""
    terms = [f"loss.{name}=0.5" for name in ("tm", "smooth_lddt", "trace_fape", "pairs", "plddt", "pae")]
    task = rna_task(*terms)
    chain = task.examples("train").chains[0]
    atoms, draw = chain.atoms.copy(), np.random.default_rng(0)
    atoms[draw.random(atoms.shape[:2]) < 0.2] = np.nan
    atoms[5:8] = np.nan
    if c1_alone:
        atoms[:, [at for name, at in ATOM_INDEX.items() if name != "C1'"]] = np.nan
    partly = replace(chain, atoms=atoms)
    assert 0 < partly.resolved.mean() < 1
    batch = collate([Recipe().example(partly)], torch.tensor([10.0]))
    assert torch.equal(batch.pairs[0], torch.from_numpy(label_pairs(partly).astype(np.int64)))
    model = task.model()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.1, generator=torch.Generator().manual_seed(2))
    results = []
    for each in (batch, _with_garbage(batch, 10.0), _with_garbage(batch, 1000.0)):
        model.zero_grad()
        loss = task.loss(task.forward(model, each), each)
        loss.weighted(task.config.loss.weights()).backward()
        gradient = torch.cat([w.grad.flatten() for w in model.parameters() if w.grad is not None])
        results.append(({name: float(value.detach()) for name, value in loss.sums.items()}, gradient))
    for sums, gradient in results[1:]:
        assert sums == results[0][0]
        assert torch.equal(gradient, results[0][1])
