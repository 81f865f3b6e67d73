import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from monosome.fit.storages import Storages

KIB = 1024


def test_live_storages_are_counted_once_and_until_they_are_freed():
    with FakeTensorMode(), Storages() as storages:
        kept = torch.empty(KIB, dtype=torch.uint8)
        view = kept.view(2, -1)[0]
        view.add_(1)
        assert storages.total == KIB
        passing = torch.empty(3 * KIB, dtype=torch.uint8)
        del passing
        assert storages.total == KIB
        del kept
        assert storages.total == KIB, "a view keeps its storage"
        del view
        assert storages.total == 0
    assert storages.peak == 4 * KIB


def test_parts_follow_who_made_a_storage_and_the_backward_pass_makes_workspace():
    with FakeTensorMode(), Storages() as storages:
        weight = torch.empty(8, 8, requires_grad=True)
        weight.register_post_accumulate_grad_hook(lambda w: storages.relabel(w.grad, "gradients"))
        with storages.counting_as("activations"):
            loss = (weight @ weight).relu().sum()
            loss.backward()
        live = {part: size for part, size in storages.live.items() if size}
    assert live["parameters"] == live["gradients"] == 4 * 64
    assert storages.at_peak["workspace"] > 0


def test_products_are_counted_as_two_operations_each():
    with FakeTensorMode(), Storages() as storages:
        torch.empty(3, 5) @ torch.empty(5, 7)
    assert storages.flops == 2 * 3 * 5 * 7


def test_blocks_of_an_allocator_round_up():
    with FakeTensorMode(), Storages(granularity=512) as storages:
        kept = torch.empty(1)
    assert storages.total == 512
    assert kept.numel() == 1
