"""Collect ideal bonds, angles and chiral volumes of RNA; write src/monosome/rna/geometry.json.

    python tools/measure_geometry.py FOLDER/rna_fullatom

Published means and standard deviations stand where there are any; the others are measured on the chains at 2 Å
resolution or better: the median, and half the width of the central 68.27 % of the values, which outliers do not move.
"""

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from itertools import combinations
from pathlib import Path

import numpy as np

from monosome.rna.chain import Chain
from monosome.rna.files import read_structure
from monosome.rna.nucleotides import ATOM_INDEX, BASES, GLYCOSIDIC

RESOLUTION_LIMIT = 2.0

BACKBONE_BONDS = (
    "P OP1", "P OP2", "P O5'", "O5' C5'", "C5' C4'", "C4' C3'", "C4' O4'", "C3' C2'", "C3' O3'", "C2' C1'", "C2' O2'",
    "C1' O4'",
)  # fmt: skip
LINK = "O3' +P"
"""The bond to the next residue, whose atoms have a +."""
PYRIMIDINE_RING = ("N1 C2", "C2 N3", "N3 C4", "C4 C5", "C5 C6", "C6 N1")
IMIDAZOLE_RING = ("C5 N7", "N7 C8", "C8 N9", "N9 C4")
BASE_BONDS = {
    "A": ("C1' N9", *PYRIMIDINE_RING, *IMIDAZOLE_RING, "C6 N6"),
    "C": ("C1' N1", *PYRIMIDINE_RING, "C2 O2", "C4 N4"),
    "G": ("C1' N9", *PYRIMIDINE_RING, *IMIDAZOLE_RING, "C2 N2", "C6 O6"),
    "U": ("C1' N1", *PYRIMIDINE_RING, "C2 O2", "C4 O4"),
}
BACKBONE_CENTRES = ("C2' C1' C3' O2'", "C3' C2' C4' O3'", "C4' C3' O4' C5'")
"""A chiral atom and three of its neighbours: the volume (Å³) that the bonds to them span is positive for one hand."""
# Gelbin et al. 1996, J. Am. Chem. Soc. 118, 519 and Parkinson et al. 1996, Acta Cryst. D52, 57: mean and standard
# deviation over sugars of both puckers, in Å and degrees.
PUBLISHED = {
    "P OP1": (1.485, 0.017), "P OP2": (1.485, 0.017), "P O5'": (1.593, 0.010), LINK: (1.607, 0.012),
    "O5' C5'": (1.440, 0.016), "C5' C4'": (1.510, 0.013), "C2' C1'": (1.528, 0.011), "C4' O4'": (1.453, 0.012),
    "C3' O3'": (1.423, 0.014), "C2' O2'": (1.413, 0.013), "C1' N9": (1.470, 0.009), "C1' N1": (1.480, 0.011),
    "P O5' C5'": (120.9, 1.6), "C3' O3' +P": (119.7, 1.2), "O5' C5' C4'": (111.6, 1.7), "C5' C4' C3'": (115.5, 1.5),
    "C5' C4' O4'": (109.2, 1.4), "C4' C3' C2'": (102.7, 1.0), "C3' C2' C1'": (101.5, 0.9), "C2' C1' O4'": (106.4, 1.4),
    "C1' O4' C4'": (109.6, 0.9), "OP1 P OP2": (119.6, 1.5),
}  # fmt: skip


def angles(bonds: tuple[str, ...]) -> Iterator[str]:
    """Every pair of bonds that share an atom, as three atoms with the shared one in the middle."""
    neighbours = defaultdict(list)
    for bond in bonds:
        one, other = bond.split()
        neighbours[one].append(other)
        neighbours[other].append(one)
    for corner, ends in neighbours.items():
        for one, other in combinations(ends, 2):
            yield f"{one} {corner} {other}"


def terms(bonds: tuple[str, ...]) -> tuple[str, ...]:
    """Bonds and angles of a nucleotide and of its link to the next one."""
    return (*bonds, LINK, *angles((*bonds, LINK)), *(f"{LINK} {atom}" for atom in ("+OP1", "+OP2", "+O5'")))


def centre(base: str) -> str:
    """C1' and three of its neighbours."""
    return f"C1' O4' C2' {GLYCOSIDIC[base]}"


def chains(folder: Path) -> Iterator[Chain]:
    """The chains of the set at RESOLUTION_LIMIT or better."""
    with (folder / "manifest.csv").open() as file:
        for row in csv.DictReader(file):
            if row["resolution"] and float(row["resolution"]) <= RESOLUTION_LIMIT:
                yield read_structure(folder / "pdb" / f"{row['id']}.pdb.gz").chains[0]


def measure(names: str, base: str, chain: Chain) -> np.ndarray:
    """The values of a bond (Å), angle (degrees) or chiral volume (Å³) in the residues of one base."""
    here = np.flatnonzero(np.array(list(chain.sequence)) == base)
    if any(name.startswith("+") for name in names.split()):
        here = here[here + 1 < len(chain)]
        here = here[chain.segments[here] == chain.segments[here + 1]]
    points = [
        chain.atoms[here + name.startswith("+"), ATOM_INDEX[name.lstrip("+")]].astype(np.float64)
        for name in names.split()
    ]
    if len(points) == 2:
        found = np.linalg.norm(points[0] - points[1], axis=1)
    elif len(points) == 4:
        arms = [point - points[0] for point in points[1:]]
        found = (np.cross(arms[0], arms[1]) * arms[2]).sum(axis=1)
    else:
        one, other = points[0] - points[1], points[2] - points[1]
        cosine = (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
        found = np.degrees(np.arccos(cosine.clip(-1, 1)))
    return found[np.isfinite(found)]


def summary(values: np.ndarray) -> list[float]:
    """Median, half the width of the central 68.27 %, and number of values."""
    low, middle, high = np.quantile(values, [0.15866, 0.5, 0.84134])
    decimals = 4 if middle < 10 else 2
    return [round(float(middle), decimals), round(float(high - low) / 2, decimals), len(values)]


def main(folder: Path) -> None:
    """Measure, print what differs from the published, write."""
    found = list(chains(folder))
    backbone = (*terms(BACKBONE_BONDS), *BACKBONE_CENTRES)
    table = {"backbone": {names: entry(names, BASES, found) for names in backbone}}
    for base in BASES:
        own = (*terms((*BACKBONE_BONDS, *BASE_BONDS[base])), centre(base))
        table[base] = {names: entry(names, base, found) for names in own if names not in backbone}
    write(table, len(found), sum(len(chain) for chain in found))


def entry(names: str, bases: str, found: list[Chain]) -> list[float]:
    """The published mean and deviation with n = 0, or what was measured; where both are, print them."""
    measured = summary(np.concatenate([measure(names, base, chain) for base in bases for chain in found]))
    published = PUBLISHED.get(names) or PUBLISHED.get(" ".join(reversed(names.split())))
    if published is None:
        return measured
    print(f"{names:14} published {published}, measured {measured}")
    return [*published, 0]


def write(table: dict[str, dict[str, list[float]]], num_chains: int, num_residues: int) -> None:
    """Write geometry.json."""
    about = (
        "Bonds (Å), angles (degrees) and chiral volumes (Å³, the centre first) as mean, standard deviation, n; n = 0 "
        "where both are published (Gelbin et al. 1996, Parkinson et al. 1996), else the number of values that the "
        f"median and half the central 68.27 % come from, of {num_residues} residues in {num_chains} chains at "
        f"{RESOLUTION_LIMIT} Å or better. + marks atoms of the next residue. "
        f"Written by tools/measure_geometry.py on {date.today()}."
    )
    place = Path(__file__).parent.parent / "src/monosome/rna/geometry.json"
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
    place.write_text("{\n" + ",\n".join([f'"about": {json.dumps(about, ensure_ascii=False)}', *lines]) + "\n}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
