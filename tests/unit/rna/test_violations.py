"""Violations: none in what is ideal, each counted by hand, and laws of motion and padding."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from monosome.rna.backbone import place_atoms
from monosome.rna.chain import Chain, empty_atoms, find_segments
from monosome.rna.clashes import TABLE
from monosome.rna.files import read_structure
from monosome.rna.geometry import duplex, hairpin, helix_frames
from monosome.rna.nucleotides import ATOM_INDEX
from monosome.rna.stereochemistry import BONDED
from monosome.rna.torsion_head import A_FORM, directions
from monosome.rna.violations import (
    TOLERANCE,
    TOUCHING,
    clash_violations,
    link_violations,
    linked,
    violation_loss,
)
from tests.unit.rna.test_frames import random_frames

HAIRPIN = hairpin("GGCACGUGAAAACGUGCC", 7)


def batch(chain: Chain) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Atoms, bases, mask and links of one chain."""
    links = torch.from_numpy(linked(chain)).float()
    known = torch.from_numpy(chain.resolved.any(axis=1)).float()
    return tuple(
        each.unsqueeze(0) for each in (torch.from_numpy(chain.atoms), torch.from_numpy(chain.bases), known, links)
    )


def heap(chain: Chain, scale: float) -> Chain:
    return replace(chain, atoms=chain.atoms * np.float32(scale))


def by_hand(chain: Chain) -> float:
    """Overlaps of all pairs of atoms but the bonded ones, per atom."""
    residues, slots = np.nonzero(chain.resolved)
    points, bases = chain.atoms[residues, slots].astype(np.float64), chain.bases[residues]
    total = 0.0
    for one in range(len(points)):
        for other in range(one + 1, len(points)):
            step = residues[other] - residues[one]
            if step == 0 and BONDED[bases[one], slots[one], slots[other]]:
                continue
            if step == 1 and slots[one] == ATOM_INDEX["O3'"] and slots[other] == ATOM_INDEX["P"]:
                continue
            least = TABLE.radius[bases[one], slots[one]] + TABLE.radius[bases[other], slots[other]] - TOLERANCE
            total += max(0.0, least**2 - float(((points[one] - points[other]) ** 2).sum()))
    return total / (2 * TOUCHING) / len(points)


def test_an_ideal_duplex_violates_nothing_and_an_ideal_hairpin_has_its_links():
    assert violation_loss(*batch(duplex("GGACUUCGAC"))).item() == pytest.approx(0, abs=1e-6)
    atoms, _, _, links = batch(HAIRPIN)
    assert link_violations(atoms, links).item() == pytest.approx(0, abs=1e-6)


def test_a_link_by_hand():
    """P of one residue moved 1 Å along the bond: 1 Å less 12 times 0.012 Å, over the number of links."""
    chain = HAIRPIN.subset(range(4))
    atoms = chain.atoms.copy()
    bond = atoms[2, ATOM_INDEX["P"]] - atoms[1, ATOM_INDEX["O3'"]]
    atoms[2:] += bond / np.linalg.norm(bond)
    moved = torch.from_numpy(atoms).unsqueeze(0)
    links = torch.tensor([[0.0, 1.0, 0.0, 0.0]])
    assert link_violations(moved, links).item() == pytest.approx(1 - 12 * 0.012, abs=0.01)  # angles stay within 12 sd
    assert link_violations(moved, torch.tensor([[1.0, 1.0, 1.0, 0.0]])).item() == pytest.approx(0.856 / 3, abs=0.005)
    assert link_violations(moved, torch.tensor([[1.0, 0.0, 1.0, 0.0]])).item() == pytest.approx(0, abs=1e-6)
    assert link_violations(moved, torch.zeros(1, 4)).item() == 0


def test_a_bent_link_counts_by_its_cosine():
    chain = HAIRPIN.subset(range(2))
    atoms = torch.from_numpy(chain.atoms).unsqueeze(0).clone()
    o3, c3, p = (atoms[0, row, ATOM_INDEX[name]] for row, name in ((0, "O3'"), (0, "C3'"), (1, "P")))
    straight = o3 + 1.607 * (o3 - c3) / (o3 - c3).norm()
    atoms[0, 1] += straight - p
    found = link_violations(atoms, torch.tensor([[1.0, 0.0]])).item()
    least = (abs(-1 - np.cos(np.radians(119.7))) - 12 * np.radians(1.2) * np.sin(np.radians(119.7))) / 4
    assert found >= least - 1e-3


@pytest.mark.parametrize("scale", [0.05, 0.4, 0.7])
def test_clashes_are_those_of_all_pairs(scale: float):
    chain = heap(HAIRPIN.subset(range(3, 13)), scale)
    atoms, bases, mask, _ = batch(chain)
    assert clash_violations(atoms, bases, mask).item() == pytest.approx(by_hand(chain), rel=1e-3)


def test_descent_frees_two_strands_that_lie_in_each_other():
    """A strand laid 1 Å beside another."""
    strand = HAIRPIN.subset(range(6))
    shift = torch.tensor([0.0, 0.0, 1.0], requires_grad=True)
    atoms, bases, mask, _ = batch(strand)
    both_bases, both_mask = torch.cat([bases, bases], dim=1), torch.cat([mask, mask], dim=1)
    history = []
    for _ in range(200):
        loss = clash_violations(torch.cat([atoms, atoms + shift], dim=1), both_bases, both_mask).sum()
        (gradient,) = torch.autograd.grad(loss, shift)
        history.append(loss.item())
        shift = (shift - 2 * gradient).detach().requires_grad_()
    assert history[-1] < 0.02 * history[0]


def test_descent_closes_links():
    """Frames of a helix turned and moved at random: their links close, by frames and torsions together."""
    num, generator = 12, torch.Generator().manual_seed(0)
    start = helix_frames(num).compose_update(
        torch.randn(num, 6, generator=generator) * torch.tensor([0.1] * 3 + [1.0] * 3)
    )
    moves = torch.zeros(num, 6, requires_grad=True)
    turns = torch.from_numpy(A_FORM).repeat(num, 1, 1).requires_grad_()
    bases, mask = torch.arange(num).unsqueeze(0) % 4, torch.ones(1, num)
    optimiser, gaps = torch.optim.Adam([moves, turns], lr=0.02), []
    for _ in range(100):
        frames = start.compose_update(moves)[None]
        atoms = place_atoms(frames, directions(turns)[None], bases)
        gaps.append((atoms[0, :-1, ATOM_INDEX["O3'"]] - atoms[0, 1:, ATOM_INDEX["P"]]).norm(dim=-1).max().item())
        optimiser.zero_grad()
        violation_loss(atoms, bases, mask, mask).sum().backward()
        optimiser.step()
    assert gaps[0] > 4
    assert gaps[-1] < 1.9


def test_atoms_at_one_place_have_finite_gradients():
    atoms, bases, mask, links = batch(HAIRPIN)
    scale = torch.tensor(0.0, requires_grad=True)
    loss = violation_loss(torch.where(atoms.isnan(), torch.nan, torch.nan_to_num(atoms) * scale), bases, mask, links)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert scale.grad is not None
    assert scale.grad.isfinite().all()


def test_motion_changes_nothing():
    atoms, bases, mask, links = batch(heap(HAIRPIN, 0.6))
    frames = random_frames(1)
    moved = torch.where(atoms.isnan(), torch.nan, frames.apply(torch.nan_to_num(atoms).flatten(1, 2)).view_as(atoms))
    assert violation_loss(moved + 200, bases, mask, links).item() == pytest.approx(
        violation_loss(atoms, bases, mask, links).item(), rel=1e-3
    )


def test_padding_and_company_change_nothing():
    chain = heap(HAIRPIN, 0.6)
    atoms, bases, mask, links = batch(chain)
    padded = torch.zeros(2, 30, *atoms.shape[2:])
    padded[:, :18] = atoms[0]
    padded[1, :18] *= 0.5
    rows = []
    for each in (bases, mask, links):
        row = torch.zeros(2, 30, dtype=each.dtype)
        row[:, :18] = each[0]
        rows.append(row)
    found = violation_loss(padded, rows[0], rows[1], rows[2])
    assert found[0].item() == pytest.approx(violation_loss(atoms, bases, mask, links).item(), rel=1e-4)
    assert violation_loss(padded, rows[0], torch.zeros_like(rows[1]), torch.zeros_like(rows[2])).tolist() == [0, 0]


def test_links_end_with_strands_and_at_breaks():
    chain = duplex("GACU")
    assert linked(chain).tolist() == [True] * 3 + [False] + [True] * 3 + [False]
    atoms = chain.atoms.copy()
    atoms[2:] += 30
    assert linked(replace(chain, atoms=atoms)).tolist() == [True, False, True, False, True, True, True, False]
    unknown = replace(chain, atoms=empty_atoms(8))
    chosen = [0, 1, 3, 5, 6, 7]
    for each in (chain, unknown):
        assert linked(each).tolist() == [True] * 3 + [False] + [True] * 3 + [False]
        assert linked(each.subset(chosen)).tolist() == [True, False, False, True, True, False], "over what is left out"
    assert linked(chain.subset(np.zeros(8, dtype=bool))).shape == (0,)


@pytest.mark.data
def test_natural_chains_violate_next_to_nothing(data_folder: Path):
    folder = data_folder / "rna_fullatom"
    with (folder / "manifest.csv").open() as file:
        names = [row["id"] for row in csv.DictReader(file) if 40 <= int(row["length"]) <= 150][:20]
    found = []
    for name in names:
        chain = read_structure(folder / "pdb" / f"{name}.pdb.gz").chains[0]
        chain = chain.subset(chain.resolved[:, :12].all(axis=1))
        found.append(violation_loss(*batch(replace(chain, segments=find_segments(chain.atoms)))).item())
    assert np.median(found) < 1e-4
    assert max(found) < 0.01
