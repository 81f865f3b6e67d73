import math

import numpy as np
import pytest
import torch

from monosome.evaluate.rows import measures
from monosome.protein.metrics import METRICS, Scored, fit_floors, row, summary, warnings
from monosome.protein.packing import Label, PackedCorpus, Protein, write_corpus
from monosome.protein.tokens import ProteinTokenizer
from monosome.task import Row


@pytest.fixture(scope="module")
def train(natural: list[str], tokenizer: ProteinTokenizer, tmp_path_factory: pytest.TempPathFactory) -> PackedCorpus:
    folder = tmp_path_factory.mktemp("corpus") / "train"
    write_corpus(folder, [Protein(str(i), s) for i, s in enumerate(natural)], tokenizer, 128, packed=True)
    return PackedCorpus(folder, "hash")


def scored(tokenizer: ProteinTokenizer, sequence: str, nll: torch.Tensor | None = None) -> Scored:
    """A protein with some padding behind it; without nats the model is certain of everything but line breaks."""
    targets = torch.from_numpy(tokenizer.encode([sequence])[0][1:]).long()
    if nll is None:
        nll = (targets == tokenizer.newline).float()
    padded = torch.cat([targets, torch.zeros(3, dtype=torch.long)])
    nll = torch.cat([nll, torch.full((3,), 99.0)])
    mask = torch.arange(len(padded)) < len(targets)
    label = Label("p", "family", len(sequence))
    return Scored(label, sequence, padded, mask, {"nll": nll})


def test_the_unigram_floor_is_the_entropy_of_what_it_was_fitted_to(train: PackedCorpus, tokenizer: ProteinTokenizer):
    floors = fit_floors(train, tokenizer)
    assert np.exp(-floors.token_nll).sum() == pytest.approx(1)
    assert sum(math.exp(-nll) for nll in (floors.end_nll, *floors.residue_nll.values())) == pytest.approx(1)
    starts = np.zeros(len(train.tokens), dtype=bool)
    starts[train.pieces[:-1]] = True
    counts = np.bincount(train.tokens[~starts], minlength=tokenizer.vocab_size)
    assert floors.token_nll[tokenizer.newline] == pytest.approx(
        -math.log((counts[tokenizer.newline] + 1) / (counts.sum() + tokenizer.vocab_size))
    )


def test_a_row_leaves_out_padding_and_line_breaks(train: PackedCorpus, tokenizer: ProteinTokenizer):
    sequence = "MKTAYIAKQR" * 13
    found = row(scored(tokenizer, sequence), tokenizer, fit_floors(train, tokenizer))
    num_tokens = len(tokenizer.encode([sequence])[0]) - 1
    num_newlines = 4
    assert (found.id, found.group, found.length, found.weight) == ("p", "family", 130, num_tokens)
    assert found.values["loss"] == pytest.approx(num_newlines / num_tokens)
    assert found.values["nll_without_newlines"] == 0
    assert found.values["nll_per_residue"] == 0
    assert found.values["uniform_nll"] == pytest.approx(math.log(tokenizer.vocab_size))
    assert found.weight_of("nll_without_newlines") == num_tokens - num_newlines
    assert found.weight_of("nll_per_residue") == 130
    assert "teacher_nll" not in found.values


def test_a_model_that_is_the_unigram_stands_at_its_floor(train: PackedCorpus, tokenizer: ProteinTokenizer):
    floors = fit_floors(train, tokenizer)
    sequence = "MKTAYIAKQR" * 13
    targets = tokenizer.encode([sequence])[0][1:]
    unigram = torch.from_numpy(floors.token_nll[targets]).float()
    found = row(scored(tokenizer, sequence, unigram), tokenizer, floors).values
    assert found["loss"] == pytest.approx(found["unigram_nll"], rel=1e-6)
    assert found["nll_without_newlines"] == pytest.approx(
        found["unigram_nll_without_newlines"] - math.log1p(-floors.newline_share), rel=1e-6
    ), "the floor without line breaks spends no probability on them"


def test_perplexities_are_those_of_all_proteins_together():
    """Sums of nats over sums of tokens, or of residues: not means of means."""
    values = [
        {"loss": 2.0, "nll_per_residue": 1.0, "unigram_nll": 3.0},
        {"loss": 1.0, "nll_per_residue": 2.0, "unigram_nll": 3.0},
    ]
    rows = [
        Row(str(index), each, 10, weight=weight, weights={"nll_per_residue": 4 - weight})
        for index, (each, weight) in enumerate(zip(values, (1.0, 3.0), strict=True))
    ]
    found = summary(rows)
    assert found["perplexity"] == pytest.approx(math.exp((2 + 3 * 1) / 4))
    assert found["perplexity_per_residue"] == pytest.approx(math.exp((3 * 1 + 1 * 2) / 4))
    by_name = {measure.metric.name: measure for measure in measures(rows, METRICS)}
    assert by_name["perplexity"].interval.value == pytest.approx(found["perplexity"])
    assert by_name["perplexity_per_residue"].interval.value == pytest.approx(found["perplexity_per_residue"])
    assert by_name["perplexity"].beats_floor is True


def test_a_teacher_that_knows_nothing_is_named():
    def rows(teacher: float, solid_loss: float = 0.5) -> list[Row]:
        values = {"loss": 3.0, "unigram_nll": 5.0, "teacher_nll": teacher, "nll_gap": 3.0 - teacher}
        solid = {"unigram_nll_without_newlines": 5.5, "teacher_nll_without_newlines": teacher + solid_loss}
        return [Row("p", {**values, **solid}, 10)]

    assert not warnings(rows(4.9))
    assert "no better than the token unigram" in warnings(rows(5.0))[0]
    assert "without line breaks" in warnings(rows(4.9, solid_loss=0.6))[0], "knowing where lines end is not enough"
    assert not warnings([Row("p", {"loss": 3.0, "unigram_nll": 5.0}, 10)])
