"""How likely proteins are to a language model, and whether that tells how fit their variants are."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from monosome.protein.objectives import predicted
from monosome.protein.scoring import token_figures
from monosome.protein.student import run_packed
from monosome.protein.tokens import ProteinTokenizer

BATCH_TOKENS = 8192
"""Tokens scored at once, padding included."""


@dataclass(frozen=True)
class Likelihood:
    """Nats of a protein's text but its first token: of all `num_tokens`, and of those that are no line break.

    The end token counts to both, as in the figures of held-out proteins. `num_residues` are those that were scored:
    fewer than the protein has where it is longer than the model's positions.
    """

    nats: float
    residue_nats: float
    num_tokens: int
    num_residues: int

    @property
    def log_likelihood(self) -> float:
        """Natural logarithm of the probability of the protein's text."""
        return -self.nats

    @property
    def perplexity(self) -> float:
        """exp of the mean nats per token, as ProtGPT2's card has it."""
        return math.exp(self.nats / self.num_tokens)

    @property
    def perplexity_per_residue(self) -> float | None:
        """exp of the nats that are no line break's per residue; None where there is no residue."""
        return math.exp(self.residue_nats / self.num_residues) if self.num_residues else None


def likelihoods(model: nn.Module, tokenizer: ProteinTokenizer, sequences: Sequence[str]) -> list[Likelihood]:
    """The likelihood of each protein in the training text's format, in order.

    What lies beyond the model's positions is left out. Proteins of like length are scored together.
    """
    limit = getattr(model.config, "max_position_embeddings", None)
    texts = [torch.from_numpy(tokens[:limit]).long() for tokens in tokenizer.encode(sequences)]
    sizes = torch.from_numpy(tokenizer.residue_counts)
    found: dict[int, Likelihood] = {}
    for part in _batches([len(text) for text in texts]):
        every = _nats(model, [texts[index] for index in part])
        for index, nats in zip(part, every, strict=True):
            text = texts[index]
            solid = nats[text[1:] != tokenizer.newline]
            residues = min(int(sizes[text].sum()), len(sequences[index]))
            found[index] = Likelihood(float(nats.sum()), float(solid.sum()), len(nats), residues)
    return [found[index] for index in range(len(texts))]


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices by ascending length, cut so that a padded batch has at most `BATCH_TOKENS` tokens."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if batch and (len(batch) + 1) * lengths[index] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


@torch.no_grad()
def _nats(model: Any, texts: Sequence[Int64[Tensor, "_"]]) -> list[Float[Tensor, "_"]]:
    """Nats of every token but the first of each text, in double precision on the CPU."""
    device = next(model.parameters()).device
    tokens = nn.utils.rnn.pad_sequence(list(texts), batch_first=True).to(device)
    lengths = torch.tensor([len(text) for text in texts], device=device)
    positions = torch.arange(tokens.shape[1], device=device).expand_as(tokens)
    segments = (positions < lengths[:, None]).long()
    nats = token_figures(run_packed(model, tokens, segments, positions), None, tokens)["nll"]
    mask = predicted(segments)
    return [row[inside].double().cpu() for row, inside in zip(nats.view_as(mask), mask, strict=True)]
