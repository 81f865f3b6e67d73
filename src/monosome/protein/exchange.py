"""A language model as an ONNX file, for engines without PyTorch, and the proof that it computes the same."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from monosome.atomic import replacing
from monosome.errors import CheckpointError, ConfigError

FILE = "model.onnx"
MAX_GAP = 1e-4
"""Largest difference of a logit, relative to the largest logit, that passes."""
LENGTHS = (2, 17, 61)
"""Lengths that the check runs on: other ones than the trace's."""


class Logits(nn.Module):
    """The model without its cache: tokens in, logits out."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Int64[Tensor, "b t"]) -> Float[Tensor, "b t v"]:
        """Scores of the next token at every position."""
        logits: Tensor = self.model(input_ids=input_ids, use_cache=False).logits
        return logits


def export_onnx(model: nn.Module, folder: Path) -> float:
    """The largest relative difference of a logit between the file that is written and the model, which is checked.

    `folder` gets model.onnx, of any batch size and length. Raises ConfigError where onnx or onnxruntime is not
    installed, CheckpointError where a logit is off by more than `MAX_GAP`.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - torch.onnx needs it
    except ImportError as error:
        raise ConfigError(f"ONNX files need {error.name}", 'pip install "monosome[proteins]"') from error
    wrapped = Logits(model.to("cpu").eval())
    with replacing(folder / FILE) as temporary:
        torch.onnx.export(
            wrapped,
            (torch.arange(2 * 13).reshape(2, 13) % 7,),
            str(temporary),
            input_names=["input_ids"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=_positions(model))},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        session = onnxruntime.InferenceSession(str(temporary), providers=["CPUExecutionProvider"])
        gap = max(_gap(wrapped, session, length) for length in LENGTHS)
        if gap > MAX_GAP:
            raise CheckpointError(f"the ONNX file's logits are off by {gap:.1e}", "report this with the model")
    return gap


def _positions(model: Any) -> int:
    return int(model.config.max_position_embeddings)


@torch.no_grad()
def _gap(wrapped: nn.Module, session: Any, length: int) -> float:
    tokens = torch.randint(0, 7, (3, length), generator=torch.Generator().manual_seed(length))
    expected = wrapped(tokens)
    found = torch.from_numpy(session.run(None, {"input_ids": tokens.numpy()})[0])
    return float((found - expected).abs().max() / expected.abs().max())
