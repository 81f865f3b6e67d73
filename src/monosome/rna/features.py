"""What the network is told of a chain: its sequence, its strands, and how likely its bases pair. Never coordinates."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from monosome.rna.nucleotides import BASES, encode
from monosome.rna.pairing import Pairing

MAX_OFFSET = 32
"""Residues further apart than this along a strand look the same (Jumper et al. 2021, Suppl. Alg. 4)."""
NUM_OFFSETS = 2 * MAX_OFFSET + 2
"""Clipped offsets, and one more for two residues on different strands."""
NUM_SINGLE = len(BASES) + 3
NUM_PAIR = 2


@dataclass(frozen=True, eq=False)
class Features:
    """Inputs of the network for one chain.

    `single`: one-hot base, probability of being unpaired, first and last residue of a strand. `pair`: probability of
    the pair, and whether the bases could pair at all. `offsets`: clipped distance along the strand, as a class.
    """

    single: Float32[np.ndarray, "n 7"]
    pair: Float32[np.ndarray, "n n 2"]
    offsets: Int64[np.ndarray, "n n"]

    def crop(self, start: int, length: int) -> "Features":
        """The features of a stretch of the chain, as the whole chain gave them."""
        part = slice(start, start + length)
        return Features(self.single[part], self.pair[part, part], self.offsets[part, part])


def featurise(sequence: str, segments: Int64[np.ndarray, "n"], pairing: Pairing) -> Features:
    """The features of a chain from its sequence and its pairing."""
    bases = encode(sequence)
    one_hot = np.eye(len(BASES), dtype=np.float32)[bases]
    breaks = np.diff(segments, prepend=-1, append=segments[-1] + 1) != 0
    ends = np.stack([breaks[:-1], breaks[1:]], axis=1).astype(np.float32)
    single = np.concatenate([one_hot, pairing.unpaired[:, None], ends], axis=1)
    pair = np.stack([pairing.probabilities, _COMPLEMENTARY[bases[:, None], bases[None, :]]], axis=-1)
    return Features(single, pair.astype(np.float32), _offsets(segments))


def _complementary() -> Float32[np.ndarray, "4 4"]:
    allowed = {"AU", "UA", "CG", "GC", "GU", "UG"}
    return np.array([[float(one + other in allowed) for other in BASES] for one in BASES], dtype=np.float32)


_COMPLEMENTARY = _complementary()


def _offsets(segments: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n n"]:
    places = np.arange(len(segments))
    clipped = np.clip(places[:, None] - places[None, :], -MAX_OFFSET, MAX_OFFSET) + MAX_OFFSET
    return np.where(segments[:, None] == segments[None, :], clipped, NUM_OFFSETS - 1)
