"""How many residues a second are sampled, beside transformers' own `generate` one by one and in batches?

python benchmarks/bench_generate.py TOKENIZER [MODEL]

TOKENIZER is the folder of ProtGPT2's tokenizer; with MODEL, the folder of a trained model, that one is measured too.
The students of protein/tiny and protein/small have drawn weights, and their end token a constant chance of 1 in 50 a
step, so that lengths spread as those of proteins do (their coefficient of variation is written; of the 569,000
proteins of Swiss-Prot it is about 0.9). All sides sample with the settings of ProtGPT2's card, in turns, on one thread,
by its processor time; ours scores every protein besides. Writes benchmarks/generate.json.
"""

import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from report import write_report
from torch import nn

from monosome.config import build, read_recipe
from monosome.protein.pretrained import load_language_model, quiet
from monosome.protein.recipe import ProteinConfig
from monosome.protein.sampling import Sampler, SamplingSettings
from monosome.protein.student import build_student
from monosome.protein.tokens import ProteinTokenizer, load_tokenizer

BATCH, LONGEST, END_CHANCE, ROUNDS = 64, 160, 1 / 50, 1
NUM = {"one by one": 3, "its batches": BATCH, "monosome": 2 * BATCH}
SETTINGS = SamplingSettings(max_length=LONGEST)


@dataclass
class Side:
    """What a side has done in all its rounds."""

    seconds: float = 0.0
    residues: int = 0
    lengths: tuple[int, ...] = ()


def student(size: str, tokenizer: ProteinTokenizer) -> nn.Module:
    """A network of drawn weights that ends a text with `END_CHANCE` a step."""
    config = build(ProteinConfig, read_recipe(f"protein/{size}")).model
    model: Any = build_student(config, tokenizer.vocab_size, 0, end=tokenizer.end).eval()
    with torch.no_grad():
        model.transformer.ln_f.weight[0] = 0.0
        model.transformer.ln_f.bias[0] = 1.0
        model.transformer.wte.weight[:, 0] = 0.0
        logits = model(torch.tensor([[tokenizer.end, tokenizer.newline]])).logits[0, -1]
        others = float(logits.topk(SETTINGS.top_k).values.exp().sum())
        # The prompt holds the end token, so the penalty divides its score.
        score = SETTINGS.repetition_penalty * math.log(others * END_CHANCE / (1 - END_CHANCE))
        model.transformer.wte.weight[tokenizer.end, 0] = score
    return model


def theirs(model: Any, tokenizer: ProteinTokenizer, num: int, batch: int) -> list[list[int]]:
    """Texts by transformers' generate."""
    from transformers import GenerationConfig

    generation = GenerationConfig(
        do_sample=True,
        max_length=LONGEST,
        temperature=SETTINGS.temperature,
        top_k=SETTINGS.top_k,
        repetition_penalty=SETTINGS.repetition_penalty,
        eos_token_id=tokenizer.end,
        pad_token_id=tokenizer.end,
    )
    texts: list[list[int]] = []
    with torch.no_grad(), quiet():
        for start in range(0, num, batch):
            prompt = torch.tensor([[tokenizer.end, tokenizer.newline]]).expand(min(batch, num - start), -1)
            mask = torch.ones_like(prompt)
            texts += model.generate(prompt, attention_mask=mask, generation_config=generation).tolist()
    return texts


def ended(text: list[int], end: int) -> list[int]:
    """A text without what fills the batch up behind its end."""
    return text[: text.index(end, 1) + 1] if end in text[1:] else text


def measure(model: nn.Module, tokenizer: ProteinTokenizer) -> dict[str, Any]:
    """Residues a second of each side, and what our padding was."""
    sampler = Sampler(model, tokenizer, SETTINGS, BATCH)
    drawn = 0

    def ours() -> list[int]:
        nonlocal drawn
        found = [len(one.sequence) for one in sampler.samples(range(drawn, drawn + NUM["monosome"]))]
        drawn += NUM["monosome"]
        return found

    def beside(num: int, batch: int) -> list[int]:
        texts = theirs(model, tokenizer, num, batch)
        return [len(tokenizer.decode(ended(text, tokenizer.end))) for text in texts]

    runs: dict[str, Callable[[], list[int]]] = {
        "one by one": lambda: beside(NUM["one by one"], 1),
        "its batches": lambda: beside(NUM["its batches"], BATCH),
        "monosome": ours,
    }
    torch.manual_seed(0)
    sides = {name: Side() for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            start = time.process_time()
            lengths = run()
            sides[name].seconds += time.process_time() - start
            sides[name].residues += sum(lengths)
            sides[name].lengths += tuple(lengths)
    rates = {name: side.residues / side.seconds for name, side in sides.items()}
    lengths = sides["monosome"].lengths
    return {
        "parameters": sum(each.numel() for each in model.parameters()),
        "residues_per_second": {name: round(rate, 1) for name, rate in rates.items()},
        "proteins": {name: len(side.lengths) for name, side in sides.items()},
        "times_one_by_one": round(rates["monosome"] / rates["one by one"], 2),
        "times_its_batches": round(rates["monosome"] / rates["its batches"], 2),
        "mean_residues": {name: round(statistics.mean(side.lengths), 1) for name, side in sides.items()},
        "length_variation": round(statistics.pstdev(lengths) / statistics.mean(lengths), 2),
        "row_waste": round(sampler.effort.row_waste, 3),
        "key_waste": round(sampler.effort.key_waste, 3),
    }


def main() -> None:
    """Measure and write."""
    os.environ.update(OMP_NUM_THREADS="1")
    torch.set_num_threads(1)
    tokenizer = load_tokenizer(sys.argv[1])
    figures = {size: measure(student(size, tokenizer), tokenizer) for size in ("tiny", "small")}
    if len(sys.argv) > 2:
        figures["trained"] = measure(load_language_model(sys.argv[2]), tokenizer)
    settings = {"batch": BATCH, "longest_tokens": LONGEST, "rounds": ROUNDS, "threads": 1}
    write_report(__file__, {**settings, "top_k": SETTINGS.top_k, "penalty": SETTINGS.repetition_penalty, **figures})


if __name__ == "__main__":
    main()
