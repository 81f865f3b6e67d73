"""Atoms from frames, and ideal A-form shapes: helices, duplexes and hairpins."""

import functools
import json
from dataclasses import replace
from importlib import resources

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from monosome.errors import DataError
from monosome.rna.chain import Chain
from monosome.rna.frames import Frames
from monosome.rna.nucleotides import ATOM_MASK, BASES, HELIX, TEMPLATE, WATSON_CRICK, WOBBLE, encode

COMPLEMENT = str.maketrans("ACGU", "UGCA")


def place_atoms(frames: Frames, bases: Int[Tensor, "*batch n"]) -> Float[Tensor, "*batch n 27 3"]:
    """Coordinates of the heavy atoms of rigid nucleotides (Å), NaN for atoms that a base lacks.

    Gradients reach the frames through the atoms that exist only: select by ATOM_MASK before any arithmetic.
    """
    template = torch.from_numpy(np.nan_to_num(TEMPLATE)).to(frames.translations)[bases]
    exists = torch.from_numpy(ATOM_MASK).to(bases.device)[bases]
    # The product is written out, so that autocast leaves it in fp32.
    turned = (frames.rotations.unsqueeze(-3) * template.unsqueeze(-2)).sum(dim=-1)
    return torch.where(exists.unsqueeze(-1), turned + frames.translations.unsqueeze(-2), torch.nan)


def helix_frames(num: int) -> Frames:
    """Frames of an ideal A-form strand, 5' to 3' up the z axis, which is the helix axis.

    Neighbours are bonded: O3'–P comes out at 1.607 Å.
    """
    return _strand(torch.arange(num))


def partner_frames(num: int) -> Frames:
    """Frames of the Watson–Crick partner of each nucleotide of `helix_frames(num)`: the other strand, 3' to 5'."""
    return _strand(torch.arange(num), partner=True)


def _strand(steps: Int[Tensor, "n"], partner: bool = False) -> Frames:
    """The first frame of the helix, or its partner by the dyad (the x axis), moved by that many steps of the screw."""
    dyad = torch.diag(torch.tensor([1.0, -1.0, -1.0])) if partner else torch.eye(3)
    rotation, origin = dyad @ torch.from_numpy(HELIX.rotation), dyad @ torch.from_numpy(HELIX.origin)
    angle = steps * HELIX.twist
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    rows = [[angle.cos(), -angle.sin(), zero], [angle.sin(), angle.cos(), zero], [zero, zero, one]]
    turns = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
    rises = torch.stack([zero, zero, steps * HELIX.rise], dim=-1)
    return Frames(turns @ rotation, turns @ origin + rises)


def duplex(sequence: str) -> Chain:
    """The strand and its complement as an ideal A-form helix, both 5' to 3', segments 0 and 1."""
    num = len(sequence)
    backwards = torch.arange(num - 1, -1, -1)
    frames = _joined(helix_frames(num), partner_frames(num)[backwards])
    return _chain("duplex", sequence + sequence[::-1].translate(COMPLEMENT), frames, num)


def hairpin(sequence: str, num_pairs: int, *, num_leading: int = 0, num_trailing: int = 0) -> Chain:
    """An ideal stem of `num_pairs` closed by a loop, with unpaired nucleotides stacked on before it or after it.

    Wobble pairs stand where Watson–Crick pairs would. Raises DataError for a loop that loops.json does not have (3 to
    12 nucleotides), for letters that do not pair, and for unpaired nucleotides on both ends: they would meet.
    """
    first, last = num_leading + num_pairs, len(sequence) - num_trailing - num_pairs
    loops = _loops()
    if num_pairs < 1 or last - first not in loops:
        raise DataError(f"{num_pairs} pairs leave a loop of {last - first} nucleotides", "ideal loops have 3 to 12")
    if num_leading and num_trailing:
        raise DataError("an ideal hairpin has unpaired nucleotides on one end only")
    for one, other in zip(sequence[num_leading:first], reversed(sequence[last : last + num_pairs]), strict=True):
        if one + other not in WATSON_CRICK | WOBBLE:
            raise DataError(f"{one} and {other} do not pair in the stem of {sequence}")
    rising, falling = torch.arange(1 - first, 1), -torch.arange(num_pairs + num_trailing)
    frames = _joined(_strand(rising), loops[last - first], _strand(falling, partner=True))
    return _chain("hairpin", sequence, frames, len(sequence))


def random_hairpin(seed: int) -> Chain:
    """A hairpin of 11 to 40 nucleotides drawn by `seed`: 4–10 pairs, a tenth wobble, a loop of 3–8, a tail in half."""
    draw = np.random.default_rng(seed)
    num_pairs, num_loop = int(draw.integers(4, 11)), int(draw.integers(3, 9))
    num_tail = int(draw.integers(1, 13)) if draw.random() < 0.5 else 0
    pairs = [str(draw.choice(sorted(WOBBLE if draw.random() < 0.1 else WATSON_CRICK))) for _ in range(num_pairs)]
    loop, tail = ("".join(draw.choice(list(BASES), size=num)) for num in (num_loop, num_tail))
    stem = "".join(pair[0] for pair in pairs) + loop + "".join(pair[1] for pair in reversed(pairs))
    if draw.random() < 0.5:
        chain = hairpin(tail + stem, num_pairs, num_leading=num_tail)
    else:
        chain = hairpin(stem + tail, num_pairs, num_trailing=num_tail)
    return replace(chain, id=f"hairpin-{seed}")


@functools.cache
def _loops() -> dict[int, Frames]:
    """Loops by length, closed over the first pair of the helix by tools/close_loops.py."""
    values = json.loads((resources.files("monosome.rna") / "loops.json").read_text())
    loops = {int(key): torch.tensor(rows) for key, rows in values.items() if key != "about"}
    return {length: Frames(rows[:, :9].unflatten(-1, (3, 3)), rows[:, 9:]) for length, rows in loops.items()}


def _joined(*strands: Frames) -> Frames:
    rotations, translations = zip(*((strand.rotations, strand.translations) for strand in strands), strict=True)
    return Frames(torch.cat(rotations), torch.cat(translations))


def _chain(name: str, sequence: str, frames: Frames, strand_length: int) -> Chain:
    numbers = np.arange(len(sequence))
    atoms = place_atoms(frames, torch.from_numpy(encode(sequence))).numpy()
    return Chain(name, sequence, atoms, residue_numbers=numbers + 1, segments=numbers // strand_length)
