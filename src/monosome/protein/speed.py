"""How fast models score and write proteins, and how much memory they take: teacher and students at equal batch."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from monosome.fit.allocations import cpu_allocations
from monosome.hardware.counters import peak_memory_bytes, reset_peak_memory, synchronize
from monosome.protein.pretrained import quiet
from monosome.protein.student import run_packed
from monosome.protein.tokens import ProteinTokenizer

NUM_REPEATS = 3
"""Timings of each figure, of which the median counts; models take turns, so that a busy machine slows all of them."""


@dataclass(frozen=True)
class Load:
    """What every model is given: proteins at once, and tokens of each, format included."""

    batch: int = 8
    length: int = 128


@dataclass(frozen=True)
class Speed:
    """What one model does with a load.

    `scored_tokens_per_minute` reads whole proteins, `sequences_per_minute` and `tokens_per_minute` write them,
    `latency_seconds` is that of one protein written alone. Memory in bytes: of the weights, and the most held while
    writing the batch, weights included.
    """

    parameters: int
    scored_tokens_per_minute: float
    tokens_per_minute: float
    sequences_per_minute: float
    latency_seconds: float
    weight_bytes: int
    peak_bytes: int


@torch.no_grad()
def measure_speeds(models: Mapping[str, nn.Module], tokenizer: ProteinTokenizer, load: Load) -> dict[str, Speed]:
    """The speed of each model on its device, all given the same load; each is run once before the clock starts."""
    works = {
        name: (
            lambda model=model: _score(model, tokenizer, load),
            lambda model=model: write(model, tokenizer, load.batch, load.length),
            lambda model=model: write(model, tokenizer, 1, load.length),
        )
        for name, model in models.items()
    }
    peaks = {name: peak_while(models[name], work[1]) for name, work in works.items()}
    seconds: dict[str, list[tuple[float, ...]]] = {name: [] for name in models}
    for _ in range(NUM_REPEATS):
        for name, work in works.items():
            seconds[name].append(tuple(_timed(models[name], each) for each in work))
    return {
        name: _speed(models[name], load, [median(each) for each in zip(*seconds[name], strict=True)], peaks[name])
        for name in models
    }


def _speed(model: nn.Module, load: Load, seconds: list[float], peak_bytes: int) -> Speed:
    scoring, writing, alone = seconds
    parameters = list(model.parameters())
    return Speed(
        parameters=sum(each.numel() for each in parameters),
        scored_tokens_per_minute=60 * load.batch * load.length / scoring,
        tokens_per_minute=60 * load.batch * load.length / writing,
        sequences_per_minute=60 * load.batch / writing,
        latency_seconds=alone,
        weight_bytes=sum(each.nbytes for each in parameters),
        peak_bytes=peak_bytes,
    )


def write(model: Any, tokenizer: ProteinTokenizer, batch: int, length: int) -> None:
    """Let the model write `batch` proteins of exactly `length` tokens, drawn as ProtGPT2's card does."""
    from transformers import GenerationConfig

    prompt = torch.tensor([[tokenizer.end, tokenizer.newline]], device=_device(model)).expand(batch, -1)
    settings = GenerationConfig(
        do_sample=True,
        top_k=950,
        repetition_penalty=1.2,
        min_length=length,
        max_length=length,
        eos_token_id=tokenizer.end,
        bos_token_id=tokenizer.end,
        pad_token_id=tokenizer.end,
    )
    with torch.random.fork_rng(devices=[prompt.device] if prompt.device.type == "cuda" else []), quiet():
        torch.manual_seed(0)
        model.generate(prompt, attention_mask=torch.ones_like(prompt), generation_config=settings)


def _score(model: nn.Module, tokenizer: ProteinTokenizer, load: Load) -> None:
    drawn = np.random.default_rng(0).integers(1, tokenizer.vocab_size, (load.batch, load.length))
    tokens = torch.from_numpy(drawn).to(_device(model))
    positions = torch.arange(load.length, device=tokens.device).expand_as(tokens)
    states = run_packed(model, tokens, torch.ones_like(tokens), positions)
    for row in range(load.batch):  # the logits of one protein at a time, as no more of them are ever needed
        states.logits(slice(row * (load.length - 1), (row + 1) * (load.length - 1)))


def _timed(model: nn.Module, work: Callable[[], None]) -> float:
    device = _device(model)
    synchronize(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - start


def peak_while(model: nn.Module, work: Callable[[], None]) -> int:
    """Most bytes of this model held at once while `work` runs, its weights included and other models' left out."""
    device, weight_bytes = _device(model), sum(each.nbytes for each in model.parameters())
    if device.type == "cpu":
        with cpu_allocations() as found:
            work()
        return weight_bytes + found.peak()
    reset_peak_memory(device)
    before = peak_memory_bytes(device)
    work()
    return weight_bytes + peak_memory_bytes(device) - before


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
