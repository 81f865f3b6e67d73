"""What holds a structure together while its geometry is mended, as distances, volumes and places, with their energy."""

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from monosome.rna.base_distances import HOLD, Rows, hold_bases
from monosome.rna.chain import Chain
from monosome.rna.contacts import Contacts, Hydrogens, Surfaces, hydrogens_of, place, surfaces_of
from monosome.rna.frames import EPS
from monosome.rna.interactions import Interactions
from monosome.rna.nucleotides import ATOM_INDEX, BACKBONE, BASE_ATOMS, BASES, NUM_ATOMS, TEMPLATE
from monosome.rna.stereochemistry import ANGLES, BONDS, CENTRES, Terms

LEAST_BOND, LEAST_ANGLE = 0.015, 1.2
"""Deviations (Å, degrees) are taken no smaller: those of bases, down to 0.004 Å and 0.4°, only slow the descent."""
FLATNESS = 0.02
"""How far (Å) atoms of a base stray from its plane."""
PUCKER = 0.3
"""How far (Å³) the volumes of a ribose's pucker stray: 0.15 Å of C2' and C3'."""
HELD_C1, HELD_BASE_ATOM, HELD_PHOSPHORUS = 0.1, 0.5, 3.0
"""Deviations (Å) of places from the start: of the values tried these move TM-score least and lDDT up most."""
OVERLAP_DEVIATION = 0.05
"""How far (Å) into each other atoms that are not bonded are as much off as a bond by its own deviation."""
STRAIN = 30.0
"""Deviations from which the pull of a bond, an angle or a volume grows no further; HOLD is that of what holds."""


@dataclass(frozen=True, eq=False)
class Distances:
    """Pairs of atoms, `target` Å apart give or take `deviation`; from `reach` deviations on the pull is constant."""

    atoms: Int64[Tensor, "k 2"]
    target: Float[Tensor, "k"]
    deviation: Float[Tensor, "k"]
    reach: Float[Tensor, "k"]


@dataclass(frozen=True, eq=False)
class Volumes:
    """Signed volumes (Å³) that three atoms span from a first."""

    atoms: Int64[Tensor, "k 4"]
    target: Float[Tensor, "k"]
    deviation: Float[Tensor, "k"]


@dataclass(frozen=True, eq=False)
class Anchors:
    """Atoms and the places (Å) that they are held at."""

    atoms: Int64[Tensor, "k"]
    places: Float[Tensor, "k 3"]
    deviation: Float[Tensor, "k"]


@dataclass(frozen=True, eq=False)
class Restraints:
    """All terms of one chain; atoms are counted as residue · 27 + slot."""

    distances: Distances
    volumes: Volumes
    anchors: Anchors
    hydrogens: Hydrogens
    surfaces: Surfaces

    @torch.no_grad()
    def contacts(self, atoms: Float[Tensor, "a 3"]) -> Contacts:
        """The contacts of atoms that are there now."""
        points = torch.cat([atoms, place(self.hydrogens, atoms)])
        return self.surfaces.contacts(points.double().numpy())

    def energy(self, atoms: Float[Tensor, "a 3"], contacts: Contacts, softness: float) -> Float[Tensor, ""]:
        """Half the sum of squared deviations, less where a term has reached its limit.

        No deviation of the ideal shape is taken below `softness` (Å), so that a bad start bends before it breaks.
        """
        terms = self.distances
        lengths = _norm(atoms[terms.atoms[:, 0]] - atoms[terms.atoms[:, 1]])
        strain = _limited((lengths - terms.target) / terms.deviation.clamp(min=softness), terms.reach)
        centre, *arms = atoms[self.volumes.atoms].unbind(1)
        one, two, three = (arm - centre for arm in arms)
        volumes = (torch.linalg.cross(one, two) * three).sum(-1)
        # A volume changes by about 2 Å³ where an atom moves by 1 Å.
        bent = (volumes - self.volumes.target) / self.volumes.deviation.clamp(min=2 * softness)
        moved = _norm(atoms[self.anchors.atoms] - self.anchors.places) / self.anchors.deviation
        points = torch.cat([atoms, place(self.hydrogens, atoms)])
        near = _norm(points[contacts.atoms[:, 0]] - points[contacts.atoms[:, 1]])
        overlap = (contacts.least - near).clamp(min=0) / max(OVERLAP_DEVIATION, softness)
        held = _limited(moved, torch.full_like(moved, HOLD))
        return strain.sum() + _limited(bent, torch.full_like(bent, STRAIN)).sum() + held.sum() + overlap.square().sum()


def _norm(vectors: Float[Tensor, "*k 3"]) -> Float[Tensor, "*k"]:
    return (vectors.square().sum(-1) + EPS).sqrt()


def _limited(deviations: Float[Tensor, "k"], limit: Float[Tensor, "k"]) -> Float[Tensor, "k"]:
    """Half the square, growing in a line beyond the limit."""
    return limit**2 * ((1 + (deviations / limit) ** 2).sqrt() - 1)


def restrain(chain: Chain, linked: Bool[np.ndarray, "n"], interactions: Interactions) -> Restraints:
    """The terms of a chain: its covalent shape, and its bases and phosphorus atoms where and with whom they are.

    `linked` says which residues are bonded to the next. Terms of atoms that are missing are left out.
    """
    hydrogens = hydrogens_of(chain)
    shape = [*_shape(chain, linked), *hold_bases(chain, interactions)]
    atoms, target, deviation, reach = (torch.from_numpy(np.concatenate(column)) for column in zip(*shape, strict=True))
    return Restraints(
        Distances(atoms, target.float(), deviation.float(), reach.float()),
        _volumes(chain),
        _anchors(chain),
        hydrogens,
        surfaces_of(chain, hydrogens, _apply(BONDS, chain, linked)[0]),
    )


def _angles_as_distances() -> Terms:
    """Of each angle the distance of its ends, given its two ideal bonds, and how far that strays (Å)."""
    ideal, deviation = np.full((2, *ANGLES.ideal.shape), np.nan)
    for base, names in enumerate(ANGLES.names):
        lengths = dict(zip(map(_bond, BONDS.names[base]), BONDS.ideal[base].tolist(), strict=False))
        for term, name in enumerate(names):
            one, centre, other = name.split()
            before, after = lengths[_bond(f"{one} {centre}")], lengths[_bond(f"{centre} {other}")]
            angle = np.deg2rad(ANGLES.ideal[base, term])
            spread = np.deg2rad(max(LEAST_ANGLE, ANGLES.deviation[base, term]))
            ideal[base, term] = np.sqrt(before**2 + after**2 - 2 * before * after * np.cos(angle))
            deviation[base, term] = before * after * np.sin(angle) / ideal[base, term] * spread
    return Terms(ANGLES.names, ANGLES.slots[..., [0, 2]], ANGLES.offsets[..., [0, 2]], ideal, deviation)


def _bond(names: str) -> frozenset[str]:
    """The same name for a bond whichever way it is written, and for one within the next residue."""
    atoms = names.split()
    return frozenset(atom.lstrip("+") for atom in atoms) if all(atom[0] == "+" for atom in atoms) else frozenset(atoms)


def _planes() -> Terms:
    """Volumes that vanish where a base is flat: of its three atoms farthest apart and each other one."""
    rows = []
    for base, names in enumerate(BASE_ATOMS[base] for base in BASES):
        slots = [ATOM_INDEX[name] for name in ("C1'", *names)]
        places = TEMPLATE[base].astype(np.float64)
        areas = {
            corners: float(np.linalg.norm(np.cross(*(places[[*corners[1:]]] - places[corners[0]]))))
            for corners in itertools.combinations(slots, 3)
        }
        corners = max(areas, key=lambda each: areas[each])
        rows.append([((*corners, slot), FLATNESS * areas[corners]) for slot in slots if slot not in corners])
    num = max(map(len, rows))
    slots_, ideal, deviation = np.zeros((4, num, 4), dtype=np.int64), *np.full((2, 4, num), np.nan)
    for base, row in enumerate(rows):
        slots_[base, : len(row)] = [slots for slots, _ in row]
        ideal[base, : len(row)], deviation[base, : len(row)] = 0, [spread for _, spread in row]
    return Terms((), slots_, np.zeros_like(slots_), ideal, deviation)


_SPANS, _PLANES = _angles_as_distances(), _planes()


def _apply(
    terms: Terms, chain: Chain, linked: Bool[np.ndarray, "n"]
) -> tuple[Int64[np.ndarray, "k a"], Float[np.ndarray, "k"], Float[np.ndarray, "k"]]:
    """Atoms, ideal values and deviations of the terms of a chain whose atoms are there."""
    bases = chain.bases
    residues = np.arange(len(chain))[:, None, None] + terms.offsets[bases]
    atoms = residues.clip(max=len(chain) - 1) * NUM_ATOMS + terms.slots[bases]
    within = (terms.offsets[bases] == 0).all(axis=-1) | linked[:, None]
    known = np.isfinite(terms.ideal[bases]) & within & chain.resolved.reshape(-1)[atoms].all(axis=-1)
    return atoms[known], terms.ideal[bases][known], terms.deviation[bases][known]


def _shape(chain: Chain, linked: Bool[np.ndarray, "n"]) -> list[Rows]:
    rows = []
    for terms, least in ((BONDS, LEAST_BOND), (_SPANS, 0.0)):
        atoms, ideal, deviation = _apply(terms, chain, linked)
        rows.append((atoms, ideal, deviation.clip(min=least), np.full(len(atoms), STRAIN)))
    return rows


def _volumes(chain: Chain) -> Volumes:
    no_links = np.zeros(len(chain), dtype=bool)
    found = [*(_apply(terms, chain, no_links) for terms in (CENTRES, _PLANES)), _puckers(chain)]
    atoms, ideal, deviation = (torch.from_numpy(np.concatenate(column)) for column in zip(*found, strict=True))
    return Volumes(atoms, ideal.float(), deviation.float())


_ABOVE_RING = np.array([[ATOM_INDEX[name] for name in ("O4'", "C1'", "C4'", top)] for top in ("C2'", "C3'")])
"""Volumes that tell how high C2' and C3' stand above the plane of the other three, as the pucker has it."""


def _puckers(chain: Chain) -> tuple[Int64[np.ndarray, "k 4"], Float[np.ndarray, "k"], Float[np.ndarray, "k"]]:
    """The ideal C3'-endo ring or, where C2' stands higher than C3', C2'-endo: the same with the two exchanged."""
    low, high = _spanned(TEMPLATE[0, _ABOVE_RING])
    heights = np.sign(high) * _spanned(chain.atoms[:, _ABOVE_RING])
    known = np.flatnonzero(np.isfinite(heights).all(axis=1))
    is_c2_endo = heights[known, 0] > heights[known, 1]
    target = np.where(is_c2_endo[:, None], [high, low], [low, high])
    atoms = known[:, None, None] * NUM_ATOMS + _ABOVE_RING
    return atoms.reshape(-1, 4), target.reshape(-1), np.full(target.size, PUCKER)


def _spanned(points: Float[np.ndarray, "*k 4 3"]) -> Float[np.ndarray, "*k"]:
    """Signed volumes (Å³) that three points span from a first."""
    one, two, three = np.moveaxis(points[..., 1:, :].astype(np.float64) - points[..., :1, :], -2, 0)
    return np.asarray((np.cross(one, two) * three).sum(axis=-1))


def _anchors(chain: Chain) -> Anchors:
    """C1' and the bases are held at the start, phosphorus less; the rest of the backbone is free to close its gaps."""
    deviation = np.full(NUM_ATOMS, HELD_BASE_ATOM)
    deviation[: len(BACKBONE)] = np.inf
    deviation[ATOM_INDEX["C1'"]], deviation[ATOM_INDEX["P"]] = HELD_C1, HELD_PHOSPHORUS
    residues, slots = np.nonzero(chain.resolved & np.isfinite(deviation))
    return Anchors(
        torch.from_numpy(residues * NUM_ATOMS + slots),
        torch.from_numpy(chain.atoms[residues, slots]),
        torch.from_numpy(deviation[slots]).float(),
    )
