"""Dropout keyed by the example: what is dropped depends on nothing else."""

import torch

from monosome.rna.dropout import Dropout, uniform


def test_numbers_are_uniform_and_differ_between_seeds_sites_and_places() -> None:
    seeds = torch.arange(8) * 2**40 - 2**62
    drawn = uniform(seeds, 3, torch.Size([5000]))
    assert ((drawn >= 0) & (drawn < 1)).all()
    assert abs(float(drawn.mean()) - 0.5) < 0.01
    assert abs(float(drawn.var()) - 1 / 12) < 0.003
    assert len(drawn.unique()) > 0.99 * drawn.numel(), "24 bits repeat seldom"
    others = uniform(seeds, 4, torch.Size([5000]))
    both = torch.stack([drawn.flatten(), others.flatten(), drawn.roll(1, 0).flatten(), drawn.roll(1, 1).flatten()])
    assert (torch.corrcoef(both) - torch.eye(4)).abs().max() < 0.03


def test_an_example_drops_the_same_in_any_batch() -> None:
    dropout = Dropout(0.5, site=2, shared=(0,))
    x, seeds = torch.ones(3, 7, 7, 4), torch.tensor([11, -5, 2**60])
    together = dropout(x, seeds)
    alone = torch.cat([dropout(x[place : place + 1], seeds[place : place + 1]) for place in (0, 1, 2)])
    assert torch.equal(together, alone)
    assert torch.equal(together[:, 0], together[:, 3]), "rows share their draw"
    assert set(together.unique().tolist()) == {0.0, 2.0}
    assert 0.3 < float((together == 0).float().mean()) < 0.7


def test_nothing_is_dropped_outside_training_or_at_a_share_of_none() -> None:
    x, seeds = torch.ones(2, 4), torch.tensor([1, 2])
    assert Dropout(0.5, site=0).eval()(x, seeds) is x
    assert Dropout(0.0, site=0)(x, seeds) is x
