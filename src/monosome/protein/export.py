"""A trained student as a folder that transformers loads, with its hyperparameters and a model card."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from monosome.atomic import replacing
from monosome.protein.pretrained import quiet
from monosome.protein.recipe import ProteinConfig
from monosome.protein.tokens import ProteinTokenizer

HYPERPARAMETERS = "training_hyperparameters.json"
CARD = "README.md"


def export(model: Any, tokenizer: ProteinTokenizer, config: ProteinConfig, folder: Path) -> None:
    """Write weights, config.json, tokenizer, hyperparameters and card below `folder`, whole or not at all.

    What the folder held before is replaced.
    """
    with replacing(folder) as temporary:
        with quiet():
            model.save_pretrained(temporary)
        tokenizer.save(temporary)
        (temporary / HYPERPARAMETERS).write_text(json.dumps(hyperparameters(model, config), indent=2) + "\n")
        (temporary / CARD).write_text(card(num_parameters(model), config, {}))


def hyperparameters(model: nn.Module, config: ProteinConfig) -> dict[str, Any]:
    """What the model was learned with, under the names that ProtGPT2's students use, and the whole recipe."""
    return {
        "temperature": config.loss.temperature,
        "alpha": config.loss.alpha,
        "n_layer": config.model.num_layers,
        "n_head": config.model.num_heads,
        "n_embd": config.model.width,
        "train_size_prop": config.data.proportion,
        "learning_rate": config.optim.learning_rate,
        "teacher": config.loss.teacher or None,
        "parameters": num_parameters(model),
        "recipe": config.model_dump(mode="json", exclude={"execution", "numerics"}),
    }


def num_parameters(model: nn.Module) -> int:
    """Weights of the model, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def card(parameters: int, config: ProteinConfig, figures: Mapping[str, float]) -> str:
    """The model card: what it is, how it was learned, how to use it, what was measured."""
    taught = (
        f"Distilled from {_public(config.loss.teacher)}, T = {config.loss.temperature:g}, α = {config.loss.alpha:g}"
        if config.loss.teacher
        else "Trained by cross-entropy, without a teacher"
    )
    measured = "".join(f"| {name} | {value:.4g} |\n" for name, value in figures.items())
    return CARD_TEXT.format(
        parameters=parameters / 1e6,
        layers=config.model.num_layers,
        heads=config.model.num_heads,
        width=config.model.width,
        taught=taught,
        steps=config.train.steps,
        batch=config.train.batch_size,
        block=config.data.block_length,
        measured=f"\n## Measured on held-out proteins\n\n| figure | value |\n|---|---|\n{measured}" if measured else "",
    )


def _public(place: str) -> str:
    """A Hub name as it is, a local folder by its name alone: a card is published."""
    return Path(place).name if Path(place).exists() else place


CARD_TEXT = """---
pipeline_tag: text-generation
tags: [protein, distillation]
---

# A protein language model of {parameters:.3g}M parameters

GPT-2, {layers} layers, {heads} heads, {width} wide. {taught}; {steps} steps of {batch} blocks of {block} tokens.

Text format: `<|endoftext|>`, a line break, the sequence in lines of 60 residues, a line break, `<|endoftext|>`.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("FOLDER")
tokenizer = AutoTokenizer.from_pretrained("FOLDER")
prompt = tokenizer("<|endoftext|>\\n", return_tensors="pt")
tokens = model.generate(
    **prompt, max_length=256, do_sample=True, top_k=950, repetition_penalty=1.2, eos_token_id=0
)
print(tokenizer.decode(tokens[0]))
```
{measured}"""
