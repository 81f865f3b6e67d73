"""Proteins sampled from a language model, in ProtGPT2's format, and what the model thinks of each."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from monosome.protein.objectives import predicted
from monosome.protein.pretrained import quiet
from monosome.protein.scoring import token_figures
from monosome.protein.student import run_packed
from monosome.protein.tokens import AMINO_ACIDS, ProteinTokenizer

BATCH = 32
"""Proteins sampled or scored at once; fixed, because the draw depends on it."""


@dataclass(frozen=True)
class SamplingSettings:
    """How tokens are drawn; the defaults are those of ProtGPT2's model card."""

    max_length: int = 256
    """Longest text in tokens, format included; a protein that reaches it is truncated."""
    temperature: float = 1.0
    top_k: int = 950
    repetition_penalty: float = 1.2
    seed: int = 0


@dataclass(frozen=True)
class Sample:
    """A sampled protein; `is_truncated` when the end token never came, `perplexity` per token as the card has it."""

    sequence: str
    is_truncated: bool
    perplexity: float | None

    @property
    def is_valid(self) -> bool:
        """Whether it is a whole protein of the 20 amino acids."""
        return bool(self.sequence) and not self.is_truncated and not self.sequence.strip(AMINO_ACIDS)


def sample(model: nn.Module, tokenizer: ProteinTokenizer, num: int, settings: SamplingSettings) -> list[Sample]:
    """`num` proteins drawn from the model; the same seed on the same machine gives the same ones.

    The prompt is the end token and a line break, which is how every protein begins in the training text.
    """
    texts = [text for batch in _draw(model, tokenizer, num, settings) for text in batch]
    sequences = [tokenizer.decode(text) for text in texts]
    perplexities = own_perplexity(model, tokenizer, sequences)
    return [
        Sample(sequence, is_truncated=text.count(tokenizer.end) < 2, perplexity=perplexity)
        for sequence, text, perplexity in zip(sequences, texts, perplexities, strict=True)
    ]


def _draw(model: Any, tokenizer: ProteinTokenizer, num: int, settings: SamplingSettings) -> Iterator[list[list[int]]]:
    from transformers import GenerationConfig

    device = next(model.parameters()).device
    longest = min(settings.max_length, getattr(model.config, "max_position_embeddings", settings.max_length))
    generation = GenerationConfig(
        do_sample=True,
        max_length=longest,
        temperature=settings.temperature,
        top_k=settings.top_k,
        repetition_penalty=settings.repetition_penalty,
        eos_token_id=tokenizer.end,
        bos_token_id=tokenizer.end,
        pad_token_id=tokenizer.end,
    )
    prompt = torch.tensor([[tokenizer.end, tokenizer.newline]], device=device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad(), quiet():
        torch.manual_seed(settings.seed)
        for start in range(0, num, BATCH):
            tokens = prompt.expand(min(BATCH, num - start), -1)
            yield model.generate(tokens, attention_mask=torch.ones_like(tokens), generation_config=generation).tolist()


def own_perplexity(model: nn.Module, tokenizer: ProteinTokenizer, sequences: Sequence[str]) -> list[float | None]:
    """Perplexity per token of each protein in the training text's format; None for an empty one.

    As ProtGPT2's card computes it: line breaks and the end token count. What lies beyond the model's positions is left
    out.
    """
    device = next(model.parameters()).device
    limit = getattr(model.config, "max_position_embeddings", None)
    encoded = [torch.from_numpy(tokens[:limit]).long() for tokens in tokenizer.encode(sequences)]
    found: list[float | None] = [None] * len(sequences)
    order = [i for i in sorted(range(len(encoded)), key=lambda i: len(encoded[i])) if sequences[i]]
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        for index, value in zip(part, _perplexities(model, [encoded[i] for i in part], device), strict=True):
            found[index] = value
    return found


def _perplexities(model: nn.Module, texts: Sequence[Int64[Tensor, "_"]], device: torch.device) -> list[float]:
    tokens = nn.utils.rnn.pad_sequence(list(texts), batch_first=True).to(device)
    lengths = torch.tensor([len(text) for text in texts], device=device)
    positions = torch.arange(tokens.shape[1], device=device).expand_as(tokens)
    segments = (positions < lengths[:, None]).long()
    with torch.no_grad():
        nll = token_figures(run_packed(model, tokens, segments, positions), None, tokens)["nll"]
    mask = predicted(segments)
    means = (nll.view_as(mask) * mask).sum(1) / mask.sum(1)
    return [math.exp(value) for value in means.tolist()]
