import math

import pytest
import torch
from torch import nn

from monosome.protein.sampling import Sample, SamplingSettings, own_perplexity, sample
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


def test_perplexity_is_that_of_the_model_card(student: nn.Module, tokenizer: ProteinTokenizer):
    """exp of transformers' own loss over the whole text, one protein at a time."""
    sequences = ["MKTAYIAKQR" * 7, "MSDKIIHLTD", "", "GGGLLLVVAA" * 2]
    expected = []
    for sequence in sequences:
        tokens = torch.from_numpy(tokenizer.encode([sequence])[0]).long()[None]
        with torch.no_grad():
            expected.append(math.exp(student(tokens, labels=tokens).loss) if sequence else None)
    for found, value in zip(own_perplexity(student, tokenizer, sequences), expected, strict=True):
        assert found == (pytest.approx(value, rel=1e-5) if value else None)
