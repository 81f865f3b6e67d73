"""Proteins sampled from a language model, in ProtGPT2's format, and what the model thinks of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

from monosome.errors import DataError
from monosome.protein.drawing import Choice, Drawing, Drawn, Effort, Form
from monosome.protein.likelihood import Likelihood, likelihoods
from monosome.protein.tokens import AMINO_ACIDS, END, LINE_LENGTH, ProteinTokenizer, parse_protein

BATCH = 64
"""Proteins sampled at once where nothing else is said; what is drawn does not depend on it."""


@dataclass(frozen=True)
class SamplingSettings:
    """How tokens are drawn; the defaults are those of ProtGPT2's model card."""

    max_length: int = 256
    """Longest text in tokens, format included; a protein that reaches it is truncated."""
    temperature: float = 1.0
    top_k: int = 950
    repetition_penalty: float = 1.2
    seed: int = 0
    residues: tuple[int, int] | None = None
    """Fewest and most residues: none ends before the fewest, and one that passes the most is given up there."""
    prefix: str = ""
    """How every protein begins."""


@dataclass(frozen=True)
class Sample:
    """A sampled protein; `is_truncated` when the end token never came, perplexities as `Likelihood` has them."""

    sequence: str
    is_truncated: bool
    perplexity: float | None
    perplexity_per_residue: float | None = None
    index: int = 0
    is_in_range: bool = True

    @property
    def is_valid(self) -> bool:
        """Whether it is a whole protein of the 20 amino acids, of a length that was asked for."""
        return not self.fault

    @property
    def fault(self) -> str:
        """What is wrong with it, in a word; empty where nothing is."""
        if not self.sequence:
            return "empty"
        if not self.is_in_range:
            return "out_of_range"
        if self.is_truncated:
            return "truncated"
        return "invalid" if self.sequence.strip(AMINO_ACIDS) else ""


def sample(model: nn.Module, tokenizer: ProteinTokenizer, num: int, settings: SamplingSettings) -> list[Sample]:
    """`num` proteins drawn from the model in order; each depends on the seed and its number alone.

    On a CPU in fp32 they are the same however many are drawn at once.
    """
    return sorted(Sampler(model, tokenizer, settings).samples(range(num)), key=lambda one: one.index)


@dataclass
class Sampler:
    """Draws proteins by their numbers, `batch` at once; `effort` adds up what was computed for it."""

    model: Any
    tokenizer: ProteinTokenizer
    settings: SamplingSettings
    batch: int = BATCH
    effort: Effort = field(default_factory=Effort)

    def samples(self, indices: Sequence[int]) -> Iterator[Sample]:
        """The proteins of these numbers as they end, scored a batch at a time.

        Raises DataError where prefix and lengths leave no room.
        """
        settings = self.settings
        choice = Choice(settings.temperature, settings.top_k, settings.repetition_penalty, settings.seed)
        positions = getattr(self.model.config, "max_position_embeddings", None)
        form = text_form(self.tokenizer, settings, positions)
        ended: list[Drawn] = []
        for drawn in Drawing(self.model, form, choice, self.batch, self.effort).draw(indices):
            ended.append(drawn)
            if len(ended) == self.batch:
                yield from self._scored(ended)
                ended = []
        yield from self._scored(ended)

    def _scored(self, ended: Sequence[Drawn]) -> Iterator[Sample]:
        """Nats of the draw are those of the protein where its text is tokenised as it was drawn; others are scored."""
        tokenizer = self.tokenizer
        sequences = [tokenizer.decode(drawn.tokens) for drawn in ended]
        found: dict[int, Likelihood] = {}
        for place, text in enumerate(tokenizer.encode(sequences)):
            if sequences[place] and text.tolist() == list(ended[place].tokens):
                found[place] = _likelihood(ended[place], tokenizer, len(sequences[place]))
        others = [place for place, sequence in enumerate(sequences) if sequence and place not in found]
        scored = likelihoods(self.model, tokenizer, [sequences[place] for place in others]) if others else []
        found |= dict(zip(others, scored, strict=True))
        for place, (drawn, sequence) in enumerate(zip(ended, sequences, strict=True)):
            yield self._sample(drawn, sequence, found.get(place))

    def _sample(self, drawn: Drawn, sequence: str, likelihood: Likelihood | None) -> Sample:
        least, most = self.settings.residues or (0, len(sequence))
        return Sample(
            sequence,
            is_truncated=drawn.tokens.count(self.tokenizer.end) < 2,
            perplexity=likelihood.perplexity if likelihood else None,
            perplexity_per_residue=likelihood.perplexity_per_residue if likelihood else None,
            index=drawn.index,
            is_in_range=least <= len(sequence) <= most,
        )


def _likelihood(drawn: Drawn, tokenizer: ProteinTokenizer, num_residues: int) -> Likelihood:
    solid = np.array(drawn.tokens[1:]) != tokenizer.newline
    return Likelihood(float(drawn.nats.sum()), float(drawn.nats[solid].sum()), len(drawn.nats), num_residues)


def text_form(tokenizer: ProteinTokenizer, settings: SamplingSettings, positions: int | None) -> Form:
    """The text of a protein as the settings want it, for a model of that many positions.

    The last token of the prefix is drawn again among those that begin with its letters: its residues may be the
    beginning of a longer token.
    """
    least, most = settings.residues or (0, 0)
    longest = settings.max_length if not most else most + most // LINE_LENGTH + 4
    longest = min(longest, positions or longest)
    prompt, first = [tokenizer.end, tokenizer.newline], list[int]()
    if settings.prefix:
        prefix = parse_protein(settings.prefix, "the prefix")
        prompt = tokenizer.encode([prefix])[0].tolist()
        prompt = prompt[:-2]  # a line break and the end token
        if len(prefix) % LINE_LENGTH:
            begun = str(tokenizer.backend.id_to_token(prompt.pop()))
            first = [token for entry, token in tokenizer.entries.items() if entry.startswith(begun) and entry != END]
        if most and len(prefix) >= most:
            raise DataError(
                f"the prefix has {len(prefix)} residues, and at most {most} are asked for", "raise --residues"
            )
    if longest <= len(prompt):
        raise DataError(
            f"the prefix takes {len(prompt)} tokens, and the longest text has {longest}", "raise --max-length"
        )
    sizes = tokenizer.residue_counts
    return Form(prompt, tokenizer.end, tokenizer.newline, sizes, longest, first, least, most, LINE_LENGTH)
