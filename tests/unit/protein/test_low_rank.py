import copy

import torch
from torch import nn

from monosome.protein.low_rank import RANK, add_low_rank, merge_low_rank


def test_a_model_begins_as_it_was_learns_thin_matrices_alone_and_is_merged_again(student: nn.Module):
    model, tokens = copy.deepcopy(student), torch.arange(1, 20)[None]
    before = model(tokens).logits
    names = sorted(model.state_dict())
    learned = add_low_rank(model)
    assert torch.equal(model(tokens).logits, before)
    width = 16  # 2 blocks of attention (16 × 48, 16 × 16) and of two layers (16 × 64, 64 × 16)
    assert sum(each.numel() for each in learned) == 2 * RANK * (4 * width + 2 * width + 5 * width + 5 * width)
    optimizer = torch.optim.SGD(learned, lr=1.0)
    for _ in range(2):
        model(tokens, labels=tokens).loss.backward()
        optimizer.step()
    changed = model(tokens).logits
    assert not torch.allclose(changed, before, atol=1e-4)
    merge_low_rank(model)
    assert sorted(model.state_dict()) == names
    assert torch.allclose(model(tokens).logits, changed, atol=1e-6)
    assert torch.equal(model.transformer.wte.weight, student.transformer.wte.weight)
    assert all(each.requires_grad for each in model.parameters())
