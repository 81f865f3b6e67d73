"""A rough layout relaxed: strands closed, stacks kept rigid but for their ends, no residues through each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from monosome.rna.frames import EPS, Frames
from monosome.rna.neighbours import pairs_within
from monosome.rna.nucleotides import ATOM_INDEX, TEMPLATE

RG_SCALE, RG_POWER = 4.73, 0.366
"""Radius of gyration of a chain's C1' (Å): 4.73·N^0.366, log-sd 0.164 over 93 single chains."""
PAIR_DISTANCE = 10.6
"""C1'–C1' of a Watson–Crick pair (Å)."""
STRETCHED = 5.6
"""C1'–C1' per step (Å) that a strand spans easily: the median of real steps."""
SHORTEST, LONGEST = 4.8, 6.6
"""C1'–C1' of neighbours (Å): the range of real steps, the rare long ones left out."""
POINTS = ("P", "C4'", "C1'", "O3'", "C3'", "O5'")
BULKY = 3
"""The first of POINTS, which keep CONTACT (Å) to those of residues that are neither neighbours nor in one stack."""
CONTACT = 5.0
_TEMPLATE = torch.from_numpy(TEMPLATE[0, [ATOM_INDEX[name] for name in POINTS]])
"""POINTS of a nucleotide in its frame, the same for all bases."""
LINK = {("O3'", "P"): (1.607, 4.0), ("C3'", "P"): (2.62, 2.0), ("O3'", "O5'"): (2.52, 2.0)}
"""Length (Å) and weight of what makes a link: the bond, and what its angles of 119.7° and 104.0° make."""
NUM_STEPS, RELOOK = 100, 10
"""Steps of Adam, and steps after which contacts are looked up anew.

In 28 chains with their own pairs 60 steps left 8 to 10 % of the links open and 120 steps 5 %; TM-scores were the
same."""
RATES = (0.5, 0.02)
"""Learning rate of the first step, and of the last."""
TURN, INNER = 0.05, 0.3
"""A move of 1 turns by 0.05 (half an angle) and shifts by 1 Å; residues within stacks move by 0.3 of that."""
HOLD, COMPACT, KNOT = 3.0, 0.1, 0.3
"""Weights of moves within stacks, of a radius of gyration too large (times √N), and of pairs that no helix holds."""
SOFT = 3.0
"""Distances off by more than this (Å) pull with a constant force: far ends must not tear a layout apart."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Where residues stand before relaxation: `owner` is the stack of each, -1 where it is free.

    `contacts` are pairs that no stack holds together.
    """

    segments: Int64[Tensor, "n"]
    owner: Int64[Tensor, "n"]
    stacks: Frames
    placed: Frames
    contacts: Sequence[tuple[int, int]]

    @cached_property
    def is_free(self) -> Bool[Tensor, "n"]:
        """Which residues no stack holds."""
        return self.owner < 0

    @cached_property
    def bonded(self) -> Int64[Tensor, "k"]:
        """Residues whose strand goes on."""
        return torch.nonzero(self.segments[1:] == self.segments[:-1]).squeeze(-1)

    @cached_property
    def within(self) -> Frames:
        """The frames of residues in coordinates of their stack."""
        stacks = self.stacks[self.owner.clamp(min=0)]
        places = stacks.inverse_apply(self.placed.translations.unsqueeze(-2)).squeeze(-2)
        return Frames(stacks.rotations.mT @ self.placed.rotations, places)

    def moved(self, stack_moves: Float[Tensor, "stacks 6"], moves: Float[Tensor, "n 6"]) -> Frames:
        """Global frames after moves of stacks, and of residues within them."""
        unit = torch.tensor([TURN] * 3 + [1.0] * 3)
        inner = moves * unit * torch.where(self.is_free, 1.0, INNER).unsqueeze(-1)
        held = self.stacks.compose_update(stack_moves * unit)[self.owner.clamp(min=0)]
        held = held.compose(self.within.compose_update(inner))
        free = self.placed.compose_update(inner)
        rotations = torch.where(self.is_free[:, None, None], free.rotations, held.rotations)
        return Frames(rotations, torch.where(self.is_free[:, None], free.translations, held.translations))

    def near(self, points: Float[Tensor, "n p 3"]) -> Int64[Tensor, "k 2"]:
        """Bulky points, counted through all residues, that are or may soon be too near each other."""
        bulky = points[:, :BULKY].reshape(-1, 3).detach().numpy()
        found = torch.from_numpy(pairs_within(bulky, CONTACT + SOFT))
        one, other = (found // BULKY).unbind(-1)
        apart = (self.owner[one] != self.owner[other]) | self.is_free[one]
        return found[apart & ((one - other).abs() > 1)]

    def energy(self, points: Float[Tensor, "n p 3"], near: Int64[Tensor, "k 2"]) -> Float[Tensor, ""]:
        """What is off between residues, about in Å²."""
        bonded = self.bonded
        sugar = points[:, POINTS.index("C1'")]
        step = _distance(sugar[bonded], sugar[bonded + 1])
        energy = _soft((SHORTEST - step).clamp(min=0) + (step - LONGEST).clamp(min=0))
        for (one, other), (length, weight) in LINK.items():
            link = _distance(points[bonded, POINTS.index(one)], points[bonded + 1, POINTS.index(other)])
            energy = energy + weight * _soft(link - length)
        bulky = points[:, :BULKY].flatten(0, 1)
        overlap = CONTACT - _distance(bulky[near[:, 0]], bulky[near[:, 1]])
        energy = energy + overlap.clamp(min=0).square().sum()
        if self.contacts:
            pairs = torch.tensor(self.contacts)
            energy = energy + KNOT * _soft(_distance(sugar[pairs[:, 0]], sugar[pairs[:, 1]]) - PAIR_DISTANCE)
        radius = (sugar - sugar.mean(0)).square().sum(-1).mean().add(EPS).sqrt()
        excess = (radius - RG_SCALE * len(sugar) ** RG_POWER).clamp(min=0)
        return energy + COMPACT * len(sugar) ** 0.5 * excess.square()


@torch.enable_grad()  # also where a prediction records no gradients
def relax(layout: Layout) -> Frames:
    """The frames of a layout after NUM_STEPS of Adam on all stacks and residues."""
    num_stacks = len(layout.stacks.translations)
    moves = torch.zeros(num_stacks + len(layout.owner), 6, requires_grad=True)
    optimiser = torch.optim.Adam([moves], lr=RATES[0], betas=(0.8, 0.95))
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, RATES[1] / RATES[0], NUM_STEPS)
    held = (~layout.is_free).unsqueeze(-1)
    for step in range(NUM_STEPS):
        points = layout.moved(moves[:num_stacks], moves[num_stacks:]).apply(_TEMPLATE)
        if step % RELOOK == 0:
            near = layout.near(points)
        energy = layout.energy(points, near) + HOLD * (held * moves[num_stacks:]).square().sum()
        optimiser.zero_grad()
        energy.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        return layout.moved(moves[:num_stacks], moves[num_stacks:])


def _soft(off: Float[Tensor, "k"]) -> Float[Tensor, ""]:
    """Sum of squares that turn linear beyond SOFT (pseudo-Huber)."""
    return (2 * SOFT**2 * ((1 + (off / SOFT).square()).sqrt() - 1)).sum()


def _distance(one: Float[Tensor, "k 3"], other: Float[Tensor, "k 3"]) -> Float[Tensor, "k"]:
    return ((one - other).square().sum(-1) + 1e-6).sqrt()
