"""How far placed atoms are from making a molecule: links too long or bent, and atoms within each other."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor

from monosome.rna.chain import Chain, find_segments
from monosome.rna.clashes import TABLE
from monosome.rna.frames import EPS
from monosome.rna.losses import masked_mean
from monosome.rna.nucleotides import ATOM_INDEX, NUM_ATOMS
from monosome.rna.stereochemistry import ANGLES, BONDED, BONDS, GROSS, Terms

TOLERANCE = 1.5
"""How far (Å) atoms may overlap (Jumper et al. 2021, Suppl. 1.9.11). In 10,158 nucleotides 5 pairs of atoms of residues
that are not neighbours do."""
NUM_NEIGHBOURS = 12
"""Later residues whose atoms each is held against, the nearest by C1': in 40 chains all atoms within 1 Å of a violation
are of the 12 nearest, and 99.3 % of those within 2 Å."""
TOUCHING = 1.7
"""Distance (Å) at which two carbons, or a carbon and an oxygen, begin to violate, about."""
_NOWHERE = 1e6
"""Taken off the square (Å²) of where an atom is that does not count."""


def _across_links(terms: Terms) -> tuple[Int[np.ndarray, "t a"], Float32[np.ndarray, "t"], Float32[np.ndarray, "t"]]:
    """Those of the terms that have atoms of two residues: places in both, ideal and deviation (Å, radians)."""
    across = terms.offsets[0].any(axis=-1) & ~terms.offsets[0].all(axis=-1)
    places = terms.slots[0, across] + NUM_ATOMS * terms.offsets[0, across]
    values = np.stack([terms.ideal[0, across], terms.deviation[0, across]]).astype(np.float32)
    ideal, deviation = values if terms is BONDS else np.radians(values)
    return places, ideal, deviation


def _may_clash() -> Bool[np.ndarray, "4 27 54"]:
    """Which atoms of a residue may not be near which later ones of itself, or of the next residue, by its base."""
    own = np.triu(np.ones((NUM_ATOMS, NUM_ATOMS), dtype=bool), 1) & ~BONDED
    after = np.ones_like(own)
    after[:, ATOM_INDEX["O3'"], ATOM_INDEX["P"]] = False
    return np.concatenate([own, after], axis=-1)


_BONDS, _ANGLES, _MAY_CLASH = _across_links(BONDS), _across_links(ANGLES), _may_clash()
_REACH = (np.nan_to_num(TABLE.radius[:, :NUM_ATOMS]) - TOLERANCE / 2).astype(np.float32)
"""Two atoms violate where they are nearer than the sum of these."""


def linked(chain: Chain) -> Bool[np.ndarray, "n"]:
    """Which residues are bonded to the next: of one segment, unbroken, and numbered on where O3' or P is missing.

    So a crop of residues that lie near each other has no links over what it leaves out, known or not.
    """
    strands = np.stack([chain.segments, find_segments(chain.atoms)])
    measured = np.isfinite(chain.atom("O3'")[:-1] - chain.atom("P")[1:]).all(axis=-1)
    follows = measured | np.isin(np.diff(chain.residue_numbers), (0, 1))
    return np.append((np.diff(strands) == 0).all(axis=0) & follows, False)[: len(chain)]


def violation_loss(
    atoms: Float[Tensor, "b n 27 3"],
    bases: Int[Tensor, "b n"],
    mask: Float[Tensor, "b n"],
    links: Float[Tensor, "b n"],
) -> Float[Tensor, "b"]:
    """What `link_violations` and `clash_violations` find in each chain, in all (Jumper et al. 2021, Suppl. Eq. 47).

    `mask` is 1 where there is a residue, `links` where it is bonded to the next.
    """
    return link_violations(atoms, links) + clash_violations(atoms, bases, mask)


def link_violations(atoms: Float[Tensor, "b n 27 3"], links: Float[Tensor, "b n"]) -> Float[Tensor, "b"]:
    """By how much the bond O3'–P (Å) and the cosines of the four angles at its ends are off, each a mean over links.

    What is within 12 standard deviations counts as 0 (Suppl. Eq. 44 and 45).
    """
    both = torch.cat([atoms[:, :-1], atoms[:, 1:]], dim=2)
    known = links[:, :-1]
    places, ideal, deviation = (torch.from_numpy(each).to(atoms.device) for each in _BONDS)
    one, other = both[:, :, places].unbind(-2)
    stretched = (_norm(one - other) - ideal).abs() - GROSS * deviation
    places, ideal, deviation = (torch.from_numpy(each).to(atoms.device) for each in _ANGLES)
    one, centre, other = both[:, :, places].unbind(-2)
    arms = one - centre, other - centre
    cosines = (arms[0] * arms[1]).sum(-1) / (_norm(arms[0]) * _norm(arms[1]))
    bent = (cosines - ideal.cos()).abs() - GROSS * deviation * ideal.sin()
    return masked_mean(stretched.clamp(min=0).mean(-1), known) + masked_mean(bent.clamp(min=0).mean(-1), known)


def clash_violations(
    atoms: Float[Tensor, "b n 27 3"], bases: Int[Tensor, "b n"], mask: Float[Tensor, "b n"]
) -> Float[Tensor, "b"]:
    """How far atoms that are not bonded overlap by more than 1.5 Å, summed over pairs, per atom (Suppl. Eq. 46).

    The overlap is that of squares, (r² − d²) / 2·1.7 Å for a pair that may touch at r: near r in Å as in the paper. All
    pairs then are one product of matrices, and atoms at one place have a gradient of zero rather than none. Each
    residue is held against itself, the next, and those of NUM_NEIGHBOURS; so a heap costs no more than a molecule.
    """
    exists = atoms.isfinite().all(dim=-1) & (mask > 0).unsqueeze(-1)
    places = torch.where(exists.unsqueeze(-1), atoms, 0.0)
    reach = torch.from_numpy(_REACH).to(atoms.device)[bases]
    near, is_near = _neighbours(places[:, :, ATOM_INDEX["C1'"]], mask)
    own = torch.arange(atoms.shape[1], device=atoms.device)
    beside = torch.stack([own, (own + 1).clamp(max=len(own) - 1)], dim=-1).expand(len(atoms), -1, -1)
    is_beside = torch.stack([own >= 0, own < len(own) - 1], dim=-1).expand_as(beside)
    overlaps = (
        _overlaps(places, reach, exists, beside, is_beside) * torch.from_numpy(_MAY_CLASH).to(atoms.device)[bases]
    )
    total = overlaps.sum(dim=(1, 2, 3)) + _overlaps(places, reach, exists, near, is_near).sum(dim=(1, 2, 3))
    return total / (2 * TOUCHING) / exists.sum(dim=(1, 2)).clamp(min=1)


@torch.no_grad()
def _neighbours(
    c1: Float[Tensor, "b n 3"], mask: Float[Tensor, "b n"]
) -> tuple[Int[Tensor, "b n m"], Bool[Tensor, "b n m"]]:
    """The nearest residues at least two further on, and which of them there are."""
    length = c1.shape[1]
    later = torch.ones(length, length, dtype=torch.bool, device=c1.device).triu(2)
    distances = torch.cdist(c1, c1).masked_fill(~later | (mask == 0).unsqueeze(1), torch.inf)
    nearest, found = distances.topk(min(NUM_NEIGHBOURS, length), dim=-1, largest=False)
    return found, nearest.isfinite()


def _overlaps(
    places: Float[Tensor, "b n 27 3"],
    reach: Float[Tensor, "b n 27"],
    exists: Bool[Tensor, "b n 27"],
    others: Int[Tensor, "b n m"],
    counts: Bool[Tensor, "b n m"],
) -> Float[Tensor, "b n 27 p"]:
    """By how much (Å²) squared distances of a residue's atoms to those of `others` are too small.

    (r + s)² − |x − y|² is a product of a row of each atom, (2x, 2r, 1, r² − |x|²) and (y, s, s² − |y|², 1). C1' of the
    residue is made the origin, so that fp32 keeps what is near to 1e-4 Å².
    """
    chain = torch.arange(len(places), device=places.device)[:, None, None]
    origin = places[:, :, None, ATOM_INDEX["C1'"]].detach()
    x = places - origin
    y = (places[chain, others] - origin.unsqueeze(2)).flatten(2, 3)
    there = (exists[chain, others] & counts.unsqueeze(-1)).flatten(2)
    s = reach[chain, others].flatten(2)
    sizes = torch.where(exists, reach.square() - x.square().sum(-1), -_NOWHERE)
    other_sizes = torch.where(there, s.square() - y.square().sum(-1), -_NOWHERE)
    rows = torch.cat([2 * x, torch.stack([2 * reach, torch.ones_like(reach), sizes], dim=-1)], dim=-1)
    columns = torch.cat([y, torch.stack([s, other_sizes, torch.ones_like(s)], dim=-1)], dim=-1)
    with torch.autocast(places.device.type, enabled=False):
        return (rows.float() @ columns.float().mT).relu()


def _norm(vectors: Float[Tensor, "*k 3"]) -> Float[Tensor, "*k"]:
    return (vectors.square().sum(-1) + EPS).sqrt()
