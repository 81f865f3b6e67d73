"""The network: what its heads say, and how it recycles."""

import pytest
import torch
from torch import nn

from monosome.rna.pair_labels import MIRRORED
from monosome.rna.task import BetaRhoTask
from tests.laws.rnas import rna_task

FULL = ("model.num_recycles=2", "model.triangle_attention=true", "model.dropout=0.2")


@pytest.fixture(scope="module")
def task() -> BetaRhoTask:
    return rna_task(*FULL)


@pytest.fixture(scope="module")
def model(task: BetaRhoTask) -> nn.Module:
    """A network none of whose layers is zero."""
    model = task.model()
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.1)
    return model


@torch.no_grad()
def test_pairs_named_the_other_way_round_have_the_mirrored_class(task: BetaRhoTask, model: nn.Module) -> None:
    batch = task.collate([task.examples("train")[0]])
    outputs = task.forward(model.eval(), batch)
    assert torch.allclose(outputs.pair_logits, outputs.pair_logits.transpose(1, 2)[..., list(MIRRORED)], atol=1e-6)
    assert torch.allclose(outputs.distogram_logits, outputs.distogram_logits.transpose(1, 2), atol=1e-6)
    assert not torch.allclose(outputs.pae_logits, outputs.pae_logits.transpose(1, 2)), "errors depend on who looks"


@torch.no_grad()
def test_an_example_draws_the_same_whatever_it_is_batched_with(task: BetaRhoTask, model: nn.Module) -> None:
    examples, seeds = [task.examples("train")[place] for place in range(6)], list(range(6))
    model.train()
    together = task.forward(model, task.collate(examples, seeds)).frames.translations
    for place, example in enumerate(examples):
        alone = task.forward(model, task.collate([example], [seeds[place]])).frames.translations
        assert torch.allclose(together[place, : alone.shape[1]], alone[0], atol=1e-3)


@torch.no_grad()
def test_recycles_are_drawn_in_training_and_all_run_in_evaluation(task: BetaRhoTask, model: nn.Module) -> None:
    without = rna_task(*FULL[1:]).model()
    without.load_state_dict({name: value for name, value in model.state_dict().items() if "recycle" not in name})
    example = task.examples("train")[0]
    once = task.forward(without.train(), task.collate([example], [3])).frames.translations
    drawn = torch.cat([
        task.forward(model.train(), task.collate([example], [3 + 2**33 * number])).frames.translations[:, :16]
        for number in range(24)
    ])  # fmt: skip
    assert once.shape[1] >= 16
    batch = task.collate([example])
    fully = task.forward(model.eval(), batch).frames.translations
    unrecycled = task.forward(without.eval(), batch).frames.translations
    assert not torch.allclose(fully, unrecycled, atol=1e-3)
    assert len(drawn.round(decimals=2).unique(dim=0)) > 3


@torch.no_grad()
def test_pairs_can_be_had_before_there_is_a_start(model: nn.Module) -> None:
    plain = rna_task(*FULL[1:])
    network = plain.model().eval()
    batch = plain.collate([plain.examples("train")[0]])
    early = network.pair_logits(batch.single, batch.pair, batch.offsets, batch.mask)
    assert torch.equal(early, plain.forward(network, batch).pair_logits)


@torch.no_grad()
def test_triangle_attention_is_the_same_in_portions(model: nn.Module) -> None:
    block = model.trunk[0]
    pair, mask = torch.randn(2, 9, 9, 8), torch.ones(2, 9)
    for attention in (block.starting, block.ending):
        whole = attention(pair, mask)
        attention.logits_at_once = 4
        assert torch.allclose(attention(pair, mask), whole, atol=1e-6)
    turned = block.starting(pair.transpose(1, 2), mask).transpose(1, 2)
    block.ending.load_state_dict(block.starting.state_dict())
    assert torch.allclose(block.ending(pair, mask), turned, atol=1e-6)


@torch.no_grad()
def test_a_learned_start_begins_as_the_helix_and_bends_with_the_chain() -> None:
    plain = rna_task("model.start=learned")
    network, batch = plain.model().eval(), plain.collate([plain.examples("train")[place] for place in (0, 1)])
    single = torch.randn(*batch.mask.shape, 16)
    known = batch.mask.bool()
    straight = network.bend(single, batch.start).translations
    assert torch.allclose(straight[known], batch.start_translations[known], atol=1e-2)
    nn.init.normal_(network.bend.update.weight, std=0.1)
    bent = network.bend(single, batch.start)
    assert not torch.allclose(bent.translations, straight, atol=1.0)
    assert torch.allclose(torch.linalg.det(bent.rotations)[known], torch.tensor(1.0), atol=1e-4)
