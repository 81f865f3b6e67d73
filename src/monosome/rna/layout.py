"""A molecule laid out in 3D from its base pairs: rigid stacks of helices, and strands that close between them."""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from itertools import groupby, pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from monosome.rna.cache import Values, cached
from monosome.rna.chain import Chain
from monosome.rna.closure import STRETCHED, Layout, relax
from monosome.rna.frames import EPS, Frames
from monosome.rna.geometry import hairpin, helix_frames, partner_frames
from monosome.rna.nucleotides import FRAME_ATOMS, HELIX
from monosome.rna.stacks import Stacking, checked_pairs, find_stacking

ASIDE = 30.0
"""Between strands that nothing holds together (Å): a double helix is 20 Å wide."""
NUM_TRIED = 192
"""Orientations tried for each stack."""
NEAREST = 5.0
"""C1'–C1' (Å) of residues that a strand joins, at least."""
CROWDED = 9.0
"""C1' of two stacks nearer than this (Å) crowd each other."""
CROWDING, SPREAD = 0.3, 0.3
"""What crowding, and distance between the centres of stacks, cost against a strand that is too short (per Å)."""
LOOSE = 400
"""Residues from which on distance costs less, as 1/length: at full cost 1,608 and 4,640 nt have a radius of gyration of
61 and 89 Å, so 72 and 103 Å, by closure.RG_SCALE 71 and 104 Å; and two thirds of the contacts below 6 Å."""
SLACK = 0.7
"""A strand of k steps spans about k^0.7 steps: between a line and a coil."""
ARC = 0.45
"""Height of an arc of a strand, against the leg that makes a right angle of its chord and its length."""


def paired_frames(
    segments: Int64[Tensor, "n"], pairs: Sequence[tuple[int, int]], seed: int = 0, core: Frames | None = None
) -> Frames:
    """Frames of a molecule with these base pairs (residues counted from 0), centred; the same for the same seed.

    What stacks (`find_stacking`) is one rigid A-form helix, its hairpins closed by ideal loops. Helices are docked one
    after the other, the nearest along the strand first: of random orientations the one that strands can span, without
    crowding, close to the rest. Then all relax, see `closure.relax`. Other seeds stack and turn the helices of
    junctions otherwise. Strands that no pair holds lie side by side, straight. Which bases pair does not matter. Raises
    DataError for pairs out of range and residues paired twice. The result is cached, see `cache.cached`.

    `core` are frames of residues whose place is known, NaN of all others: they stay together, and what else pairs is
    docked to them.
    """
    known = "" if core is None else hashlib.sha256(core.translations.numpy().tobytes()).hexdigest()
    key = repr((segments.tolist(), sorted(map(tuple, pairs)), seed, known, _code()))
    length = len(segments)
    shapes = {"rotations": (length, 3, 3), "translations": (length, 3)}
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    values = cached("layout", digest, shapes, lambda: _laid_out(segments, pairs, seed, core))
    return Frames(torch.from_numpy(values["rotations"]), torch.from_numpy(values["translations"]))


@functools.cache
def _code() -> str:
    """Digest of the code and the tables that make layouts: those of other versions are not taken for these."""
    files = ("layout.py", "stacks.py", "closure.py", "geometry.py", "loops.json", "nucleotides.json")
    content = b"".join((resources.files("monosome.rna") / file).read_bytes() for file in files)
    return hashlib.sha256(content).hexdigest()


def _laid_out(segments: Int64[Tensor, "n"], pairs: Sequence[tuple[int, int]], seed: int, core: Frames | None) -> Values:
    draw = np.random.default_rng(seed)
    known = torch.zeros(len(segments), dtype=torch.bool) if core is None else core.translations.isfinite().all(dim=-1)
    pairs = checked_pairs(len(segments), pairs)
    outside = [pair for pair in pairs if not known[list(pair)].any()]
    stacking = find_stacking(segments.numpy(), outside, draw if seed else None)
    across = [(i, j) for i, j in pairs if known[i] != known[j]]
    stacking = replace(stacking, contacts=[*stacking.contacts, *across])
    owner = torch.tensor([-1 if site is None else site.stack for site in stacking.sites])
    for gap in stacking.hairpins:
        owner[gap.before + 1 : gap.after] = owner[gap.before]
    within = _within_stacks(stacking, owner)
    if core is not None and known.any():
        owner[known] = stacking.num_stacks
        within.rotations[known] = core.rotations[known]
        within.translations[known] = core.translations[known] - core.translations[known].mean(0)
    stacks = _docked(stacking, owner, within.translations, draw)
    placed = _spanned(stacks[owner.clamp(min=0)].compose(within), owner, segments)
    frames = relax(Layout(segments, owner, stacks, placed, stacking.contacts))
    places = frames.translations - frames.translations.mean(0)
    return {"rotations": frames.rotations.numpy(), "translations": places.numpy()}


def _within_stacks(stacking: Stacking, owner: Int64[Tensor, "n"]) -> Frames:
    """Frames of residues in coordinates of their stack, whose centre is the origin."""
    steps = torch.tensor([0 if site is None else site.step for site in stacking.sites])
    falls = torch.tensor([site is not None and site.strand == 1 for site in stacking.sites])
    first, partner = helix_frames(1), partner_frames(1)
    rotations = torch.where(falls[:, None, None], partner.rotations, first.rotations)
    places = torch.where(falls[:, None], partner.translations, first.translations)
    frames = _screws(steps).compose(Frames(rotations, places))
    for gap in stacking.hairpins:
        loop = _ideal_loop(len(gap.residues))
        laid = frames[[gap.before] * len(gap.residues)].compose(loop)
        frames.rotations[gap.before + 1 : gap.after] = laid.rotations
        frames.translations[gap.before + 1 : gap.after] = laid.translations
    for stack in owner[owner >= 0].unique():
        frames.translations[owner == stack] -= frames.translations[owner == stack].mean(0)
    return frames


def _screws(steps: Int64[Tensor, "n"]) -> Frames:
    """The motions along the A-form helix by that many steps."""
    angle = steps * HELIX.twist
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    rows = [[angle.cos(), -angle.sin(), zero], [angle.sin(), angle.cos(), zero], [zero, zero, one]]
    turns = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
    return Frames(turns, torch.stack([zero, zero, steps * HELIX.rise], dim=-1))


@functools.cache
def _ideal_loop(length: int) -> Frames:
    """Frames of an ideal hairpin loop as the residue before it sees them."""
    chain = hairpin(f"G{'A' * length}C", 1)
    frames = _frames_of(chain)
    before = frames[[0] * length]
    inverse = before.rotations.mT
    places = before.inverse_apply(frames.translations[1:-1].unsqueeze(-2)).squeeze(-2)
    return Frames(inverse @ frames.rotations[1:-1], places)


def _frames_of(chain: Chain) -> Frames:
    points = torch.from_numpy(np.take_along_axis(chain.atoms, FRAME_ATOMS[chain.bases][:, :, None], axis=1))
    return Frames.from_points(*points.unbind(1))


@dataclass(frozen=True)
class _Link:
    """Residues of two stacks, one that stands and one that does not, and how many steps of a strand can span them."""

    standing: int
    coming: int
    steps: int


def _links(stacking: Stacking, owner: Sequence[int]) -> list[_Link]:
    """The links between stacks, both ways; a pair that no helix holds is two steps."""
    found = [(one, other, 2) for one, other in stacking.contacts]
    for gap in stacking.gaps:
        held = [residue for residue in (gap.before, *gap.residues, gap.after) if owner[residue] >= 0]
        found += [(one, other, other - one) for one, other in pairwise(held)]
    apart = [link for link in found if min(owner[link[0]], owner[link[1]]) >= 0 and owner[link[0]] != owner[link[1]]]
    return [_Link(*ends, steps) for one, other, steps in apart for ends in ((one, other), (other, one))]


def _docked(
    stacking: Stacking, owner: Int64[Tensor, "n"], within: Float[Tensor, "n 3"], draw: np.random.Generator
) -> Frames:
    """Where each stack stands: one after the other, the nearest along the strand first, of equals the largest."""
    owners, num = owner.tolist(), int(owner.max()) + 1
    sizes = [owners.count(stack) for stack in range(num)]
    links = _links(stacking, owners)
    placed = torch.full_like(within, torch.nan)
    rotations, centres = torch.eye(3).repeat(num, 1, 1), torch.zeros(num, 3)
    standing = {stack for stack in range(num) if not sizes[stack]}  # all of it stands in the core
    while len(standing) < num:
        links = [link for link in links if owners[link.coming] not in standing]
        ready = [link for link in links if owners[link.standing] in standing]
        nearest = [(link.steps, -sizes[owners[link.coming]], owners[link.coming]) for link in ready]
        largest = [(0, -sizes[stack], stack) for stack in range(num) if stack not in standing]
        stack = min(nearest or largest)[2]
        mine = owner == stack
        if ready:
            here = [link for link in ready if owners[link.coming] == stack]
            rotations[stack], centres[stack] = _best_place(within, placed, mine, here, draw)
        elif not placed.isnan().all():
            edge = placed[~placed.isnan().any(dim=-1), 0].max()
            centres[stack, 0] = edge + ASIDE - within[mine, 0].max()
        placed[mine] = within[mine] @ rotations[stack].mT + centres[stack]
        standing.add(stack)
    return Frames(rotations, centres)


def _best_place(
    within: Float[Tensor, "n 3"],
    placed: Float[Tensor, "n 3"],
    mine: Bool[Tensor, "n"],
    links: Sequence[_Link],
    draw: np.random.Generator,
) -> tuple[Float[Tensor, "3 3"], Float[Tensor, "3"]]:
    """Rotation and centre of one stack among those `placed` (NaN where nothing stands yet)."""
    from scipy.spatial import cKDTree

    quaternions = torch.from_numpy(draw.normal(size=(NUM_TRIED, 4))).float()
    tilts = torch.cat([quaternions[:, 1:] / quaternions[:, :1], torch.zeros(NUM_TRIED, 3)], dim=-1)
    turns = Frames.identity((NUM_TRIED,)).compose_update(tilts).rotations
    steps = torch.tensor([link.steps for link in links])
    targets = placed[[link.standing for link in links]]
    ends = within[[link.coming for link in links]] @ turns.mT
    away = torch.from_numpy(draw.normal(size=(NUM_TRIED, 1, 3))).float()
    away = away / away.norm(dim=-1, keepdim=True) * STRETCHED * float(steps.min()) ** SLACK
    shifts = (targets - ends).mean(dim=1, keepdim=True) + away
    spans = (ends + shifts - targets).norm(dim=-1)
    strain = (spans - STRETCHED * steps).clamp(min=0) + (NEAREST - spans).clamp(min=0)
    fixed, tried = placed[~placed.isnan().any(dim=-1)], within[mine] @ turns.mT + shifts
    nearest, _ = cKDTree(fixed.numpy()).query(tried.reshape(-1, 3).numpy(), distance_upper_bound=CROWDED)
    crowding = torch.from_numpy((CROWDED - nearest).clip(0)).float().reshape(NUM_TRIED, -1)
    spread = (shifts.squeeze(1) - fixed.mean(0)).norm(dim=-1)
    cost = SPREAD * min(1.0, LOOSE / len(within))
    best = int((strain.sum(dim=-1) + CROWDING * crowding.sum(dim=-1) + cost * spread).argmin())
    return turns[best], shifts[best, 0]


def _spanned(frames: Frames, owner: Int64[Tensor, "n"], segments: Int64[Tensor, "n"]) -> Frames:
    """The frames with free residues put between held ones on arcs that lead outwards, at a strand's end on rays."""
    rotations, places = frames.rotations.clone(), frames.translations.clone()
    middle = places[owner >= 0].mean(0)
    strands = [-1, *segments.tolist(), -1]
    kinds = zip(segments.tolist(), (owner < 0).tolist(), strict=True)
    for (strand, is_free), run in groupby(range(len(owner)), key=lambda _: next(kinds)):
        residues = list(run)
        ends = [end for end in (residues[0] - 1, residues[-1] + 1) if strands[end + 1] == strand]
        if is_free:
            places[residues] = _arc(places[ends], residues, ends, middle)
            rotations[residues] = rotations[[min(ends, key=lambda end: abs(end - residue)) for residue in residues]]
    return Frames(rotations, places)


def _arc(
    held: Float[Tensor, "ends 3"], residues: Sequence[int], ends: Sequence[int], middle: Float[Tensor, "3"]
) -> Float[Tensor, "k 3"]:
    """Places of residues between two held ones, or on from one, away from the middle of the molecule."""
    chord = held[-1] - held[0]
    outward = held.mean(0) - middle
    outward = outward - chord * (outward @ chord) / (chord @ chord + EPS)
    outward = outward / (outward.norm() + EPS)
    bonds = torch.tensor([[float(abs(residue - ends[0]))] for residue in residues])
    if len(ends) == 1:
        return held + STRETCHED * bonds * outward
    length = STRETCHED * (len(residues) + 1)
    height = ARC * (length**2 - chord @ chord).clamp(min=0).sqrt()
    share = bonds / (len(residues) + 1)
    return held[0] + share * chord + height * (torch.pi * share).sin() * outward
