import pytest
import torch
from torch import Tensor, nn

from monosome.train.savers import recomputed


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(8, 64), nn.GELU(), nn.Dropout(0.5), nn.Linear(64, 8)) for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = x + block(x)
        return x.square().sum()


def gradient(model: Net) -> tuple[float, list[Tensor], int]:
    """Loss, gradients, and the bytes that the forward pass kept for the backward pass."""
    kept = 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += tensor.nbytes
        return tensor

    model.zero_grad()
    torch.manual_seed(1)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model(torch.ones(16, 8))
    loss.backward()
    return float(loss.detach()), [weight.grad.clone() for weight in model.parameters() if weight.grad is not None], kept


def test_less_is_kept_and_nothing_changes_dropout_included() -> None:
    model = Net()
    plain, plain_gradient, plain_bytes = gradient(model)
    with recomputed(list(model.blocks)):
        saved, saved_gradient, saved_bytes = gradient(model)
    assert saved == plain
    assert all(torch.equal(one, other) for one, other in zip(plain_gradient, saved_gradient, strict=True))
    assert saved_bytes < plain_bytes / 4


def test_blocks_are_themselves_again_afterwards() -> None:
    model = Net()

    def inside() -> None:
        with recomputed(list(model.blocks)):
            assert "forward" in vars(model.blocks[0])
            raise KeyError

    with pytest.raises(KeyError):
        inside()
    assert all("forward" not in vars(block) for block in model.blocks)


def test_a_shared_block_is_wrapped_once() -> None:
    model = Net()
    with recomputed([model.blocks[0], model.blocks[0]]):
        pass
    assert "forward" not in vars(model.blocks[0])


def test_nothing_happens_when_switched_off() -> None:
    model = Net()
    with recomputed(list(model.blocks), enabled=False):
        assert "forward" not in vars(model.blocks[0])


def test_evaluation_runs_forward_once() -> None:
    model, calls = Net().eval(), []
    model.blocks[0].register_forward_hook(lambda *_: calls.append(1))
    with recomputed(list(model.blocks)), torch.no_grad():
        model(torch.ones(2, 8))
    assert len(calls) == 1
