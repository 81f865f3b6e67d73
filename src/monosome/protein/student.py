"""The student: a GPT-2 through transformers, and how packed proteins go through any causal language model."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from monosome.protein.recipe import GPT2Config


def build_student(config: GPT2Config, vocab_size: int, seed: int, *, end: int = 0) -> nn.Module:
    """A GPT2LMHeadModel with weights drawn from `seed`, tied embeddings, SDPA attention and no dropout.

    `end` is the id of the token that ends a protein.
    """
    from transformers import GPT2Config as Architecture
    from transformers import GPT2LMHeadModel

    architecture = Architecture(
        vocab_size=vocab_size,
        n_positions=config.positions,
        n_embd=config.width,
        n_layer=config.num_layers,
        n_head=config.num_heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        attn_implementation="sdpa",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: nn.Module = GPT2LMHeadModel(architecture)
    return model


@dataclass(frozen=True)
class States:
    """Last hidden states of every token that has a next one, row after row, and the head that makes logits of them."""

    hidden: Float[Tensor, "m c"]
    head: nn.Linear

    @property
    def vocab_size(self) -> int:
        """Number of entries that the head scores."""
        return self.head.out_features

    def logits(self, part: slice) -> Float[Tensor, "p v"]:
        """Scores in fp32 of the next token at some of the positions."""
        logits: Tensor = self.head(self.hidden[part])
        return logits.float()


def attention_mask(segments: Int64[Tensor, "b t"]) -> Bool[Tensor, "b 1 t t"]:
    """Which earlier tokens each token sees: those of its own segment. Padding sees padding, so no row is empty."""
    num_tokens = segments.shape[1]
    causal = torch.ones(num_tokens, num_tokens, dtype=torch.bool, device=segments.device).tril()
    return ((segments[:, :, None] == segments[:, None, :]) & causal)[:, None]


def run_packed(
    model: Any,
    tokens: Int64[Tensor, "b t"],
    segments: Int64[Tensor, "b t"],
    positions: Int64[Tensor, "b t"],
) -> States:
    """The model on packed proteins: none sees another, and each counts its positions from 0.

    transformers takes a four-dimensional boolean mask as it is (True attends) and adds nothing to it.
    """
    body = model.base_model(
        input_ids=tokens, attention_mask=attention_mask(segments), position_ids=positions, use_cache=False
    )
    return States(body.last_hidden_state[:, :-1].flatten(0, 1), model.get_output_embeddings())
