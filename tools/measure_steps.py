"""Measure how each nucleotide follows another on average; write src/monosome/rna/steps.json.

    python tools/measure_steps.py FOLDER

FOLDER holds structures (or what `monosome prepare rna` made of them). Of the steps from the frame of one residue to
that of the next, bonded one, by their two bases, the medoid is kept: the step whose median distance to the others is
least. Means of rotations and places would be shorter than any real step, since strands turn in several ways.
"""

import json
import sys
from datetime import date
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from monosome.rna.chain import Chain
from monosome.rna.dataset import read_collection
from monosome.rna.frames import Frames
from monosome.rna.nucleotides import BASES, FRAME_ATOMS
from monosome.rna.start import steps_of

ARM = 5.0
"""Points at this distance (Å) along the axes of a frame tell two steps apart: about where a base ends."""
MOST = 2000
"""Steps of two bases that are compared, the first in order of the chains."""


def chain_steps(chain: Chain) -> tuple[Frames, Tensor]:
    """Steps between bonded residues that have frames, and the bases of both."""
    places = np.take_along_axis(chain.atoms, FRAME_ATOMS[chain.bases][:, :, None], axis=1)
    steps = steps_of(Frames.from_points(*torch.from_numpy(places).unbind(1)))
    bases = torch.from_numpy(chain.bases)
    bonded = chain.has_frame[1:] & chain.has_frame[:-1] & (np.diff(chain.segments) == 0)
    kept = 1 + np.flatnonzero(bonded)
    return steps[kept], torch.stack([bases[kept - 1], bases[kept]], dim=-1)


def medoid(steps: Frames) -> int:
    """The step whose median distance to the others is least."""
    arms = ARM * torch.cat([torch.eye(3), torch.zeros(1, 3)])
    points = steps.apply(arms.expand(len(steps.translations), 4, 3)).flatten(1)
    return int(torch.cdist(points, points).median(dim=1).values.argmin())


def main() -> None:
    """Measure and write."""
    folder = Path(sys.argv[1])
    found = [chain_steps(chain) for chain in read_collection(folder).chains if chain.has_frame.any()]
    rotations, places = (
        torch.cat([getattr(steps, name) for steps, _ in found]) for name in ("rotations", "translations")
    )
    bases = torch.cat([each for _, each in found])
    table: dict[str, object] = {
        "about": f"medoid steps of {len(found)} chains, {len(bases)} steps ({date.today()}): rotation, place in Å"
    }
    for one, first in enumerate(BASES):
        for two, second in enumerate(BASES):
            chosen = ((bases == torch.tensor([one, two])).all(dim=-1)).nonzero().squeeze(1)[:MOST]
            here = Frames(rotations[chosen], places[chosen])
            best = here[medoid(here)]
            numbers = [*best.rotations.flatten().tolist(), *best.translations.tolist()]
            table[first + second] = [round(number, 7) for number in numbers]
    text = json.dumps(table, indent=1)
    (Path(__file__).parent.parent / "src/monosome/rna/steps.json").write_text(text + "\n")
    print(len(table) - 1, "steps written")


if __name__ == "__main__":
    main()
