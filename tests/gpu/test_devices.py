"""What only a card can show: the same step gives the same loss there, in fp32 and to bf16's rounding."""

import pytest
import torch

from monosome.config import build, override
from monosome.hardware.counters import peak_memory_bytes, reset_peak_memory
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset
from monosome.rna.recipe import BetaRhoConfig
from monosome.rna.task import BetaRhoTask
from monosome.train.precision import autocast

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card"),
]


def _loss(device: torch.device, precision: str) -> float:
    task = BetaRhoTask(build(BetaRhoConfig, override({"domain": "rna"}, ["data.num_synthetic=12"])))
    model = task.model().to(device)
    examples = task.examples("train")
    batch = task.collate([examples[0], examples[1]], [1, 2]).to(device)
    numerics = task.config.numerics.model_copy(update={"precision": precision})
    with autocast(detect(device.type), numerics):
        loss = task.loss(task.forward(model, batch), batch)
        weighted = loss.weighted(task.config.loss.weights())
    weighted.backward()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in model.parameters())
    return float(weighted.detach())


def test_a_step_on_the_card_has_the_loss_of_the_cpu() -> None:
    assert _loss(torch.device("cuda"), "fp32") == pytest.approx(_loss(torch.device("cpu"), "fp32"), rel=1e-3)


def test_bf16_has_the_loss_of_fp32_to_its_rounding() -> None:
    if detect("cuda").capability < (8, 0):
        pytest.skip("cards before Ampere have no bf16")
    card = torch.device("cuda")
    assert _loss(card, "bf16") == pytest.approx(_loss(card, "fp32"), rel=0.05)


def test_the_card_has_a_preset_and_its_memory_is_counted() -> None:
    device = detect("cuda")
    assert preset(device).execution["device"] == "cuda"
    reset_peak_memory(device.torch_device)
    held = torch.zeros(2**26, device=device.torch_device)
    assert peak_memory_bytes(device.torch_device) >= held.nbytes
