"""Features by hand, on a hairpin and on two strands."""

import numpy as np

from monosome.rna.features import MAX_OFFSET, NUM_OFFSETS, featurise
from monosome.rna.pairing import Pairing


def _pairing(length: int) -> Pairing:
    return Pairing("." * length, 0.0, 0.0, np.zeros((length, length), dtype=np.float32))


def test_bases_ends_and_unpaired_probability() -> None:
    features = featurise("GACU", np.array([0, 0, 1, 1]), _pairing(4).holding("(..)"))
    assert features.single[:, :4].argmax(1).tolist() == [2, 0, 1, 3]
    assert features.single[:, 4].tolist() == [0, 1, 1, 0]
    assert features.single[:, 5].tolist() == [1, 0, 1, 0], "first residues of a strand"
    assert features.single[:, 6].tolist() == [0, 1, 0, 1], "last residues of a strand"


def test_pairs_know_their_probability_and_whether_they_could_form() -> None:
    features = featurise("GACU", np.zeros(4, dtype=np.int64), _pairing(4).holding("(..)"))
    assert features.pair[0, 3].tolist() == [1, 1], "G·U wobble"
    assert features.pair[1, 3].tolist() == [0, 1], "A-U, not paired"
    assert features.pair[0, 1].tolist() == [0, 0]
    assert np.array_equal(features.pair, features.pair.transpose(1, 0, 2))


def test_offsets_are_clipped_and_strands_apart() -> None:
    segments = np.repeat([0, 1], [40, 2])
    offsets = featurise("A" * 42, segments, _pairing(42)).offsets
    assert offsets[0, 0] == MAX_OFFSET
    assert offsets[0, 39] == 0
    assert offsets[39, 0] == 2 * MAX_OFFSET
    assert offsets[0, 41] == offsets[41, 0] == NUM_OFFSETS - 1


def test_a_crop_keeps_what_the_whole_chain_said() -> None:
    whole = featurise("GGGAAACCC", np.zeros(9, dtype=np.int64), _pairing(9).holding("(((...)))"))
    part = whole.crop(6, 3)
    assert part.single[:, 4].tolist() == [0, 0, 0], "still paired, with residues that are cut away"
    assert np.array_equal(part.offsets, whole.offsets[:3, :3])
