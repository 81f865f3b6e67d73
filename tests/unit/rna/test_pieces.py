from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from monosome.rna.pieces import in_pieces, updated


def scaled(rows: Tensor, factor: Tensor) -> Tensor:
    return rows * factor.unsqueeze(1).exp()


@pytest.mark.parametrize("num_rows", [0, 1, 3, 7, 9])
def test_pieces_make_the_whole_and_its_gradient(num_rows: int) -> None:
    pair, factor = torch.randn(2, 7, 7, 4, requires_grad=True), torch.randn(2, 7, 4, requires_grad=True)
    whole, cut = scaled(pair, factor), in_pieces(scaled, num_rows, [pair], factor)
    assert torch.equal(whole, cut)
    for one, other in zip(*(torch.autograd.grad(x.square().sum(), [pair, factor]) for x in (whole, cut)), strict=True):
        assert (one - other).norm() < 1e-6 * one.norm()


def kept_bytes(run: Callable[[], Tensor]) -> int:
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = run()
    assert result.requires_grad
    return sum(kept.values())


def test_pieces_keep_their_inputs_alone() -> None:
    pair = torch.randn(1, 16, 16, 8, requires_grad=True)

    def deep(rows: Tensor) -> Tensor:
        return rows.sigmoid().exp().sigmoid()

    assert kept_bytes(lambda: in_pieces(deep, 4, [pair])) <= pair.nbytes < kept_bytes(lambda: deep(pair))


def test_without_a_graph_the_pairs_themselves_are_changed() -> None:
    pair, factor = torch.randn(1, 5, 5, 2), torch.randn(1, 5, 2)
    expected = pair + scaled(pair, factor)
    with torch.no_grad():
        found = updated(scaled, 2, pair, (), factor)
    assert torch.equal(found, expected)
    assert found.data_ptr() == pair.data_ptr()
