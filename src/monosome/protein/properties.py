"""Physics and chemistry of a protein from its residues alone, and how it leans to helix, strand and turn."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

HYDROPATHY = {
    "A": 1.8, "R": -4.5, "N": -3.5, "D": -3.5, "C": 2.5, "Q": -3.5, "E": -3.5, "G": -0.4, "H": -3.2, "I": 4.5,
    "L": 3.8, "K": -3.9, "M": 1.9, "F": 2.8, "P": -1.6, "S": -0.8, "T": -0.7, "W": -0.9, "Y": -1.3, "V": 4.2,
}  # fmt: skip
"""Kyte & Doolittle 1982, J. Mol. Biol. 157, 105, table 2."""

MASS = {
    "A": 71.0788, "R": 156.1875, "N": 114.1038, "D": 115.0886, "C": 103.1388, "Q": 128.1307, "E": 129.1155,
    "G": 57.0519, "H": 137.1411, "I": 113.1594, "L": 113.1594, "K": 128.1741, "M": 131.1926, "F": 147.1766,
    "P": 97.1167, "S": 87.0782, "T": 101.1051, "W": 186.2132, "Y": 163.1760, "V": 99.1326,
}  # fmt: skip
"""Average mass of a residue in Da, from IUPAC's atomic weights, as ExPASy lists them."""
WATER = 18.0153

BASES = {"K": 10.8, "R": 12.5, "H": 6.5}
ACIDS = {"D": 3.9, "E": 4.1, "C": 8.5, "Y": 10.1}
N_TERMINUS, C_TERMINUS = 8.6, 3.6
"""pKa of side chains and ends, as EMBOSS's iep has them (Epk.dat)."""

HELIX = {
    "A": 1.42, "R": 0.98, "N": 0.67, "D": 1.01, "C": 0.70, "Q": 1.11, "E": 1.51, "G": 0.57, "H": 1.00, "I": 1.08,
    "L": 1.21, "K": 1.14, "M": 1.45, "F": 1.13, "P": 0.57, "S": 0.77, "T": 0.83, "W": 1.08, "Y": 0.69, "V": 1.06,
}  # fmt: skip
STRAND = {
    "A": 0.83, "R": 0.93, "N": 0.89, "D": 0.54, "C": 1.19, "Q": 1.10, "E": 0.37, "G": 0.75, "H": 0.87, "I": 1.60,
    "L": 1.30, "K": 0.74, "M": 1.05, "F": 1.38, "P": 0.55, "S": 0.75, "T": 1.19, "W": 1.37, "Y": 1.47, "V": 1.70,
}  # fmt: skip
TURN = {
    "A": 0.66, "R": 0.95, "N": 1.56, "D": 1.46, "C": 1.19, "Q": 0.98, "E": 0.74, "G": 1.56, "H": 0.95, "I": 0.47,
    "L": 0.59, "K": 1.01, "M": 0.60, "F": 0.60, "P": 1.52, "S": 1.43, "T": 0.96, "W": 0.96, "Y": 1.14, "V": 0.50,
}  # fmt: skip
"""Conformational propensities of Chou & Fasman 1978, Adv. Enzymol. 47, 45 (29 proteins)."""
HELIX_WINDOW, HELIX_MEAN = 6, 1.03
STRAND_WINDOW, STRAND_MEAN = 5, 1.05
"""Their rules for a region: residues, and the mean propensity that it needs and that must beat the other one."""

PH_STEPS = 40
"""Halvings of the pH range 0 to 14: the isoelectric point to 1e-11."""


def properties(sequence: str) -> dict[str, float | None]:
    """Figures of a protein by name; letters beyond the 20 are left out, and without any other all are None.

    `gravy` mean hydropathy, `isoelectric_point` and `charge` at pH 7 from the pKa of free residues, `mass` in Da,
    `aromaticity` share of F W Y (Lobry & Gautier 1994), `aliphatic_index` A + 2.9 V + 3.9 (I + L) in percent (Ikai
    1980), `helix` and `strand` share of residues in regions that Chou & Fasman's means find, `turn` mean propensity.
    """
    letters = [letter for letter in sequence if letter in HYDROPATHY]
    if not letters:
        return dict.fromkeys(NAMES)
    counts, num = Counter(letters), len(letters)
    return {
        "gravy": sum(HYDROPATHY[letter] for letter in letters) / num,
        "isoelectric_point": isoelectric_point(counts),
        "charge": charge(counts, 7.0),
        "mass": sum(MASS[letter] for letter in letters) + WATER,
        "aromaticity": sum(counts[letter] for letter in "FWY") / num,
        "aliphatic_index": 100 * (counts["A"] + 2.9 * counts["V"] + 3.9 * (counts["I"] + counts["L"])) / num,
        "helix": region_share(letters, (HELIX, STRAND), HELIX_WINDOW, HELIX_MEAN),
        "strand": region_share(letters, (STRAND, HELIX), STRAND_WINDOW, STRAND_MEAN),
        "turn": sum(TURN[letter] for letter in letters) / num,
    }


NAMES = (
    *("gravy", "isoelectric_point", "charge", "mass", "aromaticity", "aliphatic_index", "helix", "strand", "turn"),
)


def charge(counts: Mapping[str, int], ph: float) -> float:
    """Net charge of a chain of these residues by Henderson and Hasselbalch, both ends free."""
    plus = sum(counts.get(letter, 0) / (1 + 10 ** (ph - pka)) for letter, pka in BASES.items())
    minus = sum(counts.get(letter, 0) / (1 + 10 ** (pka - ph)) for letter, pka in ACIDS.items())
    return plus + 1 / (1 + 10 ** (ph - N_TERMINUS)) - minus - 1 / (1 + 10 ** (C_TERMINUS - ph))


def isoelectric_point(counts: Mapping[str, int]) -> float:
    """The pH from 0 to 14 at which the charge is 0; the charge falls with pH, so there is one."""
    low, high = 0.0, 14.0
    for _ in range(PH_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if charge(counts, middle) > 0 else (low, middle)
    return (low + high) / 2


def region_share(
    letters: Sequence[str], tables: tuple[Mapping[str, float], Mapping[str, float]], window: int, mean: float
) -> float:
    """Share of residues in a window whose mean in the first table is at least `mean` and above that in the second."""
    if len(letters) < window:
        return 0.0
    ours, others = (
        np.convolve([table[letter] for letter in letters], np.full(window, 1 / window), "valid") for table in tables
    )
    inside = np.zeros(len(letters), dtype=bool)
    # The rounding of a mean of hundredths is far below 1e-9.
    for start in np.flatnonzero((ours >= mean - 1e-9) & (ours > others)):
        inside[start : start + window] = True
    return float(inside.mean())
