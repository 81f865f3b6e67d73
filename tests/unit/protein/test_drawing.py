import numpy as np
import pytest
import torch
from torch import nn

from monosome.protein.drawing import Choice, Drawing, Drawn, Form, likeliest
from monosome.protein.sampling import SamplingSettings, text_form
from monosome.protein.tokens import ProteinTokenizer


def form(tokenizer: ProteinTokenizer, longest: int = 40, **settings: object) -> Form:
    return text_form(tokenizer, SamplingSettings(max_length=longest, **settings), 128)


def drawn(model: nn.Module, asked: Form, num: int, batch: int, **choice: float) -> list[Drawn]:
    found = Drawing(model, asked, Choice(**choice), batch).draw(range(num))
    return sorted(found, key=lambda one: one.index)


@pytest.mark.parametrize("batch", [1, 3, 8, 13, 64])
def test_a_text_is_the_same_in_any_company(student: nn.Module, tokenizer: ProteinTokenizer, batch: int):
    alone = drawn(student, form(tokenizer), 40, 40)
    others = drawn(student, form(tokenizer), 40, batch)
    assert [one.tokens for one in others] == [one.tokens for one in alone]
    assert all(np.array_equal(one.nats, two.nats) for one, two in zip(others, alone, strict=True))


def test_nats_are_those_of_transformers(student: nn.Module, tokenizer: ProteinTokenizer):
    for one in drawn(student, form(tokenizer), 12, 8, temperature=0.7):
        tokens = torch.tensor(one.tokens)
        with torch.no_grad():
            logs = student(tokens[None]).logits[0].log_softmax(-1)
        expected = -logs[torch.arange(len(tokens) - 1), tokens[1:]]
        assert np.allclose(one.nats, expected.numpy(), atol=1e-5)


def test_the_likeliest_token_is_that_of_greedy_search(student: nn.Module, tokenizer: ProteinTokenizer):
    """With one token to choose from nothing is left to chance; the penalty is transformers' own."""
    prompt = torch.tensor([[tokenizer.end, tokenizer.newline]])
    expected = student.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=False,
        repetition_penalty=1.3,
        max_length=40,
        eos_token_id=tokenizer.end,
        pad_token_id=tokenizer.end,
    )[0]
    for one in drawn(student, form(tokenizer), 3, 8, top_k=1, repetition_penalty=1.3):
        assert one.tokens == expected.tolist()


def test_frequencies_are_the_probabilities(student: nn.Module, tokenizer: ProteinTokenizer):
    """First tokens of 4,000 texts against the model's own distribution at T = 0.5 over its 20 likeliest tokens."""
    first = [
        one.tokens[2]
        for one in drawn(student, form(tokenizer, 3), 4000, 500, top_k=20, temperature=0.5, repetition_penalty=1.0)
    ]
    with torch.no_grad():
        logits = student(torch.tensor([[tokenizer.end, tokenizer.newline]])).logits[0, -1]
    top = logits.topk(20)
    shares = (top.values / 0.5).softmax(0)
    found = torch.tensor([first.count(token) / 4000 for token in top.indices.tolist()])
    assert found.sum() == pytest.approx(1)
    assert ((found - shares).abs() < 4.5 * (shares * (1 - shares) / 4000).sqrt()).all()


def test_ties_with_the_lowest_are_taken():
    tokens, weights = likeliest(torch.tensor([[0.0, 3.0, 1.0, 1.0], [4.0, 3.0, 2.0, 1.0]]), 2)
    assert tokens.tolist() == [[1, 2, 3], [0, 1, 0]]
    assert weights[1].tolist() == pytest.approx([1.0, np.exp(-1.0), 0.0])
    assert likeliest(torch.tensor([[0.0, 1.0]]), 0)[0].tolist() == [[0, 1]]


def test_none_ends_before_the_fewest_residues(student: nn.Module, tokenizer: ProteinTokenizer):
    asked = form(tokenizer, residues=(30, 50))
    for one in drawn(student, asked, 20, 8, repetition_penalty=1.0):
        residues = int(tokenizer.residue_counts[one.tokens].sum())
        assert residues >= 30
        assert one.tokens.count(tokenizer.end) == 2 or residues > 50


def test_rows_and_keys_are_counted(student: nn.Module, tokenizer: ProteinTokenizer):
    drawing = Drawing(student, form(tokenizer, 33), Choice(), 8)
    lengths = [len(one.tokens) for one in drawing.draw(range(20))]
    assert drawing.effort.num_rows_used == sum(lengths) - 2 * 20
    assert drawing.effort.num_rows >= drawing.effort.num_rows_used
    assert drawing.effort.num_keys_used == sum(sum(range(2, length)) for length in lengths)
    assert 0 <= drawing.effort.key_waste < 1
