"""Low-rank adaptation: frozen weight matrices and small trained ones beside them (LoRA, Hu et al. 2022)."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

RANK = 8
"""Of the products that are trained: rank 8 on every matrix is 0.9 % of ProtGPT2's weights."""
SCALE = 2.0
"""alpha / rank, as in the paper's code for GPT-2 (alpha 32 at rank 4 is 8; 2 is what later work settled on)."""


class LowRank(nn.Module):
    """A matrix plus a product of two thin ones that begins as 0."""

    def __init__(self, num_rows: int, num_columns: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(num_rows, rank) / num_rows**0.5)
        self.up = nn.Parameter(torch.zeros(rank, num_columns))

    def forward(self, weight: Float[Tensor, "_ _"]) -> Float[Tensor, "_ _"]:
        """The sum."""
        return weight + SCALE * self.down @ self.up


def add_low_rank(model: Any, rank: int = RANK) -> list[nn.Parameter]:
    """The trained matrices, now beside every weight matrix of the model's blocks; all else is frozen."""
    model.requires_grad_(False)
    head = model.get_output_embeddings()
    for module in list(model.modules()):
        weight: Any = getattr(module, "weight", None)
        is_matrix = isinstance(weight, nn.Parameter) and weight.ndim == 2 and not isinstance(module, nn.Embedding)
        if is_matrix and module is not head:
            thin = LowRank(weight.shape[0], weight.shape[1], rank)
            parametrize.register_parametrization(module, "weight", thin.to(weight))
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def merge_low_rank(model: nn.Module) -> None:
    """Put the products into the weights: the model is of its own kind again, and computes the same."""
    for module in list(model.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
    model.requires_grad_(True)
