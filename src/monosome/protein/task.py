"""Distillation as the engine sees it: packed proteins, a GPT-2 student, a frozen teacher."""

import hashlib
import sys
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Int16, Int64
from torch import Tensor, nn

from monosome.config import fill_auto
from monosome.errors import CheckpointError, ConfigError
from monosome.fit.shapes import shapes_are_enough
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset
from monosome.protein.corpus import ProteinSource, corpus, trained_tokenizer
from monosome.protein.evaluation import Judge
from monosome.protein.export import export
from monosome.protein.inheritance import NUM_BLOCKS, inherit
from monosome.protein.metrics import METRICS, Floors, fit_floors, warnings
from monosome.protein.objectives import Teacher, distillation_sums
from monosome.protein.packing import Block, PackedCorpus
from monosome.protein.pretrained import content_hash, language_model_shapes, load_language_model, locate, vocab_size
from monosome.protein.recipe import ProteinConfig
from monosome.protein.sampling import SamplingSettings, sample
from monosome.protein.student import States, build_student, run_packed
from monosome.protein.teacher_cache import Kind, TaughtBlock, TaughtCorpus, TeacherCache
from monosome.protein.tokens import ProteinTokenizer, has_tokenizer, load_tokenizer, require_same_entries
from monosome.task import Batch, Examples, Loss, Metric, Row, Task
from monosome.train.precision import autocast, process_settings


@dataclass(frozen=True)
class ProteinBatch(Batch):
    """Blocks padded to the longest: `segments` numbers each block's proteins from 1, 0 is padding; `positions` counts
    the tokens of each from 0; `taught` is what a cache holds of the teacher after each token but the last."""

    tokens: Int64[Tensor, "b t"]
    segments: Int64[Tensor, "b t"]
    positions: Int64[Tensor, "b t"]
    taught: Int16[Tensor, "b t-1 _"] | None = None


@dataclass(frozen=True)
class Distilled:
    """Hidden states of the student and, where there is one, what the teacher says."""

    student: States
    teacher: Teacher | None


@dataclass(frozen=True)
class Known:
    """What a cache needs of a teacher: which it is, and its head."""

    content_hash: str
    head: nn.Linear


class DistillationTask(Task[Block, ProteinBatch, Distilled]):
    """A protein language model learned from FASTA, with or without a teacher."""

    config_type: ClassVar[type[ProteinConfig]] = ProteinConfig
    metrics: ClassVar[Sequence[Metric]] = METRICS

    def __init__(self, config: ProteinConfig) -> None:
        super().__init__(config)
        self._corpora: dict[str, PackedCorpus] = {}
        if not config.loss.teacher and config.loss != type(config.loss)():
            print("note: without loss.teacher, loss.temperature and loss.alpha change nothing", file=sys.stderr)

    @cached_property
    def source(self) -> ProteinSource:
        """The proteins."""
        return ProteinSource(self.config.data)

    @cached_property
    def tokenizer(self) -> ProteinTokenizer:
        """The recipe's tokenizer, else the teacher's, else one trained on the training proteins."""
        teacher, own = self.config.loss.teacher, self.config.data.tokenizer
        if own or not teacher:
            return load_tokenizer(own) if own else trained_tokenizer(self.source)
        return load_tokenizer(locate(teacher))

    @property
    def teacher(self) -> nn.Module | None:
        """The teacher on the recipe's device, whatever a cache holds of it: what a student is judged beside."""
        if self._teacher is not None and not shapes_are_enough():
            self._teacher.to(detect(self.config.execution.device).torch_device)
        return self._teacher

    @property
    def _teacher(self) -> nn.Module | None:
        """The teacher; its architecture alone while a step is traced."""
        return self._traced_teacher if shapes_are_enough() else self._loaded_teacher

    @cached_property
    def _loaded_teacher(self) -> nn.Module | None:
        return self._checked_teacher(load_language_model)

    @cached_property
    def _traced_teacher(self) -> nn.Module | None:
        return self._checked_teacher(language_model_shapes)

    def _checked_teacher(self, load: Callable[[str], nn.Module]) -> nn.Module | None:
        place = self.config.loss.teacher
        if not place:
            return None
        found = locate(place)
        if has_tokenizer(found):
            require_same_entries(load_tokenizer(found), self.tokenizer)
        model = load(place).requires_grad_(False)
        if vocab_size(model) != self.tokenizer.vocab_size:
            raise CheckpointError(
                f"the teacher {place} scores {vocab_size(model)} tokens, the tokenizer {self.tokenizer.name} has "
                f"{self.tokenizer.vocab_size}",
                "give the tokenizer that the teacher was trained with: data.tokenizer=FOLDER",
            )
        longest = getattr(model.config, "max_position_embeddings", self.config.data.block_length)
        if longest < self.config.data.block_length:
            raise ConfigError(
                f"the teacher {place} sees {longest} tokens, data.block_length is {self.config.data.block_length}",
                f"data.block_length={longest}",
            )
        return model

    @property
    def _kind(self) -> Kind | None:
        """What a cache keeps of the teacher; None where the teacher itself is asked at every step."""
        loss = self.config.loss
        if not loss.teacher or (loss.teacher_logits == "full" and not self.config.execution.cache_teacher):
            return None
        return Kind(loss.teacher_logits, 0 if loss.teacher_logits == "full" else loss.num_logits)

    def frozen(self) -> nn.Module | None:
        """The teacher; with a cache, its head where logits are made of hidden states, else nothing."""
        if self._kind is None:
            return self._teacher
        return self._head if self._kind.name == "full" else None

    @property
    def _head(self) -> nn.Linear:
        return self._traced_head if shapes_are_enough() else self._known.head

    @cached_property
    def _traced_head(self) -> nn.Linear:
        return self._traced_teacher.get_output_embeddings()  # type: ignore[union-attr,operator]

    @cached_property
    def _known(self) -> "Known":
        """Hash and head of the teacher, which is let go of again where a cache speaks for it."""
        teacher = self._loaded_teacher
        assert teacher is not None
        known = Known(content_hash(teacher), teacher.get_output_embeddings())  # type: ignore[operator]
        self._let_go()
        return known

    def _let_go(self) -> None:
        if self._kind is not None:
            vars(self).pop("_loaded_teacher", None)

    @cached_property
    def cache(self) -> TeacherCache:
        """What the teacher says of the training blocks, computed where it is not on disk yet."""
        kind = self._kind
        assert kind is not None
        device = detect(self.config.execution.device)
        config = fill_auto(self.config, preset(device).values())
        words, precision = kind.num_words(self._known.head), config.numerics.precision
        found = TeacherCache(self._packed("train"), self._known.content_hash, kind, words, precision)
        with process_settings(config.execution, config.numerics), autocast(device, config.numerics):
            found.fill(lambda: self.teacher, self.collate)  # type: ignore[arg-type,return-value]
        self._let_go()
        return found

    def model(self) -> nn.Module:
        """The student, with weights drawn from the seed."""
        return build_student(self.config.model, self.tokenizer.vocab_size, self.config.seed, end=self.tokenizer.end)

    def begin(self, model: nn.Module) -> None:
        """The teacher's weights, reduced, where the recipe begins with them (see `inherit`); a cache is opened here."""
        if self.config.model.initial == "teacher" and self.teacher is not None:
            packed = self._packed("train")
            batches = [self.collate([packed[i * len(packed) // NUM_BLOCKS]]) for i in range(NUM_BLOCKS)]
            inherit(model, self.teacher, [(batch.tokens, batch.segments, batch.positions) for batch in batches])
        if self._kind is not None and not shapes_are_enough():
            _ = self.cache

    def examples(self, split: str) -> Examples[Block]:
        """Packed blocks of "train"; of "valid" one protein each. The hash covers proteins, tokenizer and teacher."""
        found = self._packed(split)
        if split != "train" or not self.config.loss.teacher or shapes_are_enough():
            return found
        content = hashlib.sha256((found.content_hash + self._known.content_hash).encode()).hexdigest()
        if self._kind is not None:
            return TaughtCorpus(found, content, lambda: self.cache)
        taught = copy(found)
        taught.content_hash = content
        return taught

    def _packed(self, split: str) -> PackedCorpus:
        if split not in self._corpora:
            samples = self._samples() if split == "train" else []
            self._corpora[split] = corpus(self.source, split, self.tokenizer, samples)
        return self._corpora[split]

    def lengths(self, examples: Examples[Block]) -> list[int]:
        """Tokens of each block, whatever a cache holds of them."""
        if isinstance(examples, TaughtCorpus):
            examples = self._packed("train")
        return super().lengths(examples)

    def _samples(self) -> list[str]:
        num = self.config.data.num_samples
        if num and shapes_are_enough():
            raise ConfigError("the teacher's samples are not drawn for a plan", "plan with data.num_samples=0")
        teacher = self.teacher if num else None
        if teacher is None:
            return []
        settings = SamplingSettings(max_length=self.config.data.block_length, seed=self.config.seed)
        drawn = sample(teacher, self.tokenizer, num, settings)
        valid = [one.sequence for one in drawn if one.is_valid]
        print(f"note: {len(valid)} of {num} proteins sampled from the teacher are whole and valid", file=sys.stderr)
        return valid

    def length(self, example: Block) -> int:
        """Tokens of a block."""
        return len(example.tokens)

    def collate(self, examples: Sequence[Block], seeds: Sequence[int] | None = None) -> ProteinBatch:
        """The blocks padded to the longest; nothing is random."""
        shape = len(examples), max(len(example.tokens) for example in examples)
        tokens, segments, positions = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        for index, example in enumerate(examples):
            inside = slice(0, len(example.tokens))
            tokens[index, inside] = example.tokens
            segments[index, inside] = example.segments
            starts = np.flatnonzero(np.diff(example.segments, prepend=0))
            positions[index, inside] = np.arange(len(example.tokens)) - starts[example.segments - 1]
        tensors = [torch.from_numpy(each) for each in (tokens, segments, positions)]
        taught = [each.taught for each in examples if isinstance(each, TaughtBlock)]
        return ProteinBatch(tensors[0], tensors[1], tensors[2], _padded(taught, shape[1] - 1))

    def forward(self, model: nn.Module, batch: ProteinBatch) -> Distilled:
        """Hidden states of student and teacher; logits are made of them in the loss, piece by piece."""
        teacher: Teacher | None = None
        if batch.taught is not None and self._kind is not None:
            teacher = self._kind.told(batch.taught, self._head if self._kind.name == "full" else None)
        elif self._teacher is not None:
            with torch.no_grad():
                teacher = run_packed(self._teacher, batch.tokens, batch.segments, batch.positions)
        return Distilled(run_packed(model, batch.tokens, batch.segments, batch.positions), teacher)

    def loss(self, outputs: Distilled, batch: ProteinBatch) -> Loss:
        """Cross-entropy ("hard") and KL at T ("soft"), summed over predicted tokens."""
        return Loss(
            *distillation_sums(outputs.student, outputs.teacher, batch.tokens, batch.segments, self.config.loss)
        )

    @cached_property
    def floors(self) -> Floors:
        """Unigrams of the training proteins."""
        return fit_floors(self._packed("train"), self.tokenizer)

    def evaluate(self, model: nn.Module, examples: Examples[Block]) -> list[Row]:
        """One row per protein, in order; a protein longer than a block is scored in pieces, each on its own.

        A teacher no better than the unigram floor is named on stderr.
        """
        rows = Judge(self.tokenizer, self.floors, self.teacher, self.collate).rows(model, examples)
        self._let_go()
        for warning in warnings(rows):
            print(f"warning: {warning}", file=sys.stderr)
        return rows

    def dummy(self, length: int) -> Block:
        """A made-up protein of that many tokens."""
        tokens = np.random.default_rng(length).integers(1, self.tokenizer.vocab_size, length, dtype=np.int32)
        segments = np.ones(length, dtype=np.int32)
        if self._kind is None:
            return Block(tokens, segments)
        return TaughtBlock(tokens, segments, None, np.zeros((length - 1, self._kind.num_words(self._head)), np.uint16))

    def blocks(self, model: Any) -> list[nn.Module]:
        """The transformer blocks."""
        return list(model.transformer.h)

    def export(self, model: nn.Module, folder: str) -> None:
        """Write model, tokenizer, hyperparameters and card as transformers' from_pretrained loads them."""
        export(model, self.tokenizer, self.config, Path(folder))


def _padded(taught: Sequence[np.ndarray | None], width: int) -> Tensor | None:
    """What the cache holds of each block, padded with zeros; None where it holds nothing."""
    rows = [each for each in taught if each is not None]
    if not rows:
        return None
    words = np.zeros((len(rows), width, rows[0].shape[1]), dtype=np.uint16)
    for index, each in enumerate(rows):
        words[index, : len(each)] = each
    return torch.from_numpy(words.view(np.int16))
