import numpy as np
import torch
from torch import nn

from monosome.protein.packing import Block
from monosome.protein.recipe import GPT2Config, ProteinConfig
from monosome.protein.student import build_student, run_packed
from monosome.protein.task import DistillationTask
from monosome.protein.tokens import ProteinTokenizer


def blocks_of(tokenizer: ProteinTokenizer, sequences: list[str]) -> tuple[Block, list[Block]]:
    """The sequences packed into one block, and each in a block of its own."""
    tokens = tokenizer.encode(sequences)
    numbers = [np.full(len(t), number, dtype=np.int32) for number, t in enumerate(tokens, start=1)]
    alone = [Block(t, np.ones(len(t), dtype=np.int32)) for t in tokens]
    return Block(np.concatenate(tokens), np.concatenate(numbers)), alone


def test_packed_proteins_do_not_see_each_other(student: nn.Module, tokenizer: ProteinTokenizer):
    task = DistillationTask(ProteinConfig())
    packed, alone = blocks_of(tokenizer, ["MKTAYIAKQR", "GGGLLLVV", "MSDKIIHLTD"])
    batch = task.collate([packed, alone[0]])
    with torch.no_grad():
        together = run_packed(student, batch.tokens, batch.segments, batch.positions).hidden
        together = together.view(2, -1, together.shape[-1])[0]
        start = 0
        for block in alone:
            theirs = student(torch.from_numpy(block.tokens).long()[None], use_cache=False, output_hidden_states=True)
            size = min(len(block.tokens), len(together) - start)
            expected = theirs.hidden_states[-1][0, :size]
            torch.testing.assert_close(together[start : start + size], expected, atol=1e-5, rtol=1e-5)
            start += len(block.tokens)


def test_logits_are_those_of_transformers(student: nn.Module, tokenizer: ProteinTokenizer):
    task = DistillationTask(ProteinConfig())
    packed, _ = blocks_of(tokenizer, ["MKTAYIAKQR"])
    batch = task.collate([packed])
    with torch.no_grad():
        states = run_packed(student, batch.tokens, batch.segments, batch.positions)
        theirs = student(batch.tokens).logits[0, :-1]
    torch.testing.assert_close(states.logits(slice(None)), theirs, atol=1e-5, rtol=1e-5)
    assert states.vocab_size == tokenizer.vocab_size == theirs.shape[-1]


def test_the_seed_draws_the_weights(tokenizer: ProteinTokenizer):
    size = GPT2Config(num_layers=1, num_heads=2, width=16, positions=32)
    before = torch.random.get_rng_state()
    one, same, other = (build_student(size, tokenizer.vocab_size, seed) for seed in (1, 1, 2))
    weights = [model.get_input_embeddings().weight for model in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(before, torch.random.get_rng_state())
    assert one.lm_head.weight is one.transformer.wte.weight
