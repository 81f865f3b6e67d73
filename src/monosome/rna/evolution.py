"""What an alignment of related sequences tells: which columns vary together, and which do not vary. No coordinates."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from monosome.rna.alignment import GAP, NUM_STATES, Alignment
from monosome.rna.nucleotides import BASES

MAX_DEPTH = 5000
"""Rows of an alignment that are used: weighting them takes time as their square, 0.6 s for these and 300 columns."""
PSEUDOCOUNTS = ((25, 0.5), (100, 0.2))
"""Depths up to which so much is added to the count of each of the 16 pairs of bases; above the last, nothing."""
COLUMNS_AT_ONCE = 128
"""Columns whose pairs with all others are counted in one product: 25 MB at 3,000 columns."""


@dataclass(frozen=True, eq=False)
class Evolution:
    """Per pair of residues and per residue what the alignment says; `depth` counts its rows, `effective_depth` those
    that differ.

    `mutual_information` in bits, not negative; `coupling` the same less what both columns share with all (APC), of
    either sign; both are symmetric with a diagonal of 0. `conservation` in bits, 0 to 2. `gap_share` of the weight of
    the rows, 0 to 1.
    """

    mutual_information: Float32[np.ndarray, "n n"]
    coupling: Float32[np.ndarray, "n n"]
    conservation: Float32[np.ndarray, "n"]
    gap_share: Float32[np.ndarray, "n"]
    depth: int
    effective_depth: float


def evolution(alignment: Alignment, pseudocount: float | None = None) -> Evolution:
    """What the alignment tells of its query; of more than MAX_DEPTH rows, those that `Alignment.thinned` keeps.

    `pseudocount` is added to the count of each of the 16 pairs of bases of two columns; without one it depends on the
    depth, as PSEUDOCOUNTS has it.
    """
    used = alignment.thinned(MAX_DEPTH)
    one_hot = np.eye(NUM_STATES, GAP, dtype=np.float32)[used.rows].reshape(used.depth, -1)
    counts = (used.weights.astype(np.float64) @ one_hot).reshape(-1, GAP)
    if pseudocount is None:
        pseudocount = next((value for most, value in PSEUDOCOUNTS if used.depth <= most), 0.0)
    information = _mutual_information(one_hot, used.weights, pseudocount)
    return Evolution(
        mutual_information=information,
        coupling=without_background(information),
        conservation=_conservation(counts),
        gap_share=(1 - counts.sum(axis=1) / used.effective_depth).clip(0, 1).astype(np.float32),
        depth=alignment.depth,
        effective_depth=used.effective_depth,
    )


def without_background(information: Float32[np.ndarray, "n n"]) -> Float32[np.ndarray, "n n"]:
    """Mutual information less its average product correction (Dunn et al. 2008, Bioinformatics 24, 333).

    What a column shares with the mean column, by common descent or chance, is its mean times that of the other over
    the mean of all, the diagonal left out.
    """
    length = len(information)
    means = information.sum(axis=1, dtype=np.float64) / max(length - 1, 1)
    overall = means.mean()
    background = np.outer(means, means) / overall if overall > 0 else np.zeros((length, length))
    corrected = (information - background).astype(np.float32)
    np.fill_diagonal(corrected, 0)
    return corrected


def _mutual_information(
    one_hot: Float32[np.ndarray, "s k"], weights: Float32[np.ndarray, "s"], pseudocount: float
) -> Float32[np.ndarray, "n n"]:
    """Mutual information of each two columns (bits): over the rows with a base in both, times the share of those.

    A row with a gap in either column tells nothing of the two. Over 73 Rfam families (at most 500 columns, 3,000 rows)
    the L/2 strongest pairs after APC are contacts in .509; without that share in .466; with the gap as a fifth base in
    .507. The frequencies of single bases are the sums of those of pairs, pseudocounts and all: never negative.
    """
    length = one_hot.shape[1] // GAP
    information = np.zeros((length, length), dtype=np.float32)
    for start in range(0, length, COLUMNS_AT_ONCE):
        stop = start + COLUMNS_AT_ONCE
        weighted = one_hot[:, start * GAP : stop * GAP] * weights[:, None]
        products = weighted.T @ one_hot[:, start * GAP :]
        counts = products.reshape(-1, GAP, length - start, GAP).transpose(1, 3, 0, 2)
        information[start:stop, start:] = _information(counts, pseudocount) / weights.sum()
    upper = np.triu(information, 1)
    return upper + upper.T


def _information(counts: Float32[np.ndarray, "4 4 b n"], pseudocount: float) -> Float32[np.ndarray, "b n"]:
    """Mutual information (bits) of tables of counts, times the sum of the counts; 0 where there are none."""
    joint = counts + np.float32(pseudocount)
    total = joint.sum(axis=(0, 1))
    # Σ f log f/(f·f) with f = count/total: Σ c log c − Σ rows − Σ columns + t log t, over t.
    single = _plogp(joint.sum(axis=0)).sum(axis=0) + _plogp(joint.sum(axis=1)).sum(axis=0)
    information = _plogp(joint).sum(axis=(0, 1)) - single + _plogp(total)
    return (information / np.maximum(total, 1e-9)).clip(min=0) * counts.sum(axis=(0, 1))


def _plogp(values: Float32[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
    return values * np.log2(np.maximum(values, np.finfo(np.float32).tiny))


def _conservation(counts: Float64[np.ndarray, "n 4"]) -> Float32[np.ndarray, "n"]:
    """Information content of each column in bits: two less the entropy of its bases and less that of a small sample.

    With the correction 3/(2 ln2 · weight) of Schneider et al. 1986 (J. Mol. Biol. 188, 415) a sequence without
    relatives is not conserved but unknown: 0.
    """
    total = np.maximum(counts.sum(axis=1), 1e-9)
    shares = counts / total[:, None]
    entropy = -(shares * np.log2(np.maximum(shares, 1e-300))).sum(axis=1)
    chance = (len(BASES) - 1) / (2 * np.log(2) * total)
    return (np.log2(len(BASES)) - entropy - chance).clip(0, 2).astype(np.float32)
