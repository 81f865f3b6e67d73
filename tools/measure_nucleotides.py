"""Measure ideal nucleotides and the A-form helix on real stems; write src/monosome/rna/nucleotides.json.

    python tools/measure_nucleotides.py FOLDER/rna_fullatom

Stems of at least six Watson–Crick pairs in chains at 3 Å resolution or better are laid into helix coordinates: z along
the axis, x along the dyad of each pair. The median places of their C3'-endo nucleotides are then moved as little as
it takes to meet the published bonds and angles, planar bases, one backbone for all four nucleotides, and a bonded
O3'–P link from each nucleotide to the next one of the screw.
"""

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

from monosome.rna.chain import Chain
from monosome.rna.files import read_structure
from monosome.rna.nucleotides import ATOM_INDEX, BACKBONE, BASE_ATOMS, BASES, WATSON_CRICK
from monosome.rna.superposition import superpose

RESOLUTION_LIMIT = 3.0
MIN_PAIRS = 6

# Ribose and phosphate: Gelbin et al. 1996, J. Am. Chem. Soc. 118, 519, C3'-endo; Parkinson et al. 1996,
# Acta Cryst. D52, 57. Bases: Clowney et al. 1996, J. Am. Chem. Soc. 118, 509. Lengths in Å.
BACKBONE_BONDS = {
    "P OP1": 1.485, "P OP2": 1.485, "P O5'": 1.593, "O5' C5'": 1.440, "C5' C4'": 1.510, "C4' C3'": 1.524,
    "C3' C2'": 1.525, "C2' C1'": 1.528, "O4' C1'": 1.414, "O4' C4'": 1.453, "C3' O3'": 1.423, "C2' O2'": 1.413,
}  # fmt: skip
BASE_BONDS = {
    "A": {"C1' N9": 1.470, "N1 C2": 1.339, "C2 N3": 1.331, "N3 C4": 1.344, "C4 C5": 1.383, "C5 C6": 1.406,
          "C6 N1": 1.351, "C5 N7": 1.388, "N7 C8": 1.311, "C8 N9": 1.373, "N9 C4": 1.374, "C6 N6": 1.335},
    "C": {"C1' N1": 1.480, "N1 C2": 1.397, "C2 N3": 1.353, "N3 C4": 1.335, "C4 C5": 1.425, "C5 C6": 1.339,
          "C6 N1": 1.367, "C2 O2": 1.240, "C4 N4": 1.335},
    "G": {"C1' N9": 1.470, "N1 C2": 1.373, "C2 N3": 1.323, "N3 C4": 1.350, "C4 C5": 1.379, "C5 C6": 1.419,
          "C6 N1": 1.391, "C5 N7": 1.388, "N7 C8": 1.305, "C8 N9": 1.374, "N9 C4": 1.375, "C2 N2": 1.341,
          "C6 O6": 1.237},
    "U": {"C1' N1": 1.480, "N1 C2": 1.381, "C2 N3": 1.373, "N3 C4": 1.380, "C4 C5": 1.431, "C5 C6": 1.337,
          "C6 N1": 1.375, "C2 O2": 1.219, "C4 O4": 1.232},
}  # fmt: skip
BACKBONE_ANGLES = {
    "P O5' C5'": 120.9, "O5' C5' C4'": 111.6, "C5' C4' C3'": 116.0, "C5' C4' O4'": 109.8, "C3' C4' O4'": 104.0,
    "C4' C3' C2'": 102.7, "C4' C3' O3'": 113.0, "C2' C3' O3'": 113.7, "C3' C2' C1'": 101.5, "C3' C2' O2'": 110.7,
    "C1' C2' O2'": 108.4, "C2' C1' O4'": 107.6, "C1' O4' C4'": 109.9, "OP1 P OP2": 119.6, "O5' P OP1": 108.1,
    "O5' P OP2": 108.3,
}  # fmt: skip
BASE_ANGLES = {
    "A": {"O4' C1' N9": 108.5, "C2' C1' N9": 112.0, "C8 N9 C1'": 127.7, "C4 N9 C1'": 126.3, "C6 N1 C2": 118.6,
          "N1 C2 N3": 129.3, "C2 N3 C4": 110.6, "N3 C4 C5": 126.8, "C4 C5 C6": 117.0, "C5 C6 N1": 117.7,
          "C4 C5 N7": 110.7, "C5 N7 C8": 103.9, "N7 C8 N9": 113.8, "C8 N9 C4": 105.8, "N9 C4 C5": 105.8,
          "N1 C6 N6": 118.6, "C5 C6 N6": 123.7},
    "C": {"O4' C1' N1": 108.5, "C2' C1' N1": 112.0, "C6 N1 C1'": 120.8, "C2 N1 C1'": 118.8, "C6 N1 C2": 120.3,
          "N1 C2 N3": 119.2, "C2 N3 C4": 119.9, "N3 C4 C5": 121.9, "C4 C5 C6": 117.4, "C5 C6 N1": 121.0,
          "N1 C2 O2": 118.9, "N3 C2 O2": 121.9, "N3 C4 N4": 118.0, "C5 C4 N4": 120.2},
    "G": {"O4' C1' N9": 108.5, "C2' C1' N9": 112.0, "C8 N9 C1'": 127.0, "C4 N9 C1'": 126.5, "C6 N1 C2": 125.1,
          "N1 C2 N3": 123.9, "C2 N3 C4": 111.9, "N3 C4 C5": 128.6, "C4 C5 C6": 118.8, "C5 C6 N1": 111.5,
          "C4 C5 N7": 110.8, "C5 N7 C8": 104.3, "N7 C8 N9": 113.1, "C8 N9 C4": 106.4, "N9 C4 C5": 105.4,
          "N1 C2 N2": 116.2, "N3 C2 N2": 119.9, "N1 C6 O6": 119.9, "C5 C6 O6": 128.6},
    "U": {"O4' C1' N1": 108.5, "C2' C1' N1": 112.0, "C6 N1 C1'": 121.2, "C2 N1 C1'": 117.7, "C6 N1 C2": 121.0,
          "N1 C2 N3": 114.9, "C2 N3 C4": 127.0, "N3 C4 C5": 114.6, "C4 C5 C6": 119.7, "C5 C6 N1": 122.7,
          "N1 C2 O2": 122.8, "N3 C2 O2": 122.2, "N3 C4 O4": 119.4, "C5 C4 O4": 125.9},
}  # fmt: skip
BONDS = {base: BACKBONE_BONDS | BASE_BONDS[base] for base in BASES}
ANGLES = {base: BACKBONE_ANGLES | BASE_ANGLES[base] for base in BASES}
LINK = 1.607
"""O3'–P (Parkinson 1996)."""
LINK_ANGLES = {"C3' O3' P": 119.7, "O3' P O5'": 103.96}
PAIR_DISTANCES = {"GC": ("C1' C1'", "O6 N4", "N1 N3", "N2 O2"), "AU": ("C1' C1'", "N6 O4", "N1 N3")}
"""Hydrogen bonds between heavy atoms, and the span of a pair."""


@dataclass(frozen=True)
class Stem:
    """A run of Watson–Crick pairs: residues `first` + k and `last` − k of a chain, for k below `num_pairs`."""

    chain: Chain
    first: int
    last: int
    num_pairs: int

    def strands(self) -> tuple[Chain, Chain]:
        """The two strands, pair by pair."""
        steps = np.arange(self.num_pairs)
        return self.chain.subset(self.first + steps), self.chain.subset(self.last - steps)


def chains(folder: Path) -> Iterator[Chain]:
    """The chains of the set at RESOLUTION_LIMIT or better."""
    with (folder / "manifest.csv").open() as file:
        for row in csv.DictReader(file):
            if row["resolution"] and float(row["resolution"]) <= RESOLUTION_LIMIT:
                yield read_structure(folder / "pdb" / f"{row['id']}.pdb.gz").chains[0]


def stems(chain: Chain) -> Iterator[Stem]:
    """Unbroken helices of at least MIN_PAIRS pairs; a pair is WC with N1–N3 2.5–3.3 Å and C1'–C1' 9.8–11.2 Å."""
    purine, pyrimidine, sugar = chain.atom("N1"), chain.atom("N3"), chain.atom("C1'")
    near = np.linalg.norm(purine[:, None] - pyrimidine[None], axis=-1)
    span = np.linalg.norm(sugar[:, None] - sugar[None], axis=-1)
    paired = {
        (int(i), int(j))
        for i, j in np.argwhere((span > 9.8) & (span < 11.2))
        if chain.sequence[i] + chain.sequence[j] in WATSON_CRICK
        and 2.5 < (near[i, j] if chain.sequence[i] in "AG" else near[j, i]) < 3.3
    }
    for i, j in sorted(paired):
        if i < j and (i - 1, j + 1) not in paired:
            num_pairs = next(k for k in range(len(chain)) if (i + k, j - k) not in paired)
            one_strand = (np.diff(chain.segments[i : i + num_pairs]) == 0).all()
            other_strand = (np.diff(chain.segments[j - num_pairs + 1 : j + 1]) == 0).all()
            if MIN_PAIRS <= num_pairs <= (j - i) // 2 and one_strand and other_strand:
                yield Stem(chain, i, j, num_pairs)


def screw(stem: Stem) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Twist (degrees), rise (Å), axis direction and a point of the axis that move each pair onto the next."""
    points = np.stack([np.stack([s.atom(a) for a in ("C1'", "C3'", "C4'")], axis=1) for s in stem.strands()], axis=1)
    start, end = (points[window].reshape(-1, 3).astype(np.float64) for window in (slice(None, -1), slice(1, None)))
    rotation, shift = (part.numpy() for part in superpose(torch.from_numpy(start), torch.from_numpy(end)))
    axis = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    axis /= np.linalg.norm(axis)
    rise = float(axis @ shift)
    twist = float(np.degrees(np.arccos((np.trace(rotation) - 1) / 2)))
    # The axis is what the screw only shifts: (1 − R) x = shift − rise·axis, solved in the plane across the axis.
    point = np.linalg.lstsq(np.eye(3) - rotation, shift - rise * axis, rcond=None)[0]
    return (twist, rise, axis, point) if rise > 0 else (-twist, -rise, -axis, point)


def pair_distances(found: list[Stem]) -> dict[str, list[float]]:
    """Median of each of PAIR_DISTANCES over all pairs of the stems (Å)."""
    distances: dict[str, list[list[float]]] = {pair: [] for pair in PAIR_DISTANCES}
    for stem in found:
        for (one, atoms), (other, others) in zip(*(residues(strand) for strand in stem.strands()), strict=True):
            if one + other in PAIR_DISTANCES:
                ends = (names.split() for names in PAIR_DISTANCES[one + other])
                places = [(atoms[ATOM_INDEX[a]], others[ATOM_INDEX[b]]) for a, b in ends]
                distances[one + other].append([float(np.linalg.norm(a - b)) for a, b in places])
    return {pair: np.nanmedian(rows, axis=0).tolist() for pair, rows in distances.items()}


def in_helix(stem: Stem, axis: np.ndarray, point: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Base and (27, 3) coordinates of every inner C3'-endo nucleotide, each with the dyad of its pair as x axis."""
    for forward, partner in list(zip(*(residues(strand) for strand in stem.strands()), strict=True))[1:-1]:
        middle = (forward[1][ATOM_INDEX["C1'"]] + partner[1][ATOM_INDEX["C1'"]]) / 2
        radial = middle - point - axis * (axis @ (middle - point))
        x = radial / np.linalg.norm(radial)
        y = np.cross(axis, x)
        origin = point + axis * (axis @ (middle - point))
        for (base, atoms), turn in ((forward, [1, 1, 1]), (partner, [1, -1, -1])):
            placed = (atoms - origin) @ np.stack([x, y, axis], axis=1) * np.array(turn)
            if 70 < dihedral(placed) < 95:  # δ of C3'-endo is 79.1° in fibre A-RNA, of C2'-endo near 145°
                yield base, placed


def residues(strand: Chain) -> list[tuple[str, np.ndarray]]:
    """(base, coordinates) of each residue."""
    return list(zip(strand.sequence, strand.atoms.astype(np.float64), strict=True))


def dihedral(atoms: np.ndarray) -> float:
    """δ, C5'-C4'-C3'-O3', in degrees."""
    a, b, c, d = (atoms[ATOM_INDEX[name]] for name in ("C5'", "C4'", "C3'", "O3'"))
    axis = (c - b) / np.linalg.norm(c - b)
    before, after = (vector - axis * (vector @ axis) for vector in (a - b, d - c))
    return float(np.degrees(np.arctan2(axis @ np.cross(before, after), before @ after)))


class Fit(torch.nn.Module):
    """Nucleotides of a strand in helix coordinates: one backbone, and a flat base for each letter."""

    def __init__(
        self, targets: dict[str, Tensor], pair_distances: dict[str, list[float]], twist: float, rise: float
    ) -> None:
        super().__init__()
        self.targets, self.pair_distances = targets, pair_distances
        self.twist, self.rise = twist, rise
        backbone, bases = targets["backbone"], {base: targets[base] for base in BASES}
        cosine, sine = np.cos(np.radians(twist)), np.sin(np.radians(twist))
        self.turn = torch.tensor([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
        self.shift = torch.tensor([0.0, 0.0, rise])
        self.backbone = torch.nn.Parameter(backbone.clone())
        origin = backbone[BACKBONE.index("C1'")]
        direction = torch.stack([atoms[0] - origin for atoms in bases.values()]).mean(dim=0)
        self.direction = torch.nn.Parameter(direction / direction.norm())
        # Per base a second in-plane axis, and each atom's two coordinates along both; the first atom is the nitrogen.
        self.across, self.flat = torch.nn.ParameterDict(), torch.nn.ParameterDict()
        for base, atoms in bases.items():
            _, _, vectors = torch.linalg.svd(atoms - origin, full_matrices=False)
            normal = vectors[2]
            across = torch.linalg.cross(normal, self.direction.detach())
            plane = torch.stack([self.direction.detach(), across / across.norm()])
            self.across[base] = torch.nn.Parameter(plane[1].clone())
            self.flat[base] = torch.nn.Parameter((atoms - origin) @ plane.T)

    def atoms(self, base: str) -> dict[str, Tensor]:
        """Positions by atom name."""
        named = dict(zip(BACKBONE, self.backbone, strict=True))
        along = self.direction / self.direction.norm()
        across = self.across[base] - along * (self.across[base] @ along)
        flat = self.flat[base] * torch.tensor([[1.0, 0.0]] + [[1.0, 1.0]] * (len(self.flat[base]) - 1))
        ring = named["C1'"] + flat @ torch.stack([along, across / across.norm()])
        return named | dict(zip(BASE_ATOMS[base], ring, strict=True))

    def next_phosphate(self) -> dict[str, Tensor]:
        """P and O5' of the next nucleotide of the strand."""
        return {name: self.turn @ self.backbone[BACKBONE.index(name)] + self.shift for name in ("P", "O5'")}

    def forward(self) -> Tensor:
        """Sum of squares: bonds in 0.002 Å, angles in 0.5°, pairs in 0.02 Å, medians in 0.1 Å."""
        terms = [(self.backbone - self.targets["backbone"]).div(0.1).square().sum()]
        following = self.next_phosphate()
        for base in BASES:
            atoms = self.atoms(base)
            ring = torch.stack([atoms[name] for name in BASE_ATOMS[base]])
            terms.append((ring - self.targets[base]).div(0.1).square().sum())
            for pair, length in BONDS[base].items():
                terms.append((bond(atoms, pair) - length).div(0.002).square())
            for triple, degrees in ANGLES[base].items():
                terms.append((angle(atoms, triple) - degrees).div(0.5).square())
        terms.append((bond(atoms | following, "O3' P") - LINK).div(0.002).square())
        for triple, degrees in LINK_ANGLES.items():
            terms.append((angle(atoms | following, triple) - degrees).div(0.5).square())
        for pair, distances in self.pair_distances.items():
            for length, target in zip(self.across_pair(pair), distances, strict=True):
                terms.append((length - target).div(0.02).square())
        return torch.stack(terms).sum()

    def across_pair(self, pair: str) -> list[Tensor]:
        """PAIR_DISTANCES of a pair whose second nucleotide is placed by the dyad."""
        dyad = torch.tensor([1.0, -1.0, -1.0])
        one, other = self.atoms(pair[0]), self.atoms(pair[1])
        ends = (names.split() for names in PAIR_DISTANCES[pair])
        return [(one[a] - dyad * other[b]).norm() for a, b in ends]


def bond(atoms: dict[str, Tensor], pair: str) -> Tensor:
    """Length of the bond between two atoms, "C1' N9"."""
    one, other = pair.split()
    return (atoms[one] - atoms[other]).norm()


def angle(atoms: dict[str, Tensor], triple: str) -> Tensor:
    """Angle at the middle one of three atoms, "O4' C1' N9", in degrees."""
    one, corner, other = (atoms[name] for name in triple.split())
    a, b = one - corner, other - corner
    return torch.rad2deg(torch.atan2(torch.linalg.cross(a, b).norm(), a @ b))


def fitted(fit: Fit) -> Fit:
    """The fit at its minimum."""
    optimizer = torch.optim.LBFGS(
        fit.parameters(), max_iter=2000, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = fit()
        loss.backward()
        return loss

    optimizer.step(closure)
    return fit


def frame(fit: Fit) -> tuple[Tensor, Tensor]:
    """Rotation and origin of the nucleotide frame (C1', nitrogen on +x, C4' in the xy plane) in helix coordinates."""
    named = fit.atoms("A")
    origin = named["C1'"]
    x = (named["N9"] - origin) / (named["N9"] - origin).norm()
    y = (named["C4'"] - origin) - x * (x @ (named["C4'"] - origin))
    y = y / y.norm()
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=1), origin


def report(fit: Fit) -> None:
    """Print how far the fit is from what was published and measured."""
    for kind, measure, published in (("bond", bond, BONDS), ("angle", angle, ANGLES)):
        off = {
            (base, names): abs(float(measure(fit.atoms(base), names)) - value)
            for base in BASES
            for names, value in published[base].items()
        }
        worst = max(off, key=lambda key: off[key])
        print(f"{kind} farthest from its published value: {off[worst]:.4f} Å or degrees ({' '.join(worst)})")
    linked = fit.atoms("A") | fit.next_phosphate()
    link = float(bond(linked, "O3' P"))
    print(f"link O3'–P: {link:.3f} Å (aimed at {LINK})")
    for triple, degrees in LINK_ANGLES.items():
        print(f"angle {triple}: {float(angle(linked, triple)):.1f}° (aimed at {degrees}°)")
    for pair, names in PAIR_DISTANCES.items():
        for name, length, measured in zip(names, fit.across_pair(pair), fit.pair_distances[pair], strict=True):
            print(f"{pair} {name}: {float(length):.2f} Å (measured {measured:.2f} Å)")
    for name, target in fit.targets.items():
        atoms = fit.atoms("A" if name == "backbone" else name)
        placed = torch.stack([atoms[atom] for atom in (BACKBONE if name == "backbone" else BASE_ATOMS[name])])
        print(f"moved from the medians, {name}: {float((placed - target).norm(dim=-1).max()):.3f} Å at most")


def main(folder: Path) -> None:
    """Measure, fit, report, write."""
    torch.set_default_dtype(torch.float64)
    found = [stem for chain in chains(folder) for stem in stems(chain)]
    screws = [screw(stem) for stem in found]
    twist, rise = (median(values) for values in zip(*(s[:2] for s in screws), strict=True))
    nucleotides: dict[str, list[np.ndarray]] = {base: [] for base in BASES}
    for stem, (_, _, axis, point) in zip(found, screws, strict=True):
        for base, atoms in in_helix(stem, axis, point):
            nucleotides[base].append(atoms)
    counts = {base: len(nucleotides[base]) for base in BASES}
    print(f"{len(found)} stems, {counts} nucleotides, twist {twist:.2f}°, rise {rise:.3f} Å")
    everything = np.concatenate([np.stack(nucleotides[base]) for base in BASES])
    targets = {"backbone": np.nanmedian(everything[:, [ATOM_INDEX[name] for name in BACKBONE]], axis=0)}
    for base in BASES:
        slots = [ATOM_INDEX[name] for name in BASE_ATOMS[base]]
        targets[base] = np.nanmedian(np.stack(nucleotides[base])[:, slots], axis=0)
    fit = Fit({name: torch.tensor(places) for name, places in targets.items()}, pair_distances(found), twist, rise)
    fitted(fit)
    with torch.no_grad():
        report(fit)
        write(fit, len(found), counts)


def write(fit: Fit, num_stems: int, counts: dict[str, int]) -> None:
    """Write nucleotides.json: the nucleotides in their own frame, and that frame in helix coordinates."""
    rotation, origin = frame(fit)
    template = {
        base: {name: rounded((position - origin) @ rotation) for name, position in fit.atoms(base).items()}
        for base in BASES
    }
    about = (
        "Ideal C3'-endo nucleotides (Å; origin C1', N9/N1 on +x, C4' in the xy plane) and the A-form helix, fitted to "
        f"{sum(counts.values())} nucleotides of {num_stems} stems and to published bonds and angles; "
        f"written by tools/measure_nucleotides.py on {date.today()}."
    )
    helix = {"twist_degrees": round(fit.twist, 3), "rise_angstrom": round(fit.rise, 4)}
    helix |= {"rotation": [rounded(row) for row in rotation], "origin": rounded(origin)}
    place = Path(__file__).parent.parent / "src/monosome/rna/nucleotides.json"
    values = {"about": about, "counts": counts, "helix": helix, **template}
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    place.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def rounded(vector: Tensor) -> list[float]:
    """Five decimals, and no −0."""
    return [round(float(value), 5) + 0.0 for value in vector]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
