"""Choose fragments of real strands that tell frames from C1' alone; write src/monosome/rna/fragments.npz.

    python tools/measure_fragments.py FOLDER

FOLDER holds structures with all atoms (or what `monosome prepare rna` made of them; chains without are passed over). Of
all unbroken windows of five residues NUM_FRAGMENTS are kept: of each of so many clusters by shape the one nearest to
its mean. Every tenth chain is left out of the choice and says how well the others' fragments place C4' and P.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from scipy.cluster.vq import kmeans2

from monosome.rna import trace
from monosome.rna.chain import Chain
from monosome.rna.dataset import read_collection
from monosome.rna.frames import Frames
from monosome.rna.geometry import place_atoms
from monosome.rna.nucleotides import ATOM_INDEX, FRAME_ATOMS

NUM_FRAGMENTS = 1000
TABLE = Path(__file__).parent.parent / "src/monosome/rna/fragments.npz"


def windows(chain: Chain) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """C1' of all whole windows, and rotations and places of their residues' frames."""
    atoms = np.take_along_axis(chain.atoms, FRAME_ATOMS[chain.bases][:, :, None], axis=1)
    frames = Frames.from_points(*torch.from_numpy(atoms).unbind(1))
    starts = np.arange(max(0, len(chain) - trace.LENGTH + 1))
    rows = starts[:, None] + np.arange(trace.LENGTH)
    whole = (np.ptp(chain.segments[rows], axis=1) == 0) & chain.has_frame[rows].all(axis=1)
    rows = rows[whole]
    return chain.atom("C1'")[rows], frames.rotations.numpy()[rows], frames.translations.numpy()[rows]


def chosen(points: np.ndarray) -> np.ndarray:
    """Indices of the windows to keep."""
    shapes = trace.shape(points)
    centres, owner = kmeans2(shapes, NUM_FRAGMENTS, minit="++", seed=0, missing="warn")
    off = np.linalg.norm(shapes - centres[owner], axis=1)
    order = np.lexsort((off, owner))
    return order[np.unique(owner[order], return_index=True)[1]]


def write(chains: list[Chain]) -> int:
    """Write the table of these chains' fragments; how many windows there were."""
    points, rotations, places = (np.concatenate(each) for each in zip(*map(windows, chains), strict=True))
    kept = chosen(points)
    middle = points[kept].mean(axis=1, keepdims=True)
    np.savez_compressed(
        TABLE,
        points=(points[kept] - middle).astype(np.float16),
        rotations=rotations[kept].astype(np.float16),
        places=(places[kept] - middle).astype(np.float16),
    )
    trace._fragments.cache_clear(), trace._tree.cache_clear()
    return len(points)


def errors(chain: Chain) -> dict[str, np.ndarray]:
    """How far (Å) C4' and P are from where their C1' alone says."""
    frames = trace.trace_frames(chain.atom("C1'"), chain.segments)
    placed = place_atoms(frames, torch.from_numpy(chain.bases)).numpy()
    off = np.linalg.norm(placed - chain.atoms, axis=-1)
    return {name: off[np.isfinite(off[:, ATOM_INDEX[name]]), ATOM_INDEX[name]] for name in ("C4'", "P")}


def main() -> None:
    """Choose, measure on chains left out, choose from all and write."""
    chains = [chain for chain in read_collection(Path(sys.argv[1])).chains if chain.has_frame.sum() >= trace.LENGTH]
    write([chain for number, chain in enumerate(chains) if number % 10])
    found = [errors(chain) for chain in chains[::10]]
    for name in ("C4'", "P"):
        off = np.concatenate([each[name] for each in found])
        print(f"{name}: median {np.median(off):.2f} Å, 90 % within {np.quantile(off, 0.9):.2f} Å, {len(off)} residues")
    print(write(chains), "windows of", len(chains), "chains")


if __name__ == "__main__":
    main()
