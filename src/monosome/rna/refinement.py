"""Local geometry of a structure mended: bonds, angles, hands, flat bases, closed links and no clashes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from monosome.errors import DataError
from monosome.rna.chain import Chain, join
from monosome.rna.clashes import Clashscore, clashscore
from monosome.rna.contacts import Contacts, is_crowded
from monosome.rna.files import read_structure
from monosome.rna.interactions import Interactions, find_interactions
from monosome.rna.nucleotides import ATOM_INDEX, ATOM_MASK, ATOM_NAMES, BACKBONE, NUM_ATOMS, TEMPLATE
from monosome.rna.restraints import restrain
from monosome.rna.stereochemistry import BONDS, CENTRES, Stereochemistry, stereochemistry
from monosome.rna.superposition import move, superpose

MAX_SHIFT = 1.0
"""C1' never moves farther (Å) on average. Of 30 published models 28 stayed below 0.7; one of 393 nt with 716 clashes
per 1,000 atoms would take 1.5, one of 423 nt, all tangled up, 6, and 0.2 where strands may pass through each other."""
STEPS = 400
"""Steps of L-BFGS."""
HISTORY = 20
"""Steps it looks back on."""
BLOCK = 20
"""Steps after which contacts are looked up anew."""
STAGES = ((0.5, 0.1), (0.15, 0.15), (0.05, 0.25), (0.0, 0.5))
"""How soft bonds are (Å), and for what share of the steps."""
CONVERGED = 1e-3
"""Share of the energy that a block of steps has to gain, or it is the last of its stage."""
BROKEN = 0.4
"""Bond (Å) too long or short by this: its part of the nucleotide is put anew rather than bent back."""
GAPS = (8.0, 3.0)
"""All links are closed; where that moves C1' too far, even with strands that pass through each other, those up to this
long (Å), one length after the other."""
NO_CONTACTS = Contacts(torch.zeros((0, 2), dtype=torch.int64), torch.zeros(0))
STEP = 20.0
"""C1'–C1' (Å) above which residues of a file are not neighbours, whatever their numbers."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """What is off in a structure."""

    stereochemistry: Stereochemistry
    clashes: Clashscore

    @classmethod
    def of(cls, chain: Chain) -> "Geometry":
        """The geometry of a chain."""
        return cls(stereochemistry(chain), clashscore(chain))

    def as_json(self) -> dict[str, float | int | None]:
        """Shares within four deviations, counts of what is off, and the clashscore."""
        found = self.stereochemistry
        return {
            "bonds_within": found.bonds.within,
            "angles_within": found.angles.within,
            "num_inverted": len(found.centres.outliers),
            "num_gaps": len(found.links.outliers),
            "clashscore": self.clashes.score,
        }


@dataclass(frozen=True, eq=False)
class Refinement:
    """The mended chain, and what changed.

    `num_placed` atoms were missing and have been placed; `num_renewed` residues were too broken to be bent back, and
    got an ideal base, ribose or phosphate; `num_open` links were too wide to be closed.
    """

    start: Chain
    chain: Chain
    num_placed: int
    num_renewed: int
    num_open: int

    @property
    def shift(self) -> float:
        """How far C1' moved on average (Å)."""
        return _shift(self.start, self.chain)

    @cached_property
    def before(self) -> Geometry:
        """What was off."""
        return Geometry.of(self.start)

    @cached_property
    def after(self) -> Geometry:
        """What still is."""
        return Geometry.of(self.chain)


def refine(
    structure: Chain | Path | str, *, steps: int = STEPS, interactions: Interactions | None = None
) -> Refinement:
    """A structure with its local geometry mended, C1' moved by MAX_SHIFT on average at most. The same every time.

    All heavy atoms descend together (L-BFGS, Liu & Nocedal 1989) to the ideal bonds, angles and chiral volumes of
    `stereochemistry`, flat bases, links of 1.6 Å and no clashes, while C1' and the bases are held where they were and
    with whom they pair and stack (by `interactions`; found where left out). Residues of one segment are bonded, however
    far apart; of a file those of consecutive numbers. Missing atoms are placed, but for a strand's first phosphate.
    Raises DataError where no nucleotide has its frame, or the file cannot be read.
    """
    start = structure if isinstance(structure, Chain) else join_near(read_structure(structure).chains)
    if not start.has_frame.any():
        raise DataError("no nucleotide has C1', C4' and N9 or N1: there is nothing to refine from", "give all atoms")
    whole, num_renewed = renew(start)
    if interactions is None:
        interactions = Interactions((), ()) if is_crowded(whole.atoms[whole.resolved]) else find_interactions(whole)
    gaps = np.append(np.linalg.norm(whole.atom("P")[1:] - whole.atom("O3'")[:-1], axis=-1), 0)
    joined = np.append(np.diff(whole.segments) == 0, False)
    widest = float(gaps[joined & np.isfinite(gaps)].max(initial=0))
    narrower = [(limit, False) for limit in GAPS if limit < widest]
    for limit, is_solid in ((math.inf, True), (math.inf, False), *narrower):
        closed = joined & ~(gaps > limit)
        refined = _descend(whole, closed, interactions, steps, is_solid=is_solid)
        if _shift(whole, refined) <= MAX_SHIFT:
            break
    excess = _shift(whole, refined) / MAX_SHIFT
    if excess > 1:
        refined = _part_way(whole, refined, np.float32(1 / excess))
    num_placed = int(whole.resolved.sum() - start.resolved.sum())
    return Refinement(start, refined, num_placed, num_renewed, int((joined & ~closed).sum()))


def _part_way(start: Chain, end: Chain, share: np.float32) -> Chain:
    """The end with C1' on that share of its way: nucleotides in their new shape and turn, or between old and new.

    The first keeps bonds, but parts what was linked where a long helix was bent; whichever leaves fewer links open.
    """
    way = end.atoms - start.atoms
    back = np.nan_to_num(end.atom("C1'") - start.atom("C1'"))[:, None]
    both = [replace(end, atoms=atoms) for atoms in (end.atoms - (1 - share) * back, start.atoms + share * way)]
    return min(both, key=lambda chain: len(stereochemistry(chain).links.outliers))


def join_near(chains: Sequence[Chain]) -> Chain:
    """The chains of a file as one molecule, in which residues of consecutive numbers are neighbours if near.

    A model's links may be gaps, which a reader takes for the ends of strands.
    """
    joined = []
    for chain in chains:
        steps = np.linalg.norm(np.diff(chain.atom("C1'"), axis=0), axis=-1)
        near = np.isin(np.diff(chain.residue_numbers), (0, 1)) & ~(steps > STEP)
        breaks = (np.diff(chain.segments) > 0) & ~near
        joined.append(replace(chain, segments=np.append(0, np.cumsum(breaks))))
    return join(joined)


def _shift(start: Chain, end: Chain) -> float:
    moved = np.linalg.norm(end.atom("C1'") - start.atom("C1'"), axis=-1)
    return float(moved[np.isfinite(moved)].mean()) if np.isfinite(moved).any() else 0.0


def _slots(*names: str) -> Bool[np.ndarray, "27"]:
    return np.isin(ATOM_NAMES, names)


_RIBOSE = _slots("C5'", "C4'", "O4'", "C3'", "O3'", "C2'", "O2'", "C1'")
_BASE = ~_slots(*BACKBONE)
_PARTS = ((_BASE, _BASE | _slots("C1'")), (_RIBOSE, _RIBOSE), (~_RIBOSE & ~_BASE, ~_RIBOSE & ~_BASE))
"""Base, ribose and phosphate: the atoms of each, and those that say where it is."""


def renew(chain: Chain) -> tuple[Chain, int]:
    """The chain with missing atoms placed, and broken or inverted parts put anew; how many residues had such parts.

    A part is the ideal one, laid over its own atoms; over all atoms of its residue where fewer than three are there. A
    strand that begins with a hydroxyl gets no phosphate there.
    """
    atoms = chain.atoms.astype(np.float64)
    ideal = np.nan_to_num(TEMPLATE[chain.bases].astype(np.float64))
    exists, broken = ATOM_MASK[chain.bases], _broken(chain)
    renewed = np.zeros(len(chain), dtype=bool)
    begins_bare = np.append(True, np.diff(chain.segments) != 0) & ~chain.resolved[:, ATOM_INDEX["P"]]
    for part, guides in _PARTS:
        known = chain.resolved & guides
        known = np.where((known.sum(axis=1) >= 3)[:, None], known, chain.resolved)
        placeable = known.sum(axis=1) >= 3
        anew = broken[:, part].any(axis=1) & placeable
        weights = np.where(placeable[:, None], known, 1.0)
        laid = move(ideal, *superpose(ideal, np.nan_to_num(atoms), weights))
        if part is _RIBOSE:  # C1' stays
            laid += np.nan_to_num(chain.atom("C1'") - laid[:, ATOM_INDEX["C1'"]])[:, None]
        absent = exists & part & placeable[:, None] & ~chain.resolved
        absent[begins_bare] &= ~_slots("P", "OP1", "OP2")
        replaced = absent | (exists & part & anew[:, None] & chain.resolved)
        atoms[replaced] = laid[replaced]
        renewed |= anew
    return replace(chain, atoms=atoms.astype(np.float32)), int(renewed.sum())


def _broken(chain: Chain) -> Bool[np.ndarray, "n 27"]:
    """Atoms of bonds that are far off, and centres of the wrong hand."""
    broken = np.zeros((len(chain), NUM_ATOMS), dtype=bool)
    off = np.abs(BONDS.measure(chain) - BONDS.ideal[chain.bases]) > BROKEN
    off &= (BONDS.offsets[chain.bases] == 0).all(axis=-1)
    rows, terms = np.nonzero(off)
    slots = BONDS.slots[chain.bases[rows], terms]
    within = np.any([part[slots].all(axis=1) for part, _ in _PARTS], axis=0)
    broken[rows[within, None], slots[within]] = True
    rows, terms = np.nonzero(CENTRES.measure(chain) * CENTRES.ideal[chain.bases] < 0)
    broken[rows, CENTRES.slots[chain.bases[rows], terms, 0]] = True
    return broken


def _descend(
    chain: Chain, linked: Bool[np.ndarray, "n"], interactions: Interactions, steps: int, *, is_solid: bool
) -> Chain:
    """The chain at the end of the descent; atoms that are not `is_solid` pass through each other."""
    restraints = restrain(chain, linked, interactions)
    atoms = torch.from_numpy(np.nan_to_num(chain.atoms.reshape(-1, 3))).requires_grad_()
    for softness, share in STAGES:
        optimiser = torch.optim.LBFGS([atoms], max_iter=BLOCK, history_size=HISTORY, line_search_fn="strong_wolfe")
        last = math.inf
        for _ in range(math.ceil(steps * share / BLOCK)):
            contacts = restraints.contacts(atoms) if is_solid else NO_CONTACTS
            energy = partial(restraints.energy, atoms, contacts, softness)
            now = optimiser.step(partial(_with_gradient, atoms, energy)).item()
            if last - now < CONVERGED * last:
                break
            last = now
    found = atoms.detach().numpy().reshape(chain.atoms.shape)
    return replace(chain, atoms=np.where(chain.resolved[..., None], found, np.float32(np.nan)))


def _with_gradient(atoms: Tensor, energy: Callable[[], Tensor]) -> Tensor:
    atoms.grad = None
    total = energy()
    total.backward()
    return total
