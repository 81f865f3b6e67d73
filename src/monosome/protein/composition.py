"""Which amino acids proteins are made of, and how far generated ones are from natural ones."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from monosome.errors import DataError
from monosome.evaluate.intervals import Interval, resampled
from monosome.protein.tokens import AMINO_ACIDS

Array = np.ndarray

MIN_SEQUENCES = 1000
"""Sequences, held out or generated, below which a figure says more of the sample than of the model."""

SWISS_PROT = {
    "A": 8.25, "R": 5.53, "N": 4.06, "D": 5.46, "C": 1.38, "Q": 3.93, "E": 6.72, "G": 7.07, "H": 2.27, "I": 5.91,
    "L": 9.65, "K": 5.80, "M": 2.41, "F": 3.86, "P": 4.74, "S": 6.65, "T": 5.36, "W": 1.10, "Y": 2.92, "V": 6.86,
}  # fmt: skip
"""Amino-acid composition of UniProtKB/Swiss-Prot in percent, as its release statistics give it (2022)."""


def composition(sequences: Iterable[str]) -> dict[str, float]:
    """Share of each of the 20 amino acids; other letters are left out."""
    counts: Counter[str] = Counter()
    for sequence in sequences:
        counts.update(sequence)
    total = sum(counts[letter] for letter in AMINO_ACIDS)
    return {letter: counts[letter] / max(1, total) for letter in AMINO_ACIDS}


def composition_kl(sequences: Iterable[str], reference: Mapping[str, float] = SWISS_PROT) -> float:
    """KL(sequences ‖ reference) of the amino-acid composition in nats; the reference need not sum to one."""
    shares = composition(sequences)
    return float(_kl(np.array([list(shares.values())]), reference)[0])


def composition_kl_interval(sequences: Sequence[str], reference: Mapping[str, float] = SWISS_PROT) -> Interval:
    """KL(sequences ‖ reference) of the composition in nats, with a bootstrap interval that resamples sequences.

    Raises DataError where no sequence holds an amino acid.
    """
    counts = np.array([[sequence.count(letter) for letter in AMINO_ACIDS] for sequence in sequences], dtype=np.float64)
    if not counts.any():
        raise DataError("the sequences hold no amino acid", "is the model trained, and its tokenizer the right one?")
    return resampled(counts, lambda sums: _kl(sums, reference), len(sequences), centred=True)


def _kl(counts: Float64[Array, "draws 20"], reference: Mapping[str, float]) -> Float64[Array, "draws"]:
    expected = np.array([reference[letter] for letter in AMINO_ACIDS]) / sum(reference.values())
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1e-300)
    ratios = np.where(shares > 0, shares / expected, 1.0)
    return (shares * np.log(ratios)).sum(1)
