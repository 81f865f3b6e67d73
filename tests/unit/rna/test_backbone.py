"""Atoms from torsions: what was asked for is what is measured, and real nucleotides come back."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from monosome.rna.backbone import TORSIONS, place_atoms
from monosome.rna.chain import Chain
from monosome.rna.files import read_structure
from monosome.rna.frames import Frames
from monosome.rna.geometry import duplex, helix_frames
from monosome.rna.geometry import place_atoms as place_rigid
from monosome.rna.nucleotides import ATOM_INDEX, ATOM_MASK, BACKBONE, BASES, FRAME_ATOMS, encode
from monosome.rna.stereochemistry import ANGLES, BONDS, stereochemistry
from monosome.rna.torsion_head import A_FORM, directions, true_torsions
from monosome.rna.torsions import torsions
from tests.unit.rna.test_frames import random_frames

PHASE = TORSIONS.index("phase")
PLACING = TORSIONS[:5]


def drawn(num: int, seed: int = 0) -> torch.Tensor:
    """Angles (radians) at random, phases all round."""
    angles = (torch.rand(num, len(TORSIONS), generator=torch.Generator().manual_seed(seed)) * 2 - 1) * math.pi
    angles[:, PHASE] = torch.linspace(0, 2 * math.pi, num + 1)[:-1]
    return angles


def vectors(angles: torch.Tensor) -> torch.Tensor:
    return torch.stack([angles.sin(), angles.cos()], dim=-1)


def chain_of(atoms: torch.Tensor, bases: torch.Tensor) -> Chain:
    """Residues as strands of their own."""
    numbers = np.arange(len(bases))
    return Chain("placed", "".join(BASES[base] for base in bases.tolist()), atoms.numpy(), numbers + 1, numbers)


def placed(angles: torch.Tensor) -> Chain:
    bases = torch.arange(len(angles)) % 4
    return chain_of(place_atoms(Frames.identity((len(angles),)), vectors(angles), bases), bases)


def off(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs((one - other + 180) % 360 - 180)


def frames_of(chain: Chain) -> Frames:
    points = torch.from_numpy(np.take_along_axis(chain.atoms, FRAME_ATOMS[chain.bases][:, :, None], axis=1))
    return Frames.from_points(*points.unbind(1))


@pytest.mark.parametrize(("name", "degrees"), [("beta", 0.5), ("gamma", 0.5), ("chi", 0.5), ("phase", 3.5)])
def test_the_torsions_asked_for_are_measured(name: str, degrees: float):
    angles = drawn(360)
    measured = getattr(torsions(placed(angles)), name)
    assert off(measured, np.degrees(angles[:, TORSIONS.index(name)].numpy())).max() < degrees


def test_alpha_is_where_the_oxygens_leave_room_for_the_residue_before():
    """O3' put on P where α says it is stands to both oxygens as the ideal angles want."""
    angles = drawn(40)
    chain, ideal = placed(angles), dict(zip(ANGLES.names[0], ANGLES.ideal[0], strict=False))
    p, o5, c5 = (chain.atom(name).astype(np.float64) for name in ("P", "O5'", "C5'"))
    axis = (p - o5) / np.linalg.norm(p - o5, axis=-1, keepdims=True)
    normal = np.cross(o5 - c5, axis)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    alpha, bend = angles[:, :1].numpy(), np.radians(ideal["O3' +P +O5'"])
    aside = np.cos(alpha) * np.cross(normal, axis) + np.sin(alpha) * normal
    toward = np.sin(bend) * aside - np.cos(bend) * axis
    for name in ("OP1", "OP2"):
        arm = chain.atom(name) - p
        found = np.degrees(np.arccos((arm * toward).sum(-1) / np.linalg.norm(arm, axis=-1)))
        assert np.allclose(found, ideal[f"O3' +P +{name}"], atol=0.1)
    arms = [chain.atom(name) - p for name in ("OP1", "OP2")]
    assert (np.linalg.det(np.stack([toward, *arms], axis=1)) * np.linalg.det(handed()) > 0).all()


def handed() -> np.ndarray:
    """O3' of the residue before, OP1 and OP2 as P sees them in the ideal helix."""
    chain = duplex("GGG")
    p = chain.atom("P")[1]
    return np.stack([chain.atom("O3'")[0] - p, chain.atom("OP1")[1] - p, chain.atom("OP2")[1] - p])


def test_bonds_angles_and_hands_are_right_at_any_torsions():
    chain = placed(drawn(720))
    found = stereochemistry(chain)
    assert found.bonds.num > 10_000
    assert not found.bonds.outliers
    assert not found.angles.outliers
    assert not found.centres.outliers
    lengths = BONDS.measure(chain) - BONDS.ideal[chain.bases]
    assert np.nanmax(np.abs(lengths[:, :12])) < 2e-3, "those of phosphate and ribose"


def test_pucker_and_delta_go_together():
    angles = drawn(2)
    angles[:, PHASE] = torch.tensor([15.0, 161.0]).deg2rad()
    found = torsions(placed(angles))
    assert found.puckers == ["C3'-endo", "C2'-endo"]
    assert found.delta == pytest.approx([80.2, 147.0], abs=1.5)  # medians at 2.0 Å or better
    assert found.amplitude == pytest.approx(39.7, abs=1)


def test_the_frame_is_kept():
    frames, bases = random_frames(3, 8), torch.arange(24).reshape(3, 8) % 4
    atoms = place_atoms(frames, vectors(drawn(24)).reshape(3, 8, -1, 2), bases)
    points = atoms.gather(2, torch.from_numpy(FRAME_ATOMS)[bases].unsqueeze(-1).expand(-1, -1, -1, 3))
    again = Frames.from_points(*points.unbind(2))
    assert torch.allclose(again.rotations, frames.rotations, atol=1e-4)
    assert torch.allclose(again.translations, frames.translations, atol=1e-5)
    assert torch.equal(atoms.isfinite().all(-1), torch.from_numpy(ATOM_MASK)[bases])


def test_a_helix_of_a_form_torsions_is_the_ideal_helix():
    bases = torch.from_numpy(encode("GACUGACU"))
    atoms = place_atoms(helix_frames(8), torch.from_numpy(A_FORM).expand(8, -1, -1), bases)
    ideal = place_rigid(helix_frames(8), bases)
    exists = torch.from_numpy(ATOM_MASK)[bases]
    assert (atoms - ideal)[exists].square().sum(-1).mean().sqrt() < 0.1
    link = (atoms[:-1, ATOM_INDEX["O3'"]] - atoms[1:, ATOM_INDEX["P"]]).norm(dim=-1)
    assert torch.allclose(link, torch.tensor(1.607), atol=0.15)


def test_gradients_reach_what_places_atoms_and_are_those_of_differences():
    bases = torch.arange(4)
    angles = drawn(4, seed=1).requires_grad_()

    def total(at: torch.Tensor) -> torch.Tensor:
        atoms = place_atoms(Frames.identity((4,)), vectors(at), bases)[torch.from_numpy(ATOM_MASK)]
        return (atoms * torch.linspace(-1, 1, 3)).square().sum()

    total(angles).backward()
    assert angles.grad is not None
    assert not angles.grad[:, len(PLACING) :].any()
    for place in range(len(PLACING)):
        step = torch.zeros_like(angles)
        step[:, place] = 1e-2
        with torch.no_grad():
            difference = (total(angles + step) - total(angles - step)) / 2e-2
        assert float(difference) == pytest.approx(float(angles.grad[:, place].sum()), rel=0.02, abs=0.05)


def test_vectors_of_no_length_place_atoms_somewhere():
    torsion = torch.zeros(4, len(TORSIONS), 2, requires_grad=True)
    atoms = place_atoms(Frames.identity((4,)), directions(torsion), torch.arange(4))[torch.from_numpy(ATOM_MASK)]
    atoms.square().sum().backward()
    assert atoms.isfinite().all()
    assert torsion.grad is not None
    assert torsion.grad.isfinite().all()


@pytest.mark.data
def test_natural_nucleotides_are_rebuilt_from_their_torsions(data_folder: Path):
    """20 chains: all atoms to 0.3 Å and P to 0.5 Å, where the rigid template is off by 1.0 Å and 1.6 Å."""
    folder = data_folder / "rna_fullatom"
    with (folder / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["resolution"] and float(row["resolution"]) <= 3.5]
    names = [row["id"] for row in rows if 20 <= int(row["length"]) <= 100][:20]
    squares: dict[str, list[np.ndarray]] = {"rebuilt": [], "rigid": []}
    for name in names:
        chain = read_structure(folder / "pdb" / f"{name}.pdb.gz").chains[0]
        chain = chain.subset(chain.has_frame)
        frames, bases = frames_of(chain), torch.from_numpy(chain.bases)
        rebuilt = place_atoms(frames, torch.from_numpy(true_torsions(chain)[0]), bases)
        for kind, atoms in (("rebuilt", rebuilt), ("rigid", place_rigid(frames, bases))):
            squares[kind].append(np.square(atoms.numpy() - chain.atoms).sum(axis=-1))
    found = {kind: np.concatenate(values) for kind, values in squares.items()}
    assert math.sqrt(np.nanmean(found["rebuilt"])) < 0.3 < 0.9 < math.sqrt(np.nanmean(found["rigid"]))
    assert math.sqrt(np.nanmean(found["rebuilt"][:, 0])) < 0.5 < 1.3 < math.sqrt(np.nanmean(found["rigid"][:, 0]))
    assert math.sqrt(np.nanmean(found["rebuilt"][:, len(BACKBONE) :])) < 0.2
