"""Features by hand, on a hairpin and on two strands."""

import math
from typing import get_args

import numpy as np
import pytest

from monosome.rna.evolution import Evolution
from monosome.rna.features import MAX_OFFSET, NUM_OFFSETS, Evidence, Features, Source, featurise, layout, num_channels
from monosome.rna.pairing import Pairing


def _pairing(length: int) -> Pairing:
    return Pairing("." * length, 0.0, 0.0, np.zeros((length, length), dtype=np.float32))


def _featurise(sequence: str, segments: np.ndarray, pairing: Pairing) -> Features:
    return featurise(sequence, segments, Evidence(pairing), layout((), 0))


def test_bases_ends_and_unpaired_probability() -> None:
    features = _featurise("GACU", np.array([0, 0, 1, 1]), _pairing(4).holding("(..)"))
    assert features.single[:, :4].argmax(1).tolist() == [2, 0, 1, 3]
    assert features.single[:, 4].tolist() == [0, 1, 1, 0]
    assert features.single[:, 5].tolist() == [1, 0, 1, 0], "first residues of a strand"
    assert features.single[:, 6].tolist() == [0, 1, 0, 1], "last residues of a strand"


def test_pairs_know_their_probability_and_whether_they_could_form() -> None:
    features = _featurise("GACU", np.zeros(4, dtype=np.int64), _pairing(4).holding("(..)"))
    assert features.pair[0, 3].tolist() == [1, 1], "G·U wobble"
    assert features.pair[1, 3].tolist() == [0, 1], "A-U, not paired"
    assert features.pair[0, 1].tolist() == [0, 0]
    assert np.array_equal(features.pair, features.pair.transpose(1, 0, 2))


def test_offsets_are_clipped_and_strands_apart() -> None:
    segments = np.repeat([0, 1], [40, 2])
    offsets = _featurise("A" * 42, segments, _pairing(42)).offsets
    assert offsets[0, 0] == MAX_OFFSET
    assert offsets[0, 39] == 0
    assert offsets[39, 0] == 2 * MAX_OFFSET
    assert offsets[0, 41] == offsets[41, 0] == NUM_OFFSETS - 1


def test_a_crop_keeps_what_the_whole_chain_said() -> None:
    whole = _featurise("GGGAAACCC", np.zeros(9, dtype=np.int64), _pairing(9).holding("(((...)))"))
    part = whole.crop(np.arange(6, 9))
    assert part.single[:, 4].tolist() == [0, 0, 0], "still paired, with residues that are cut away"
    assert np.array_equal(part.offsets, whole.offsets[:3, :3])


def test_every_source_has_channels_of_its_own() -> None:
    inputs = layout(get_args(Source), 7)
    for where in ("single", "pair"):
        channels = [c for each in inputs.values() if each.where == where for c in range(*each.channels)]
        assert channels == list(range(num_channels(inputs, where)))
    plain = layout((), 0)
    assert {name: inputs[name] for name in plain} == plain, "further sources leave the first channels where they are"


def test_what_is_known_lands_in_its_channels_and_the_rest_is_zero() -> None:
    length, inputs = 4, layout(("context", "evolution", "probing", "embedding"), 3)
    known = Evidence(
        _pairing(length),
        evolution=Evolution(
            mutual_information=np.zeros((length, length), dtype=np.float32),
            coupling=np.eye(length, dtype=np.float32)[::-1].copy(),
            conservation=np.array([2, 1, 0, 0.5], dtype=np.float32),
            gap_share=np.zeros(length, dtype=np.float32),
            depth=99,
            effective_depth=99.0,
        ),
        reactivities=np.array([0.5, np.nan, 0, 1], dtype=np.float32),
        embedding=np.arange(12, dtype=np.float32).reshape(4, 3),
    )
    features = featurise("GACU", np.array([0, 0, 1, 1]), known, inputs)

    def values(name: str) -> np.ndarray:
        each = inputs[name]
        return getattr(features, each.where)[..., slice(*each.channels)]

    assert values("conservation")[:, 0].tolist() == [2, 1, 0, 0.5]
    assert values("alignment depth")[:, 0].tolist() == [2] * 4
    assert values("reactivity").tolist() == [[0.5, 1], [0, 0], [0, 1], [1, 1]]
    assert values("embedding").tolist() == np.arange(12).reshape(4, 3).tolist()
    assert (values("covariation")[..., 0] > 0).sum() == 4
    after = values("neighbouring bases").reshape(4, 4, 4)[:, 2]  # the next base, ACGU
    assert after.tolist() == [[1, 0, 0, 0], [0] * 4, [0, 0, 0, 1], [0] * 4], "not across a strand's end"
    unknown = featurise("GACU", np.array([0, 0, 1, 1]), Evidence(_pairing(length)), inputs)
    assert not unknown.single[:, inputs["conservation"].channels[0] :].any()
    assert not unknown.pair[..., inputs["covariation"].channels[0]].any()


def test_structures_and_samples_are_pairs() -> None:
    inputs = layout(("structures", "samples"), 0)
    known = Evidence(_pairing(9).holding("(((...)))"), samples=("(((...)))", ".((...)).", "." * 9, "." * 9))
    pair = featurise("GGGAAACCC", np.zeros(9, dtype=np.int64), known, inputs).pair
    assert pair[0, 8, 2:].tolist() == [1, 1, 1, 0.25]
    assert pair[7, 1, 2:].tolist() == [1, 1, 1, 0.5]
    assert pair[0, 7, 2:].tolist() == [0, 0, 0, 0]


def test_what_the_ensemble_is_like_stands_at_each_residue() -> None:
    inputs = layout(("thermodynamics",), 0)
    strand, nothing = np.zeros(9, dtype=np.int64), np.zeros((9, 9), dtype=np.float32)
    told = featurise("GGGAAACCC", strand, Evidence(Pairing("(((...)))", -4.5, -5.4, nothing)), inputs).single[:, -4:]
    assert told == pytest.approx(np.tile([-0.5, -0.6, 0, np.exp(-0.9 / (1.98717e-3 * 310.15))], (9, 1)))
    own = featurise("GGGAAACCC", strand, Evidence(Pairing("." * 9, math.nan, math.nan, nothing)), inputs).single
    assert not own[:, -4:].any(), "a user's own pairs have no energies"


def test_only_the_input_of_that_name_is_disturbed() -> None:
    inputs = layout(("context",), 0)
    features = featurise("GGCACGAAAGUGCCUU", np.zeros(16, dtype=np.int64), Evidence(_pairing(16)), inputs)
    for name, each in inputs.items():
        for seed in (None, 3):
            changed = features.disturbed(each, seed)
            for where in ("single", "pair", "offsets"):
                before, after = getattr(features, where), getattr(changed, where)
                if where != each.where:
                    assert after is before
                elif where != "offsets":
                    others = [c for c in range(before.shape[-1]) if c not in range(*each.channels)]
                    assert np.array_equal(after[..., others], before[..., others]), name
    assert (features.disturbed(inputs["distance along the strand"], None).offsets == NUM_OFFSETS - 1).all()
    one, again, other = (features.disturbed(inputs["bases"], seed).single for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
