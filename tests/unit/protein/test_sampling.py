import torch
from torch import nn

from monosome.protein.sampling import Sample, SamplingSettings, sample
from monosome.protein.tokens import ProteinTokenizer

SHORT = SamplingSettings(max_length=24, seed=3)


def test_the_seed_draws_the_samples(student: nn.Module, tokenizer: ProteinTokenizer):
    before = torch.random.get_rng_state()
    first = sample(student, tokenizer, 5, SHORT)
    assert first == sample(student, tokenizer, 5, SHORT)
    assert first != sample(student, tokenizer, 5, SamplingSettings(max_length=24, seed=4))
    assert torch.equal(before, torch.random.get_rng_state())


def test_samples_without_an_end_are_truncated(student: nn.Module, tokenizer: ProteinTokenizer):
    assert any(one.is_truncated for one in sample(student, tokenizer, 8, SHORT))


def test_only_whole_proteins_are_valid():
    assert not Sample("MKT", is_truncated=True, perplexity=1.0).is_valid
    assert not Sample("MK1", is_truncated=False, perplexity=1.0).is_valid
    assert not Sample("", is_truncated=False, perplexity=None).is_valid
    assert Sample("MKT", is_truncated=False, perplexity=1.0).is_valid
