"""A sequence aligned to a structure: bases and the roles that residues have in pairs, with affine gaps."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from monosome.rna.nucleotides import BASES

MATCH, TRANSITION, MISMATCH = 1.0, -0.3, -0.6
"""Scores of equal bases, of two purines or two pyrimidines, and of others."""
PAIRED = 0.5
"""Weight of the logarithm of how much likelier a residue of the query opens, closes or leaves pairs as the template's
does than any residue would."""
USUAL = np.array([0.45, 0.275, 0.275])
"""Shares of residues in natural RNA that are unpaired, that open a pair and that close one."""
DOUBT = 0.1
"""Added to both sides of that ratio: base-pair probabilities are often wrong."""
OPEN, EXTEND = -3.0, -0.3
"""Scores of the first and of every further residue of a gap."""

Scores = Float32[np.ndarray, "n m"]


@dataclass(frozen=True, eq=False)
class Query:
    """Scores of each residue of a sequence with each base, and with each role: no partner, a later, an earlier one."""

    bases: Float32[np.ndarray, "n 4"]
    roles: Float32[np.ndarray, "n 3"]

    @classmethod
    def of(cls, sequence: str, probabilities: Float32[np.ndarray, "n n"]) -> "Query":
        """The scores of a sequence with these base-pair probabilities."""
        later, earlier = np.triu(probabilities, 1).sum(axis=1), np.tril(probabilities, -1).sum(axis=1)
        role = np.stack([1 - later - earlier, later, earlier], axis=1).clip(0, 1)
        purine = np.array([letter in "AG" for letter in BASES])
        table = np.where(purine[:, None] == purine, TRANSITION, MISMATCH)
        np.fill_diagonal(table, MATCH)
        ratio = np.log((role + DOUBT) / (USUAL + DOUBT))
        return cls(table[letters(sequence)].astype(np.float32), (PAIRED * ratio).astype(np.float32))

    def scores(self, bases: Int64[np.ndarray, "m"], roles: Int64[np.ndarray, "m"]) -> Scores:
        """With each residue of a template."""
        return self.bases[:, bases] + self.roles[:, roles]


def letters(sequence: str) -> Int64[np.ndarray, "n"]:
    """The bases as numbers."""
    return np.array([BASES.index(letter) for letter in sequence], dtype=np.int64)


def best_score(scores: Scores) -> float:
    """The highest score of any local alignment."""
    return float(_matrices(scores)[0].max())


def aligned(scores: Scores) -> Int64[np.ndarray, "k 2"]:
    """Residues of query and template that the best local alignment puts together, from 0, in order."""
    best, gap = _matrices(scores)
    i, j = (int(each) for each in np.unravel_index(best.argmax(), best.shape))
    found: list[tuple[int, int]] = []
    while best[i, j] > 0:
        if np.isclose(best[i, j], best[i - 1, j - 1] + scores[i - 1, j - 1], atol=1e-3):
            i, j = i - 1, j - 1
            found.append((i, j))
        elif np.isclose(best[i, j], gap[i, j], atol=1e-3):
            opened = best[:i, j] + OPEN + EXTEND * np.arange(i - 1, -1, -1)
            i = int(np.abs(opened - best[i, j]).argmin())
        else:
            opened = best[i, :j] + OPEN + EXTEND * np.arange(j - 1, -1, -1)
            j = int(np.abs(opened - best[i, j]).argmin())
    return np.array(found[::-1], dtype=np.int64).reshape(-1, 2)


def _matrices(scores: Scores) -> tuple[Float32[np.ndarray, "_ _"], Float32[np.ndarray, "_ _"]]:
    """Best scores of alignments that end with each two residues, and of those that end in residues of the query alone.

    Smith & Waterman 1981 with Gotoh's gaps (1982, J. Mol. Biol. 162, 705), a row at a time; the best gap along a row is
    a running maximum.
    """
    num, width = scores.shape
    best, gap = np.zeros((num + 1, width + 1), np.float32), np.full((num + 1, width + 1), -np.inf, np.float32)
    slope = np.arange(width + 1, dtype=np.float32) * np.float32(EXTEND)
    for i in range(1, num + 1):
        gap[i] = np.maximum(gap[i - 1] + np.float32(EXTEND), best[i - 1] + np.float32(OPEN))
        best[i, 1:] = np.maximum(np.maximum(best[i - 1, :-1] + scores[i - 1], 0), gap[i, 1:])
        along = np.maximum.accumulate(best[i] - slope)[:-1] + slope[1:] + np.float32(OPEN - EXTEND)
        np.maximum(best[i, 1:], along, out=best[i, 1:])
    return best, gap
