"""All heavy atoms of nucleotides from their frames and torsions."""

import math

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor
from torch.nn.functional import normalize

from monosome.rna.frames import Frames
from monosome.rna.nucleotides import ATOM_INDEX, ATOM_MASK, BACKBONE, BASES, GLYCOSIDIC, TEMPLATE
from monosome.rna.stereochemistry import ANGLES, BONDS

TORSIONS = ("alpha", "beta", "gamma", "chi", "phase", "delta", "epsilon", "zeta", "eta", "theta")
"""The torsion axis, fields of torsions.Torsions. The first five place atoms; the others follow from them and from where
the neighbours are, δ from the phase of the pucker alone."""
AMPLITUDE = math.radians(41)
"""τm of ν0 and ν4; by all five torsions the closed ring then has 38.8 to 41.2°. The median of 939 residues in 17 chains
at 2.0 Å or better is 39.7° (sd 3.9°). With each its own, 50 natural chains are rebuilt to 0.19 Å instead of 0.21 Å."""

_ENDO_COSINES = (math.cos(math.radians(14.8)), math.cos(math.radians(161.2)))
"""Cosines of the median phases of 788 residues of those in C3'-endo, and of 124 in C2'-endo."""
_TIPS = ("N", "C5'", "O3'", "O2'")
_CENTRES, _LEFT, _RIGHT = ("C1'", "C4'", "C3'", "C2'"), ("O4'", "C3'", "C4'", "C3'"), ("C2'", "O4'", "C2'", "C1'")
"""What stands on the ring, on what, between which two: right-handed as the centre sees them, which is β-D-ribose."""
_TO_LEFT = ((109.0, 108.7), (115.6, 114.9), (112.2, 109.4), (110.9, 114.3))
_TO_RIGHT = ((112.4, 114.1), (110.0, 109.1), (113.3, 109.2), (108.5, 111.5))
"""Angles (degrees) of a tip to the two in C3'-endo and in C2'-endo: medians as above. Of C3'-endo those of Gelbin 1996
are within 1°."""
_RING_ANGLES = {"C4' O4' C1'": (108.1, 0.0, 2.0), "C2' C1' O4'": (106.2, 2.3, 0.0)}
"""Mean, and what goes with the sine and cosine of twice the phase (degrees), as in any ring of five that puckers. The
closed ring then has its phase to 3° and no angle 4 deviations off, and the medians of both angles are met to 1°."""


def _ideal(names: str, base: int = 0) -> float:
    """Bond (Å) or angle (radians) of geometry.json."""
    terms = BONDS if len(names.split()) == 2 else ANGLES
    value = float(terms.ideal[base, terms.names[base].index(names)])
    return value if terms is BONDS else math.radians(value)


def _bond(names: str) -> float:
    """The bond (Å) of the first two atoms of an angle, whichever way round it is written."""
    one, other, _ = names.split()
    return _ideal(f"{one} {other}" if f"{one} {other}" in BONDS.names[0] else f"{other} {one}")


def _around_phosphorus(oxygen: str) -> float:
    """Angle (radians) about O5'–P between the O3' before and an oxygen, from the three angles at P."""
    link, own, across = (_ideal(names) for names in ("O3' +P +O5'", f"{oxygen} P O5'", f"O3' +P +{oxygen}"))
    return math.acos((math.cos(across) - math.cos(link) * math.cos(own)) / (math.sin(link) * math.sin(own)))


_OXYGENS = (_around_phosphorus("OP1"), -_around_phosphorus("OP2"))
"""By how much OP1 and OP2 are turned from α: 114° and −115°."""


def _tip_lengths() -> Float32[np.ndarray, "4 4"]:
    shared = [_ideal("C5' C4'"), _ideal("C3' O3'"), _ideal("C2' O2'")]
    return np.array([[_ideal(f"C1' {GLYCOSIDIC[base]}", row), *shared] for row, base in enumerate(BASES)], np.float32)


_TIP_LENGTHS = _tip_lengths()
_BASE_TEMPLATE = np.nan_to_num(TEMPLATE[:, len(BACKBONE) :])
_CHI_ATOMS = [ATOM_INDEX["C4" if base in "AG" else "C2"] for base in BASES]
_CHI_PLACES = TEMPLATE[np.arange(len(BASES)), _CHI_ATOMS, 1:]
"""Place (y, z) of the atom that χ is measured to, C4 or C2, before the base is turned."""


def place_atoms(
    frames: Frames, torsions: Float[Tensor, "*batch n t 2"], bases: Int[Tensor, "*batch n"]
) -> Float[Tensor, "*batch n 27 3"]:
    """Coordinates of all heavy atoms (Å), NaN for those that a base lacks: select by ATOM_MASK before arithmetic."""
    exists = torch.from_numpy(ATOM_MASK).to(bases.device)[bases].unsqueeze(-1)
    return torch.where(exists, frames.apply(local_atoms(torsions, bases)), torch.nan)


def local_atoms(
    torsions: Float[Tensor, "*batch n t 2"], bases: Int[Tensor, "*batch n"]
) -> Float[Tensor, "*batch n 27 3"]:
    """Heavy atoms of each nucleotide as its frame sees them (Å); of no meaning for those that its base lacks.

    `torsions` are sines and cosines, of length 1, in the order of TORSIONS. A frame holds C1', the glycosidic nitrogen
    and the plane of C4', and with them the ribose: closed at any phase of its pucker, each centre of the right hand,
    C4' shifted within that plane as the pucker wants. χ turns the base about the frame's x axis. γ, β and α put O5', P,
    and OP1 and OP2 each onto the last. O3' stands on the ring, so that the phase says what δ is. Bonds and angles are
    ideal but for the link of O3' to the next P, which is left to the frames.
    """
    angles = dict(zip(TORSIONS, torsions.float().unbind(-2), strict=True))
    places = _ribose(angles["phase"], bases)
    c3, c4, c5 = (places[name] for name in ("C3'", "C4'", "C5'"))
    o5 = _prolonged((c3, c4, c5), "O5' C5' C4'", angles["gamma"])
    p = _prolonged((c4, c5, o5), "P O5' C5'", angles["beta"])
    op1, op2 = (
        _prolonged((c5, o5, p), f"{name} P O5'", _turned(angles["alpha"], by))
        for name, by in zip(("OP1", "OP2"), _OXYGENS, strict=True)
    )
    places |= {"O5'": o5, "P": p, "OP1": op1, "OP2": op2}
    base = _base(angles["chi"], places["O4'"], bases)
    return torch.cat([torch.stack([places[name] for name in BACKBONE], dim=-2), base], dim=-2)


def _ribose(phase: Float[Tensor, "*batch 2"], bases: Int[Tensor, "*batch"]) -> dict[str, Float[Tensor, "*batch 3"]]:
    """Places of the ribose and C5' in the nucleotide's frame."""
    ring = _ring(phase)
    centres, left, right = (torch.stack([ring[name] for name in row], dim=-2) for row in (_CENTRES, _LEFT, _RIGHT))
    arms = normalize(left - centres, dim=-1), normalize(right - centres, dim=-1)
    cosines = tuple(_by_pucker(row, phase).cos().unsqueeze(-1) for row in (_TO_LEFT, _TO_RIGHT))
    tips = centres + _of_base(_TIP_LENGTHS, bases).unsqueeze(-1) * _between(*arms, *cosines)
    places = ring | dict(zip(_TIPS, tips.unbind(-2), strict=True))
    frame = Frames.from_points(places["C1'"], places.pop("N"), places["C4'"])
    local = frame.inverse_apply(torch.stack(list(places.values()), dim=-2))
    return dict(zip(places, local.unbind(-2), strict=True))


def _ring(phase: Float[Tensor, "*batch 2"]) -> dict[str, Float[Tensor, "*batch 3"]]:
    """The five atoms of the ribose's ring: O4' at the origin, C1' on x, C4' in the xy plane with y > 0.

    ν0 and ν4 are those of the pseudorotation (Altona & Sundaralingam 1972, J. Am. Chem. Soc. 94, 8205); the angle at
    C4' is the one that brings C3' to its bond's length from C2'.
    """
    sine, cosine = phase.unsqueeze(-1).unbind(-2)
    zero, turn = torch.zeros_like(sine), math.radians(72)
    nu0, nu4 = (AMPLITUDE * (cosine * math.cos(turn) - sign * sine * math.sin(turn)) for sign in (1, -1))
    at_o4, at_c1 = (
        (mean + by_sine * 2 * sine * cosine + by_cosine * (1 - 2 * sine * sine)).deg2rad()
        for mean, by_sine, by_cosine in _RING_ANGLES.values()
    )
    c1 = torch.cat([zero + _ideal("C1' O4'"), zero, zero], dim=-1)
    along = torch.cat([at_o4.cos(), at_o4.sin(), zero], dim=-1)
    c4 = _ideal("C4' O4'") * along
    toward = torch.cat([-at_c1.cos(), at_c1.sin() * nu0.cos(), at_c1.sin() * nu0.sin()], dim=-1)
    c2 = c1 + _ideal("C2' C1'") * toward
    aside = torch.cat([at_o4.sin() * nu4.cos(), -at_o4.cos() * nu4.cos(), -nu4.sin()], dim=-1)
    # C3' lies at bond · (−cos θ along + sin θ aside) from C4'; θ is where that is the other bond's length from C2'.
    gap, bond = c2 - c4, _ideal("C4' C3'")
    x, y = -(along * gap).sum(-1, keepdim=True), (aside * gap).sum(-1, keepdim=True)
    square = x * x + y * y
    want = ((gap * gap).sum(-1, keepdim=True) + bond**2 - _ideal("C3' C2'") ** 2) / (2 * bond)
    rest = (square - want * want).sqrt()
    c3 = c4 + bond / square * ((y * rest - x * want) * along + (y * want + x * rest) * aside)
    return {"O4'": torch.zeros_like(c1), "C1'": c1, "C2'": c2, "C3'": c3, "C4'": c4}


def _of_base(table: Float32[np.ndarray, "4 ..."], bases: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The rows of a table that the bases have."""
    return torch.from_numpy(table).to(bases.device)[bases]


def _by_pucker(degrees: tuple[tuple[float, float], ...], phase: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch _"]:
    """Angles (radians) between those in C3'-endo and in C2'-endo, linear in the cosine of the phase."""
    north, south = torch.tensor(degrees, device=phase.device).deg2rad().unbind(-1)
    share = (phase[..., 1:] - _ENDO_COSINES[1]) / (_ENDO_COSINES[0] - _ENDO_COSINES[1])
    return south + share * (north - south)


def _between(
    left: Float[Tensor, "*batch 3"],
    right: Float[Tensor, "*batch 3"],
    to_left: Float[Tensor, "*batch 1"],
    to_right: Float[Tensor, "*batch 1"],
) -> Float[Tensor, "*batch 3"]:
    """Unit vectors with these cosines to two others, on the side that makes (left, right, it) right-handed."""
    across = torch.linalg.cross(left, right)
    cosine = (left * right).sum(-1, keepdim=True)
    square = 1 - cosine * cosine
    x, y = (to_left - cosine * to_right) / square, (to_right - cosine * to_left) / square
    return x * left + y * right + ((1 - x * to_left - y * to_right) / square).sqrt() * across


def _prolonged(
    points: tuple[Float[Tensor, "*batch 3"], Float[Tensor, "*batch 3"], Float[Tensor, "*batch 3"]],
    names: str,
    torsion: Float[Tensor, "*batch 2"],
) -> Float[Tensor, "*batch 3"]:
    """The atom after three, by its ideal bond and angle (named from it back) and its torsion's sine and cosine."""
    first, second, third = points
    bond, angle = _bond(names), _ideal(names)
    along = normalize(third - second, dim=-1)
    normal = normalize(torch.linalg.cross(second - first, along), dim=-1)
    sine, cosine = torsion.unsqueeze(-1).unbind(-2)
    aside = cosine * torch.linalg.cross(normal, along) + sine * normal
    return third + bond * (math.sin(angle) * aside - math.cos(angle) * along)


def _turned(torsion: Float[Tensor, "*batch 2"], angle: float) -> Float[Tensor, "*batch 2"]:
    """Sine and cosine of a torsion and an angle (radians) together."""
    sine, cosine = torsion.unbind(-1)
    return torch.stack(
        [sine * math.cos(angle) + cosine * math.sin(angle), cosine * math.cos(angle) - sine * math.sin(angle)], dim=-1
    )


def _base(
    chi: Float[Tensor, "*batch 2"], o4: Float[Tensor, "*batch 3"], bases: Int[Tensor, "*batch"]
) -> Float[Tensor, "*batch 15 3"]:
    """The base turned about x until the atom of χ is χ away from O4'."""
    template, start = _of_base(_BASE_TEMPLATE, bases), normalize(_of_base(_CHI_PLACES, bases), dim=-1)
    y, z = normalize(o4[..., 1:], dim=-1).unbind(-1)
    sine, cosine = chi.unbind(-1)
    wanted_y, wanted_z = y * cosine - z * sine, z * cosine + y * sine
    sine, cosine = (
        (start[..., 0] * wanted_z - start[..., 1] * wanted_y).unsqueeze(-1),
        (start[..., 0] * wanted_y + start[..., 1] * wanted_z).unsqueeze(-1),
    )
    along, y, z = template.unbind(-1)
    return torch.stack([along, y * cosine - z * sine, z * cosine + y * sine], dim=-1)
