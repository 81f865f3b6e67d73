import math

import pytest
import torch
from torch import nn

from monosome.protein.likelihood import likelihoods
from monosome.protein.tokens import ProteinTokenizer

SEQUENCES = ["MKTAYIAKQR" * 7, "MSDKIIHLTD", "GGGLLLVVAA" * 2]


def test_perplexity_is_that_of_the_model_card(student: nn.Module, tokenizer: ProteinTokenizer):
    """exp of transformers' own loss over the whole text, one protein at a time."""
    for sequence, found in zip(SEQUENCES, likelihoods(student, tokenizer, SEQUENCES), strict=True):
        tokens = torch.from_numpy(tokenizer.encode([sequence])[0]).long()[None]
        with torch.no_grad():
            expected = math.exp(student(tokens, labels=tokens).loss)
        assert found.perplexity == pytest.approx(expected, rel=1e-5)
        assert found.num_tokens == tokens.shape[1] - 1


def test_line_breaks_are_left_out_per_residue(student: nn.Module, tokenizer: ProteinTokenizer):
    tokens = torch.from_numpy(tokenizer.encode(SEQUENCES[:1])[0]).long()
    with torch.no_grad():
        logs = student(tokens[None]).logits[0, :-1].double().log_softmax(-1)
    nats = -logs[torch.arange(len(tokens) - 1), tokens[1:]]
    expected = math.exp(float(nats[tokens[1:] != tokenizer.newline].sum()) / 70)
    assert likelihoods(student, tokenizer, SEQUENCES[:1])[0].perplexity_per_residue == pytest.approx(expected, rel=1e-5)


def test_only_what_has_a_position_is_scored(student: nn.Module, tokenizer: ProteinTokenizer):
    """The student has 128 positions."""
    found = likelihoods(student, tokenizer, ["MKTAYIAKQR" * 100])[0]
    assert found.num_tokens == 127
    assert 127 <= found.num_residues < 1000
