"""Close hairpin loops of rigid nucleotides on an A-form stem; write src/monosome/rna/loops.json.

    python tools/close_loops.py

Each loop starts as an arc over the closing pair and is relaxed until its strand is bonded (link lengths and the
distances across the link's angles), bases step on as in stacked strands, and no atoms clash. Of several starts the one
of least energy is kept. Each nucleotide counts as guanosine and uridine at once, so the loop takes any sequence: A and
C hardly reach beyond them.
"""

import json
import math
from datetime import date
from pathlib import Path

import torch
from torch import Tensor

from monosome.rna.frames import Frames
from monosome.rna.geometry import helix_frames, partner_frames, place_atoms
from monosome.rna.nucleotides import ATOM_INDEX, ATOM_MASK, BACKBONE, BASE_INDEX

LENGTHS = range(3, 13)
NUM_STARTS = 16
NUM_STEM = 3
"""Pairs of the stem that the loop must not clash with."""
LINK = {
    ("O3'", "P"): (1.607, 0.02), ("C3'", "P"): (2.62, 0.05), ("O3'", "O5'"): (2.52, 0.05),
    ("O3'", "OP1"): (2.50, 0.1), ("O3'", "OP2"): (2.50, 0.1),
}  # fmt: skip
"""Distance and tolerance (Å) across the O3'–P link: the bond, and what C3'-O3'-P 119.7° and O3'-P-O 104–108° make."""
STEP = 5.55
"""C1'–C1' of stacked neighbours (Å), the median of real chains; kept within 5 and 7 Å."""
CONTACT = 3.2
"""Closest approach of unbonded heavy atoms (Å)."""

IS_BASE = torch.tensor([name not in BACKBONE for name in ATOM_INDEX])
PRESENT = [torch.from_numpy(ATOM_MASK[BASE_INDEX[base]]) for base in "GU"]


def placed(frames: Frames, base: str) -> Tensor:
    """Atoms of one kind of nucleotide in these frames."""
    return place_atoms(frames, torch.full((len(frames.translations),), BASE_INDEX[base]))


def either(frames: Frames) -> Tensor:
    """Atoms of guanosines, and the bases of uridines over them."""
    return torch.cat([placed(frames, "G")[:, PRESENT[0]], placed(frames, "U")[:, PRESENT[1] & IS_BASE]], dim=1)


EITHER_IS_BASE = torch.cat([IS_BASE[PRESENT[0]], torch.ones(int((PRESENT[1] & IS_BASE).sum()), dtype=torch.bool)])


class Stem:
    """The end of a stem that a loop closes: the closing pair, in helix coordinates, and the pairs below it."""

    def __init__(self) -> None:
        backwards = torch.arange(NUM_STEM - 1, -1, -1)
        self.rising = lowered(helix_frames(NUM_STEM))
        self.falling = lowered(partner_frames(NUM_STEM))[backwards]

    def strand(self, loop: Frames) -> Tensor:
        """Atoms of the closing pair with the loop between, as guanosines."""
        ends = placed(self.rising[-1:], "G"), placed(self.falling[:1], "G")
        return torch.cat([ends[0], placed(loop, "G"), ends[1]])


def lowered(frames: Frames) -> Frames:
    """The frames moved down the screw until the last pair stands where `helix_frames` has the first."""
    last, first = helix_frames(NUM_STEM)[-1], helix_frames(1)[0]
    turn = first.rotations @ last.rotations.T
    return Frames(turn @ frames.rotations, (frames.translations - last.translations) @ turn.T + first.translations)


def arc(stem: Stem, length: int) -> Frames:
    """Nucleotides evenly on an arc over the closing pair, turned with it about the dyad (x) by half a turn in all."""
    start, end = stem.rising.translations[-1], stem.falling.translations[0]
    chord, way = float((end - start).norm()), STEP * (length + 1)
    low, high = 0.0, math.pi
    for _ in range(60):  # the half angle at which the chord of an arc of that length spans the pair
        half = (low + high) / 2
        low, high = (half, high) if math.sin(half) / half > chord / way else (low, half)
    radius, share = way / (2 * half), torch.arange(1, length + 1) / (length + 1)
    along = (end - start) / chord
    up = torch.tensor([0.0, 0.0, 1.0]) - along * along[2]
    angle = (2 * share - 1) * half
    height = (angle.cos() - math.cos(half)).unsqueeze(-1) * up / up.norm()
    places = (start + end) / 2 + radius * (angle.sin().unsqueeze(-1) * along + height)
    turn = -math.pi * share
    zero, one = torch.zeros(length), torch.ones(length)
    rows = [[one, zero, zero], [zero, turn.cos(), -turn.sin()], [zero, turn.sin(), turn.cos()]]
    return Frames(torch.stack([torch.stack(row, -1) for row in rows], -2) @ stem.rising.rotations[-1], places)


def energy(stem: Stem, loop: Frames) -> Tensor:
    """Squares of what is off, each in its tolerance."""
    linked = stem.strand(loop)
    terms = [
        ((distance(linked, *pair) - length) / tolerance).square().sum() for pair, (length, tolerance) in LINK.items()
    ]
    step = distance(linked, "C1'", "C1'")
    beyond = (5.1 - step).clamp(min=0) + (step - 6.9).clamp(min=0)
    terms += [(step - STEP).square().sum(), beyond.div(0.05).square().sum()]
    near = ((CONTACT - contacts(stem, loop)).clamp(min=0) / 0.1).square().sum()
    return torch.stack([*terms, near]).sum()


def distance(strand: Tensor, one: str, other: str) -> Tensor:
    """From an atom of each nucleotide to an atom of the next (Å)."""
    return (strand[:-1, ATOM_INDEX[one]] - strand[1:, ATOM_INDEX[other]]).norm(dim=-1)


def contacts(stem: Stem, loop: Frames) -> Tensor:
    """Distances (Å) of loop atoms to atoms of other nucleotides, but for backbone to backbone of neighbours."""
    atoms = either(loop)
    strand = torch.cat([either(stem.rising), atoms, either(stem.falling)])
    gap = (torch.arange(len(strand)) - torch.arange(NUM_STEM, NUM_STEM + len(atoms)).unsqueeze(-1)).abs()
    through_base = EITHER_IS_BASE.unsqueeze(-1) | EITHER_IS_BASE
    counted = (gap > 1)[:, None, :, None] | ((gap == 1)[:, None, :, None] & through_base[:, None, :])
    squared = (atoms[:, :, None, None] - strand).square().sum(dim=-1)
    return squared[counted].sqrt()


def closed(stem: Stem, length: int, seed: int) -> tuple[float, Frames]:
    """Energy and frames of a loop relaxed from a start that `seed` shakes."""
    start = arc(stem, length)
    moves = (0.25 * torch.randn(length, 6, generator=torch.Generator().manual_seed(seed))).requires_grad_()
    optimizer = torch.optim.LBFGS([moves], max_iter=500, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = energy(stem, start.compose_update(moves))
        value.backward()
        return value

    optimizer.step(closure)
    with torch.no_grad():
        loop = start.compose_update(moves)
        return float(energy(stem, loop)), loop


def main() -> None:
    """Close, report, write."""
    torch.set_num_threads(1)
    stem, lines = Stem(), {}
    about = f"Frames (rotation by rows, origin in Å) of hairpin loops by length; tools/close_loops.py, {date.today()}."
    for length in LENGTHS:
        value, loop = min((closed(stem, length, seed) for seed in range(NUM_STARTS)), key=lambda found: found[0])
        strand = stem.strand(loop)
        link, step = distance(strand, "O3'", "P"), distance(strand, "C1'", "C1'")
        print(
            f"{length}: energy {value:.1f}, O3'–P {link.min():.2f} to {link.max():.2f} Å, "
            f"C1'–C1' {step.min():.2f} to {step.max():.2f} Å, closest contact {contacts(stem, loop).min():.2f} Å"
        )
        values = torch.cat([loop.rotations.flatten(-2), loop.translations], dim=-1)
        lines[str(length)] = [[round(number, 5) + 0.0 for number in row] for row in values.tolist()]
    values = {"about": about, **lines}
    text = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
    place = Path(__file__).parent.parent / "src/monosome/rna/loops.json"
    place.write_text("{\n" + text + "\n}\n")


if __name__ == "__main__":
    main()
