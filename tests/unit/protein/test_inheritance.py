from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from monosome.errors import ConfigError
from monosome.protein.inheritance import NUM_BLOCKS, Packed, inherit, kept_blocks, mean_free
from monosome.protein.recipe import GPT2Config
from monosome.protein.student import build_student, run_packed
from monosome.protein.task import DistillationTask
from monosome.task import mean_values

VOCABULARY = 60


def size(num_layers: int, num_heads: int, width: int, positions: int = 40) -> GPT2Config:
    return GPT2Config(num_layers=num_layers, num_heads=num_heads, width=width, positions=positions)


def lively(config: GPT2Config, seed: int) -> Any:
    """A network drawn with weights so large, and norms and biases so uneven, that every part of it shows."""
    model: Any = build_student(config, VOCABULARY, seed).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.3 * drawn if "ln_" in name and name.endswith("weight") else 0.3 * drawn)
    return model


def batches() -> Iterable[Packed]:
    tokens = torch.randint(0, VOCABULARY, (16, 30), generator=torch.Generator().manual_seed(1))
    positions = torch.arange(30).expand_as(tokens)
    yield tokens, torch.ones_like(tokens), positions


def log_probabilities(model: nn.Module) -> Tensor:
    packed = next(iter(batches()))
    with torch.no_grad():
        return run_packed(model, *packed).logits(slice(None)).log_softmax(-1)


def heir(teacher: nn.Module, config: GPT2Config) -> nn.Module:
    student = build_student(config, VOCABULARY, seed=5).eval()
    inherit(student, teacher, batches())
    return student


def test_of_the_same_size_it_is_the_teacher():
    teacher = lively(size(3, 2, 16), seed=1)
    ours, theirs = heir(teacher, size(3, 2, 16)).state_dict(), teacher.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def with_unused(teacher: Any, width: int, heads: list[int], neurons: int) -> Any:
    """The teacher with channels from `width` on that are always 0, and other heads and neurons that write nothing."""
    body, dims = teacher.transformer, teacher.config.n_embd // teacher.config.n_head
    with torch.no_grad():
        for block in body.h:
            for head in set(range(teacher.config.n_head)) - set(heads):
                block.attn.c_proj.weight[head * dims : (head + 1) * dims] = 0
            block.mlp.c_proj.weight[neurons:] = 0
        writers = [body.wte.weight, body.wpe.weight]
        writers += [
            getattr(part.c_proj, kind) for b in body.h for part in (b.attn, b.mlp) for kind in ("weight", "bias")
        ]
        for writer in writers:
            writer[..., width:] = 0
            writer[..., :width] -= writer[..., :width].mean(-1, keepdim=True)
        body.ln_f.weight.fill_(1.3)  # behind it the head is tied to the embeddings: an uneven gain cannot be kept
    return teacher


def test_a_teacher_with_channels_heads_and_neurons_that_do_nothing_is_recovered():
    teacher = with_unused(lively(size(2, 4, 32), seed=2), width=16, heads=[0, 2], neurons=64)
    found = heir(teacher, size(2, 2, 16))
    torch.testing.assert_close(log_probabilities(found), log_probabilities(teacher), atol=2e-4, rtol=1e-4)


def test_wider_heads_compute_the_same_and_can_learn():
    """Two heads of 8 dimensions from a teacher whose other two write nothing: at width 32 each has room for 16."""
    teacher = with_unused(lively(size(2, 4, 32), seed=3), width=32, heads=[1, 3], neurons=128)
    found = heir(teacher, size(2, 2, 32))
    torch.testing.assert_close(log_probabilities(found), log_probabilities(teacher), atol=2e-4, rtol=1e-4)
    found.train()
    run_packed(found, *next(iter(batches()))).logits(slice(None)).square().sum().backward()
    attention: Any = found.transformer.h[0].attn
    for gradient in (
        attention.c_attn.weight.grad.view(32, 3, 2, 16)[:, 1],
        attention.c_proj.weight.grad.view(2, 16, 32),
    ):
        assert (gradient.abs() > 0).float().mean() > 0.99, "nothing is dead"


def test_narrower_heads_keep_what_has_low_rank():
    """Heads of 16 dimensions whose scores and outputs have rank 8, and a student with as many heads of 8."""
    teacher = with_unused(lively(size(2, 2, 32), seed=4), width=16, heads=[0, 1], neurons=64)
    with torch.no_grad():
        for block in teacher.transformer.h:
            block.attn.c_attn.weight.view(32, 3, 2, 16)[:, 1:, :, 8:] = 0
    found = heir(teacher, size(2, 2, 16))
    torch.testing.assert_close(log_probabilities(found), log_probabilities(teacher), atol=2e-4, rtol=1e-4)


def test_blocks_are_spread_evenly():
    assert kept_blocks(36, 4) == [0, 12, 23, 35]
    assert kept_blocks(5, 5) == [0, 1, 2, 3, 4]
    assert kept_blocks(7, 1) == [0]
    assert len(set(kept_blocks(36, 12))) == 12


def test_the_basis_has_no_mean():
    basis = mean_free(9)
    torch.testing.assert_close(basis @ basis.T, torch.eye(8, dtype=torch.float64))
    assert basis.sum(1).abs().max() < 1e-12


@pytest.mark.parametrize("config", [size(3, 2, 16), size(2, 2, 32), size(2, 2, 16, positions=64)])
def test_a_student_larger_than_its_teacher_is_refused(config: GPT2Config):
    teacher = build_student(size(2, 2, 16), VOCABULARY, seed=0)
    with pytest.raises(ConfigError, match="nothing can be kept"):
        heir(teacher, config)


def test_before_any_step_it_knows_more_than_a_network_drawn_at_random(taught: DistillationTask):
    """Half the blocks, half the channels, half the neurons: most of what the teacher learned is still there."""
    drawn, inherited = taught.model().eval(), taught.model().eval()
    examples = taught.examples("train")
    blocks = [taught.collate([examples[index]]) for index in range(NUM_BLOCKS)]
    inherit(inherited, taught.frozen(), [(each.tokens, each.segments, each.positions) for each in blocks])
    held_out = taught.examples("valid")
    losses = [mean_values(taught.evaluate(model, held_out)) for model in (drawn, inherited)]
    assert losses[1]["loss"] < losses[0]["loss"] - 1
    assert losses[1]["loss"] < losses[1]["unigram_nll"]
