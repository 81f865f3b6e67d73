"""Frames from C1' alone: those of real and ideal strands come back, wherever they lie, and nothing is made up."""

from pathlib import Path

import numpy as np
import pytest
import torch

from monosome.rna.files import read_structure
from monosome.rna.frames import Frames
from monosome.rna.geometry import hairpin, place_atoms
from monosome.rna.nucleotides import ATOM_INDEX
from monosome.rna.trace import trace_frames

HAIRPIN = hairpin("GGCGAACUGCGAAAGCAGUUCGCC", 10)
"""Ten pairs and a GNRA loop."""


def _off(frames: Frames, atoms: np.ndarray, bases: np.ndarray, name: str) -> np.ndarray:
    placed = place_atoms(frames, torch.from_numpy(bases)).numpy()
    return np.linalg.norm(placed - atoms, axis=-1)[:, ATOM_INDEX[name]]


def test_a_hairpin_comes_back_from_its_trace() -> None:
    frames = trace_frames(HAIRPIN.atom("C1'"), HAIRPIN.segments)
    assert np.median(_off(frames, HAIRPIN.atoms, HAIRPIN.bases, "C4'")) < 0.5
    assert np.median(_off(frames, HAIRPIN.atoms, HAIRPIN.bases, "P")) < 1.0
    assert _off(frames, HAIRPIN.atoms, HAIRPIN.bases, "C1'").max() < 0.05  # it is met


def test_frames_move_with_the_trace() -> None:
    places = HAIRPIN.atom("C1'")
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    turn = (turn * np.sign(np.linalg.det(turn))).astype(np.float32)
    moved = trace_frames(places @ turn.T + np.float32(7), HAIRPIN.segments)
    still = trace_frames(places, HAIRPIN.segments)
    torch.testing.assert_close(moved.rotations, torch.from_numpy(turn) @ still.rotations, atol=1e-3, rtol=0)
    torch.testing.assert_close(moved.translations, still.translations @ torch.from_numpy(turn.T) + 7, atol=1e-2, rtol=0)


def test_a_mirror_image_is_no_strand() -> None:
    """Its C1' have the right distances, and no right-handed fragment lies on them."""
    mirrored = HAIRPIN.atoms * np.array([1, 1, -1], dtype=np.float32)
    frames = trace_frames(mirrored[:, ATOM_INDEX["C1'"]], HAIRPIN.segments)
    assert np.median(_off(frames, mirrored, HAIRPIN.bases, "P")) > 2.0


def test_only_whole_windows_of_one_strand_count() -> None:
    places, strands = HAIRPIN.atom("C1'").copy(), np.repeat([0, 1], [4, 20])
    places[10] = np.nan
    known = trace_frames(places, strands).translations.isfinite().all(dim=-1).numpy()
    assert not known[:4].any()  # a strand of four has no window of five
    assert not known[10]
    assert known[4:10].all()
    assert known[11:].all()
    assert not trace_frames(places[:3], strands[:3]).translations.isfinite().any()


@pytest.mark.data
def test_natural_strands_come_back(data_folder: Path) -> None:
    """Four natives of RNA-Puzzles from their C1': C4' to 0.6 Å and P to 1.5 Å in the median."""
    files = sorted((data_folder / "rna_puzzles_early").rglob("*_solution_0_rpr.pdb.gz"))[:4]
    assert files
    off: dict[str, list[np.ndarray]] = {"C4'": [], "P": []}
    for file in files:
        for chain in read_structure(file).chains:
            frames = trace_frames(chain.atom("C1'"), chain.segments)
            for name, found in off.items():
                values = _off(frames, chain.atoms, chain.bases, name)
                found.append(values[np.isfinite(values)])
    assert np.median(np.concatenate(off["C4'"])) < 0.6
    assert np.median(np.concatenate(off["P"])) < 1.5
