"""Frames of nucleotides of which only C1' is known, from fragments of real strands that have the same shape."""

import functools
import io
from importlib import resources
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64

from monosome.rna.frames import Frames
from monosome.rna.superposition import move, superpose

LENGTH = 5
"""Residues of a fragment."""
NUM_TRIED = 4
"""Fragments of the nearest shapes that are laid over each window."""
_PAIRS = np.triu_indices(LENGTH, 1)
_CORNERS = np.array([(0, 1, 2, 3), (1, 2, 3, 4), (0, 1, 3, 4)])
_VOLUME = 240.0
"""Å³ that count as much as 1 Å: both then vary alike."""
_OFFSETS = (0, -1, 1, -2, 2)
"""A residue is taken from the window that it is the middle of; near an end, from the nearest one."""

Points = Float[np.ndarray, "m s 3"]


def shape(points: Points) -> Float[np.ndarray, "m d"]:
    """What does not change as points move together: distances (Å), and signed volumes, which mirror images differ in.

    `points` are C1' of windows of LENGTH residues.
    """
    distances = np.linalg.norm(points[:, _PAIRS[0]] - points[:, _PAIRS[1]], axis=-1)
    a, b, c, d = (points[:, corner] for corner in _CORNERS.T)
    volumes = (np.cross(b - a, c - a) * (d - a)).sum(axis=-1)
    return np.concatenate([distances, volumes / _VOLUME], axis=1)


def trace_frames(places: Float32[np.ndarray, "n 3"], segments: Int64[np.ndarray, "n"]) -> Frames:
    """Frames of the residues by their C1' in Å; NaN where no window of LENGTH residues of a strand is complete.

    Each residue gets the frame that it has in the real fragment (fragments.npz, tools/measure_fragments.py) whose C1'
    lie nearest to those of its window, moved so that its own C1' is met.
    """
    rotations = np.full((len(places), 3, 3), np.nan, dtype=np.float32)
    translations = np.full((len(places), 3), np.nan, dtype=np.float32)
    starts = np.arange(max(0, len(places) - LENGTH + 1))
    starts = starts[segments[starts] == segments[starts + LENGTH - 1]]
    windows = starts[:, None] + np.arange(LENGTH)
    complete = np.isfinite(places[windows]).all(axis=(1, 2))
    starts, windows = starts[complete], windows[complete]
    if len(starts):
        turned, placed = _nearest(places[windows])
        done = np.zeros(len(places), dtype=bool)
        for offset in _OFFSETS:
            at = LENGTH // 2 + offset
            wanted = ~done[windows[:, at]]
            rotations[windows[wanted, at]], translations[windows[wanted, at]] = turned[wanted, at], placed[wanted, at]
            done[windows[:, at]] = True
    return Frames(torch.from_numpy(rotations), torch.from_numpy(translations))


def _nearest(points: Points) -> tuple[Float32[np.ndarray, "m s 3 3"], Float32[np.ndarray, "m s 3"]]:
    """Rotations and places of all residues of the fragment nearest to each window."""
    known, rotations, places = _fragments()
    _, candidates = _tree().query(shape(points), k=NUM_TRIED)
    best = np.full(len(points), np.inf)
    turned, placed = np.empty((*points.shape[:2], 3, 3), np.float32), np.empty(points.shape, np.float32)
    for chosen in candidates.T:
        turn, shift = superpose(known[chosen], points)
        laid = move(known[chosen], turn, shift)
        off = np.square(laid - points).sum(axis=(1, 2))
        better = off < best
        best[better] = off[better]
        turned[better] = np.einsum("mij,msjk->msik", turn, rotations[chosen])[better]
        placed[better] = (move(places[chosen], turn, shift) + points - laid)[better]
    return turned, placed


@functools.cache
def _fragments() -> tuple[Points, Float[np.ndarray, "m s 3 3"], Points]:
    """C1', rotations and places of the frames of each fragment."""
    content = (resources.files("monosome.rna") / "fragments.npz").read_bytes()
    table = np.load(io.BytesIO(content), allow_pickle=False)
    return tuple(table[name].astype(np.float64) for name in ("points", "rotations", "places"))


@functools.cache
def _tree() -> Any:
    from scipy.spatial import cKDTree

    return cKDTree(shape(_fragments()[0]))
