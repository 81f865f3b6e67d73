"""The torsion head: what it says before it is trained, its targets, and its loss by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from monosome.rna.backbone import TORSIONS, place_atoms
from monosome.rna.chain import empty_atoms
from monosome.rna.frames import Frames
from monosome.rna.geometry import hairpin
from monosome.rna.torsion_head import A_FORM, TorsionHead, directions, torsion_loss, true_torsions
from monosome.rna.torsions import torsions
from monosome.rna.violations import violation_loss

CHAIN = hairpin("GGCACGAAAGUGCC", 5)
NUM = len(TORSIONS)


def test_an_untrained_head_says_a_form():
    said = directions(TorsionHead(8)(torch.randn(2, 5, 8)))
    assert torch.allclose(said, torch.from_numpy(A_FORM).expand_as(said), atol=1e-6)


def test_targets_are_sines_and_cosines_and_ends_are_masked():
    values, mask = true_torsions(CHAIN)
    found = torsions(CHAIN)
    for place, name in enumerate(TORSIONS):
        degrees = getattr(found, name)
        known = np.isfinite(degrees)
        assert np.array_equal(mask[:, place] == 1, known)
        measured = np.degrees(np.arctan2(values[:, place, 0], values[:, place, 1]))
        assert np.allclose((measured - degrees + 180)[known] % 360, 180, atol=1e-3)
    assert np.allclose(np.linalg.norm(values, axis=-1), 1)
    assert mask[0, TORSIONS.index("alpha")] == mask[-1, TORSIONS.index("zeta")] == 0
    unknown, nowhere = true_torsions(replace(CHAIN, atoms=empty_atoms(len(CHAIN))))
    assert not nowhere.any()
    assert np.array_equal(unknown, np.broadcast_to(A_FORM, unknown.shape))


def test_the_loss_by_hand():
    true = torch.zeros(1, 3, NUM, 2)
    true[..., 1] = 1
    mask = torch.ones(1, 3, NUM)
    assert torsion_loss(true, true, mask).item() == pytest.approx(0, abs=1e-6)
    assert torsion_loss(-true, true, mask).item() == pytest.approx(4)
    assert torsion_loss(true.flip(-1), true, mask).item() == pytest.approx(2), "a right angle"
    assert torsion_loss(3 * true, true, mask).item() == pytest.approx(0.04), "twice the length too long"
    some = torch.zeros_like(mask)
    some[0, 0, 0] = 1
    mixed = true.clone()
    mixed[0, 0, 0] = -1 * true[0, 0, 0]
    mixed[0, 1] = 7
    assert torsion_loss(mixed, true, some).item() == pytest.approx(4)
    assert torsion_loss(mixed, true, torch.zeros_like(mask)).item() == 0


def test_a_vector_of_no_length_has_a_finite_gradient():
    vectors = torch.zeros(1, 2, NUM, 2, requires_grad=True)
    true = torch.from_numpy(A_FORM).expand(1, 2, -1, -1)
    torsion_loss(vectors, true, torch.ones(1, 2, NUM)).sum().backward()
    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()


def test_the_head_learns_what_it_is_told():
    torch.manual_seed(0)
    head, single = TorsionHead(16), torch.randn(1, len(CHAIN), 16)
    values, mask = (torch.from_numpy(each).unsqueeze(0) for each in true_torsions(CHAIN))
    optimiser = torch.optim.Adam(head.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = torsion_loss(head(single), values, mask).sum()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_a_step_runs_without_memory():
    """Head, atoms and losses, forward and backward, on tensors that have shapes alone."""
    with torch.device("meta"):
        assert TorsionHead(8).out.bias.is_meta
    with FakeTensorMode():
        head, single, bases = TorsionHead(8), torch.randn(2, 40, 8), torch.zeros(2, 40, dtype=torch.int64)
        vectors = head(single)
        mask = torch.ones(2, 40)
        atoms = place_atoms(Frames.identity((2, 40)), directions(vectors), bases)
        loss = violation_loss(atoms, bases, mask, mask) + torsion_loss(
            vectors, torch.zeros(2, 40, NUM, 2), torch.ones(2, 40, NUM)
        )
        loss.sum().backward()
        assert head.out.weight.grad is not None
        assert loss.shape == (2,)
