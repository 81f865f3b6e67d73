import pytest
import torch
from torch import nn

from monosome.config import ExecutionConfig, NumericsConfig
from monosome.errors import HardwareError
from monosome.hardware.detect import Device
from monosome.train.precision import LossScale, autocast, check, process_settings

CPU = Device("cpu", "a processor", 2**33, None, 2, ())


@pytest.mark.parametrize(
    ("precision", "expected"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_products_are_computed_as_asked_over_fp32_weights(precision: str, expected: torch.dtype) -> None:
    layer = nn.Linear(3, 3)
    with autocast(CPU, NumericsConfig.model_validate({"precision": precision})):
        product = layer(torch.ones(2, 3))
    assert product.dtype == expected
    product.float().sum().backward()
    assert layer.weight.dtype == torch.float32
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32


@pytest.mark.parametrize(("capability", "refused"), [((7, 5), True), ((8, 0), False), (None, False)])
def test_bf16_is_refused_on_cards_before_ampere(capability: tuple[int, int] | None, refused: bool) -> None:
    device = Device("cuda" if capability else "cpu", "a card", 2**34, capability, 2, ())
    check(device, NumericsConfig(precision="fp32"))
    if refused:
        with pytest.raises(HardwareError, match="a card has no bf16"):
            check(device, NumericsConfig(precision="bf16"))
    else:
        check(device, NumericsConfig(precision="bf16"))


def test_process_settings_are_put_back_even_after_an_error() -> None:
    def settings() -> tuple[int, str, bool]:
        return torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32

    def inside() -> None:
        with process_settings(ExecutionConfig(threads=3), NumericsConfig(tf32=True)):
            assert settings() == (3, "high", True)
            raise KeyError

    before = settings()
    with pytest.raises(KeyError):
        inside()
    assert settings() == before


def test_the_scale_is_halved_where_it_is_to_blame_and_grows_again() -> None:
    finite, infinite = torch.tensor(1.0), torch.tensor(torch.inf)
    scale = LossScale(NumericsConfig(precision="fp16"))
    first = scale.value
    assert scale.overflows(finite, infinite)
    assert scale.value == first / 2
    assert not scale.overflows(infinite, infinite), "the loss itself is not finite"
    for _ in range(2000):
        assert not scale.overflows(finite, finite)
    assert scale.value == first
    assert not LossScale(NumericsConfig(precision="bf16")).overflows(finite, infinite)
