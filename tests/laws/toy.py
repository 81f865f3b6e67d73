"""A task small enough to read: the next letter of periodic words of many lengths, by a tiny causal transformer.

It has all that the engine must cope with: padding, tied weights, a buffer, two loss terms, crops and dropout drawn
from the example's seed, and blocks.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from monosome.config import Config, DataConfig, LossConfig, OptimConfig, Place, Section, TrainConfig, build, override
from monosome.task import Batch, Examples, Loss, Metric, Row, Task

LETTERS = 12


class ToyDataConfig(DataConfig):
    path: Place = ""
    num_examples: int = 21
    longest: int = 40
    crop: int = 30


class ToyModelConfig(Section):
    width: int = 16
    num_blocks: int = 2
    dropout: float = 0.0


class ToyLossConfig(LossConfig):
    next_letter: float = 1.0
    calm: float = 1e-3

    def weights(self) -> Mapping[str, float]:
        return {"next_letter": self.next_letter, "calm": self.calm}


class ToyConfig(Config):
    domain: Literal["toy"] = "toy"
    data: ToyDataConfig = ToyDataConfig()
    model: ToyModelConfig = ToyModelConfig()
    loss: ToyLossConfig = ToyLossConfig()
    optim: OptimConfig = OptimConfig(learning_rate=1e-2, warmup_steps=3)
    train: TrainConfig = TrainConfig(steps=12, batch_size=8, ema_decay=0.9)


@dataclass(frozen=True)
class Word:
    id: str
    letters: tuple[int, ...]


@dataclass(frozen=True)
class Words:
    words: tuple[Word, ...]

    @property
    def content_hash(self) -> str:
        return hashlib.sha256(repr(self.words).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, index: int, /) -> Word:
        return self.words[index]


@dataclass(frozen=True)
class WordBatch(Batch):
    letters: Int[Tensor, "b n"]
    mask: Bool[Tensor, "b n"]


class Block(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width, 3 * width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        query, key, value = self.mix(self.norm(x)).chunk(3, dim=-1)
        x = x + functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        hidden: Tensor = self.narrow(functional.gelu(self.widen(x)))
        return x + self.dropout(hidden)


class ToyModel(nn.Module):
    def __init__(self, config: ToyModelConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(LETTERS, config.width)
        self.blocks = nn.ModuleList(Block(config.width, config.dropout) for _ in range(config.num_blocks))
        self.head = nn.Linear(config.width, LETTERS, bias=False)
        self.head.weight = self.embedding.weight
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, letters: Int[Tensor, "b n"]) -> Float[Tensor, "b n v"]:
        if self.training:
            self.calls += 1
        x = self.embedding(letters)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(x)
        return logits


class ToyTask(Task[Word, WordBatch, Tensor]):
    config_type = ToyConfig
    metrics = (Metric("loss", "loss", "Loss", "nats"),)

    def model(self) -> nn.Module:
        torch.manual_seed(self.config.seed)
        return ToyModel(self.config.model)

    def examples(self, split: str) -> Examples[Word]:
        num, data = (self.config.data.num_examples, self.config.data) if split == "train" else (5, self.config.data)
        generator = torch.Generator().manual_seed(len(split))
        lengths = torch.randint(4, data.longest, (num,), generator=generator).tolist()
        periods = torch.randint(2, LETTERS, (num,), generator=generator).tolist()
        words = (
            tuple((place * 5) % period for place in range(length))
            for length, period in zip(lengths, periods, strict=True)
        )
        return Words(tuple(Word(f"{split}_{number}", word) for number, word in enumerate(words)))

    def length(self, example: Word) -> int:
        return len(example.letters)

    def collate(self, examples: Sequence[Word], seeds: Sequence[int] | None = None) -> WordBatch:
        drawn = seeds or [None] * len(examples)
        crops = [self._crop(word.letters, seed) for word, seed in zip(examples, drawn, strict=True)]
        longest = max(map(len, crops))
        letters = torch.tensor([[*crop, *[0] * (longest - len(crop))] for crop in crops])
        return WordBatch(letters, torch.tensor([[place < len(crop) for place in range(longest)] for crop in crops]))

    def _crop(self, letters: tuple[int, ...], seed: int | None) -> tuple[int, ...]:
        start = 0 if seed is None else seed % max(1, len(letters) - self.config.data.crop + 1)
        return letters[start : start + self.config.data.crop]

    def forward(self, model: nn.Module, batch: WordBatch) -> Float[Tensor, "b n v"]:
        logits: Tensor = model(batch.letters)
        return logits

    def loss(self, outputs: Float[Tensor, "b n v"], batch: WordBatch) -> Loss:
        known = batch.mask[:, 1:]
        logits = outputs[:, :-1].float()
        surprise = functional.cross_entropy(logits.flatten(0, 1), batch.letters[:, 1:].flatten(), reduction="none")
        calm = logits.logsumexp(-1) ** 2
        sums = {"next_letter": (surprise * known.flatten()).sum(), "calm": (calm * known).sum()}
        return Loss(sums, known.sum())

    def evaluate(self, model: nn.Module, examples: Examples[Word]) -> list[Row]:
        rows = []
        device = next(model.parameters()).device
        with torch.no_grad():
            for index in range(len(examples)):
                batch = self.collate([examples[index]]).to(device)
                loss = self.loss(self.forward(model, batch), batch)
                value = float(loss.weighted(self.config.loss.weights()) / loss.count)
                length = self.length(examples[index])
                rows.append(Row(examples[index].id, {"loss": value}, length, weight=float(loss.count)))
        return rows

    def dummy(self, length: int) -> Word:
        return Word("dummy", tuple(place % LETTERS for place in range(length)))

    def blocks(self, model: nn.Module) -> list[nn.Module]:
        assert isinstance(model, ToyModel)
        return list(model.blocks)


def toy_task(*assignments: str) -> ToyTask:
    return ToyTask(build(ToyConfig, override({"domain": "toy"}, assignments)))
