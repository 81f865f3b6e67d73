from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from monosome.errors import DataError
from monosome.rna import refinement
from monosome.rna.chain import Chain, empty_atoms
from monosome.rna.clashes import METHYLENE, place_hydrogens
from monosome.rna.contacts import hydrogens_of, place
from monosome.rna.files import read_structure, write_structure
from monosome.rna.frames import Frames
from monosome.rna.geometry import duplex, hairpin, place_atoms
from monosome.rna.interactions import Interactions, find_interactions
from monosome.rna.metrics import assess
from monosome.rna.nucleotides import ATOM_INDEX, ATOM_MASK, BACKBONE, FRAME_ATOMS
from monosome.rna.refinement import MAX_SHIFT, Refinement, join_near, refine, renew
from monosome.rna.restraints import restrain
from monosome.rna.stereochemistry import stereochemistry
from monosome.rna.torsions import torsions

HAIRPIN = hairpin("GGCACGUGAAAACGUGCC", 7)

STRAND = duplex("GCAUC" * 8).subset(range(40))


def perturbed(chain: Chain, seed: int, *, shift: float = 0.5, turn: float = 5.0) -> Chain:
    """Ideal nucleotides on the chain's frames, each moved (Å) and turned (degrees) at random, as a network has them."""
    draw = np.random.default_rng(seed)
    corners = np.take_along_axis(chain.atoms, FRAME_ATOMS[chain.bases][..., None], axis=1)
    frames = Frames.from_points(*torch.from_numpy(corners).unbind(1))
    axes = draw.normal(size=(len(chain), 3))
    axes *= np.tan(np.radians(turn * draw.normal(size=(len(chain), 1))) / 2) / np.linalg.norm(axes, axis=1)[:, None]
    update = np.concatenate([axes, draw.normal(size=(len(chain), 3)) * shift / np.sqrt(3)], axis=1)
    moved = frames.compose_update(torch.from_numpy(update).float())
    return replace(chain, atoms=place_atoms(moved, torch.from_numpy(chain.bases)).numpy())


def off_plane(chain: Chain) -> float:
    """How far the atoms of a base stray from its plane (Å), of the worst base."""
    spreads = []
    for atoms in chain.atoms[:, len(BACKBONE) :]:
        known = atoms[np.isfinite(atoms).all(axis=-1)]
        spreads.append(np.linalg.svd(known - known.mean(axis=0), compute_uv=False)[-1] / np.sqrt(len(known)))
    return float(max(spreads))


def is_mended(found: Refinement) -> bool:
    """The goals for a predicted structure."""
    shape, clashes = found.after.stereochemistry, found.after.clashes
    return (
        not shape.links.outliers
        and not shape.centres.outliers
        and (shape.bonds.within or 0) >= 0.99
        and (shape.angles.within or 0) >= 0.98
        and (clashes.score or 0) <= 20
    )


@pytest.mark.parametrize("seed", range(2))
def test_a_rigid_prediction_is_mended(seed: int):
    model = perturbed(HAIRPIN, seed)
    found = refine(model)
    assert len(found.before.stereochemistry.links.outliers) >= 3
    assert is_mended(found)
    assert (found.num_placed, found.num_renewed, found.num_open) == (0, 0, 0)
    assert off_plane(found.chain) < 0.03
    puckers = Counter(torsions(found.chain).puckers)
    assert puckers["C3'-endo"] + puckers["C2'-endo"] >= 0.8 * len(HAIRPIN)
    before, after = assess(model, HAIRPIN), assess(found.chain, HAIRPIN)
    assert after.lddt > before.lddt
    assert after.inf_all > before.inf_all - 0.05
    assert after.inf_wc >= before.inf_wc
    assert found.shift < 0.3


def test_an_ideal_structure_stays():
    found = refine(HAIRPIN)
    assert is_mended(found)
    assert found.shift < 0.1
    assert find_interactions(found.chain).pairs == find_interactions(HAIRPIN).pairs
    assert assess(found.chain, HAIRPIN, metrics=("lddt",)).lddt > 0.99


def test_the_same_comes_out_every_time_and_where_it_lies_does_not_matter():
    model = perturbed(HAIRPIN, 0)
    once, again = (refine(model).chain.atoms for _ in range(2))
    assert np.array_equal(once, again, equal_nan=True)
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float32)
    moved = refine(replace(model, atoms=model.atoms @ turn.T + np.float32(20)))
    assert is_mended(moved)
    # L-BFGS takes other turns when sums are rounded otherwise; it ends in the same valley.
    assert np.nanmean(np.linalg.norm(moved.chain.atoms - (once @ turn.T + 20), axis=-1)) < 0.1


@pytest.mark.parametrize("gap", [4.0, 10.0])
def test_a_gap_is_closed(gap: float):
    atoms = STRAND.atoms.copy()
    atoms[20:] += np.float32([0, 0, gap])
    found = refine(replace(STRAND, atoms=atoms))
    assert len(found.before.stereochemistry.links.outliers) == 1
    assert is_mended(found)
    assert found.num_open == 0
    assert found.shift <= MAX_SHIFT


def test_c1_is_bound_however_wide_the_gaps():
    atoms = HAIRPIN.atoms.copy()
    atoms += np.float32([0, 0, 40]) * np.arange(len(HAIRPIN), dtype=np.float32)[:, None, None]
    found = refine(replace(HAIRPIN, atoms=atoms), steps=100)
    assert found.shift <= MAX_SHIFT + 1e-3
    assert found.num_open == len(HAIRPIN) - 1
    assert np.isfinite(found.chain.atoms[found.chain.resolved]).all()


def test_c1_is_bound_when_nothing_else_helps(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(refinement, "MAX_SHIFT", 0.05)
    assert refine(perturbed(HAIRPIN, 1), steps=40).shift == pytest.approx(0.05, abs=1e-3)


def test_strands_are_not_tied_together():
    broken = replace(HAIRPIN, segments=(np.arange(len(HAIRPIN)) >= 9).astype(np.int64))
    atoms = broken.atoms.copy()
    atoms[9:] += np.float32([0, 0, 30])
    found = refine(replace(broken, atoms=atoms))
    assert found.shift < 0.1
    assert np.linalg.norm(found.chain.atom("P")[9] - found.chain.atom("O3'")[8]) > 25


def test_missing_atoms_are_placed():
    atoms = HAIRPIN.atoms.copy()
    atoms[0, :3] = np.nan  # a strand may begin with a hydroxyl
    atoms[4, ATOM_INDEX["N3"]] = atoms[5, ATOM_INDEX["OP1"]] = atoms[6, ATOM_INDEX["O2'"]] = np.nan
    keep = np.isin(np.arange(27), [*FRAME_ATOMS[HAIRPIN.bases[8]]])
    atoms[8, ~keep] = np.nan
    found = refine(replace(HAIRPIN, atoms=atoms))
    assert found.num_placed == 3 + ATOM_MASK[HAIRPIN.bases[8]].sum() - 3
    expected = ATOM_MASK[HAIRPIN.bases]
    expected[0, :3] = False
    assert np.array_equal(found.chain.resolved, expected)
    assert is_mended(found)


def test_residues_without_enough_atoms_stay_as_they_are():
    atoms = HAIRPIN.atoms.copy()
    atoms[8] = np.nan
    atoms[8, ATOM_INDEX["C1'"]] = HAIRPIN.atom("C1'")[8]
    found = refine(replace(HAIRPIN, atoms=atoms))
    assert np.array_equal(found.chain.resolved[8], np.isfinite(atoms[8]).all(axis=-1))
    assert not found.after.stereochemistry.centres.outliers


def test_bent_bases_become_flat():
    atoms = HAIRPIN.atoms.copy()
    draw = np.random.default_rng(0)
    atoms[:, len(BACKBONE) :] += draw.normal(0, 0.2, size=atoms[:, len(BACKBONE) :].shape).astype(np.float32)
    bent = replace(HAIRPIN, atoms=atoms)
    assert off_plane(bent) > 0.1
    assert off_plane(refine(bent).chain) < 0.03


def test_a_mirrored_ribose_is_righted():
    atoms = HAIRPIN.atoms.copy()
    ribose = [ATOM_INDEX[name] for name in ("C4'", "O4'", "C3'", "O3'", "C2'", "O2'", "C5'")]
    centre, across = atoms[8, ATOM_INDEX["C1'"]], atoms[8, ATOM_INDEX["C4'"]] - atoms[8, ATOM_INDEX["C2'"]]
    across /= np.linalg.norm(across)
    atoms[8, ribose] -= 2 * ((atoms[8, ribose] - centre) @ across)[:, None] * across
    mirrored = replace(HAIRPIN, atoms=atoms)
    assert stereochemistry(mirrored).centres.outliers
    found = refine(mirrored)
    assert found.num_renewed == 1
    assert is_mended(found)


@pytest.mark.parametrize("wreck", ["coincident", "collapsed", "noise"])
def test_a_wreck_becomes_a_structure_or_stays_finite(wreck: str):
    atoms = HAIRPIN.atoms.copy()
    if wreck == "coincident":
        atoms[7] = atoms[8, ATOM_INDEX["P"]]
    elif wreck == "collapsed":
        atoms[:] = atoms.reshape(-1, 3)[np.isfinite(atoms.reshape(-1, 3)).all(axis=1)].mean(axis=0)
    else:
        atoms += np.random.default_rng(0).normal(size=atoms.shape).astype(np.float32)
    found = refine(replace(HAIRPIN, atoms=np.where(HAIRPIN.resolved[..., None], atoms, np.float32(np.nan))), steps=60)
    assert np.array_equal(np.isfinite(found.chain.atoms).all(axis=-1), HAIRPIN.resolved)
    assert found.shift <= MAX_SHIFT + 1e-3


def test_a_crowd_costs_no_memory():
    helix = duplex("GC" * 60)
    heap = np.where(helix.resolved[..., None], helix.atoms * np.float32(0.01), np.float32(np.nan))
    found = refine(replace(helix, atoms=heap), steps=4)
    assert np.isfinite(found.chain.atoms[helix.resolved]).all()


def test_pairs_that_are_given_are_kept_together():
    model = perturbed(HAIRPIN, 2, shift=1.0)
    given, found = refine(model, interactions=find_interactions(HAIRPIN)), refine(model)
    known, alone = (assess(each.chain, HAIRPIN, metrics=("inf_wc",)).inf_wc for each in (given, found))
    assert known > alone


def test_hydrogens_are_where_clashes_have_them():
    found = hydrogens_of(HAIRPIN)
    placed = place(found, torch.from_numpy(np.nan_to_num(HAIRPIN.atoms.reshape(-1, 3)))).numpy()
    expected = place_hydrogens(HAIRPIN)
    assert np.allclose(placed, expected[np.isfinite(expected).all(axis=-1)], atol=1e-4)
    assert (found.column.numpy() == METHYLENE.start).sum() == len(HAIRPIN)


def test_the_energy_has_the_gradient_of_its_differences():
    model = perturbed(HAIRPIN.subset(range(6)), 0)
    linked = np.arange(6) < 5
    restraints = restrain(model, linked, Interactions((), ()))
    atoms = torch.from_numpy(np.nan_to_num(model.atoms.reshape(-1, 3))).double()
    contacts = restraints.contacts(atoms)
    atoms.requires_grad_()
    restraints.energy(atoms, contacts, 0.05).backward()
    assert atoms.grad is not None
    for place_ in (ATOM_INDEX["C1'"] + 27, ATOM_INDEX["C5'"] + 54, ATOM_INDEX["O3'"] + 81):
        step = torch.zeros_like(atoms.grad)
        step[place_, 1] = 1e-5
        with torch.no_grad():
            up, down = (restraints.energy(atoms + sign * step, contacts, 0.05) for sign in (1, -1))
        assert float(up - down) / 2e-5 == pytest.approx(float(atoms.grad[place_, 1]), rel=1e-3)


def test_a_file_is_read_with_its_gaps_joined(tmp_path: Path):
    atoms = STRAND.atoms.copy()
    atoms[20:] += np.float32([0, 0, 5])
    write_structure(replace(STRAND, atoms=atoms), tmp_path / "gap.cif")
    chains = read_structure(tmp_path / "gap.cif").chains
    assert chains[0].segments.max() == 1
    assert join_near(chains).segments.max() == 0
    assert not refine(tmp_path / "gap.cif").after.stereochemistry.links.outliers
    apart = replace(chains[0], residue_numbers=np.arange(40) + 5 * (np.arange(40) >= 20))
    assert join_near([apart]).segments.max() == 1


def test_nothing_to_refine_is_refused():
    with pytest.raises(DataError, match="nothing to refine"):
        refine(replace(HAIRPIN, atoms=empty_atoms(len(HAIRPIN))))


def test_parts_are_renewed_only_where_they_are_broken():
    same, num_renewed = renew(HAIRPIN)
    assert num_renewed == 0
    assert np.array_equal(same.atoms, HAIRPIN.atoms, equal_nan=True)


@pytest.mark.data
def test_a_natural_chain_stays_good(data_folder: Path):
    native = read_structure(data_folder / "rna_fullatom" / "pdb" / "7u0y.pdb.gz").chains[0]
    found = refine(native)
    assert is_mended(found)
    assert found.shift < 0.1
    assert assess(found.chain, native, metrics=("tm_score",)).tm_score > 0.99
