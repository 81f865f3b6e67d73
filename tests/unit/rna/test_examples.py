"""How an example is drawn of a chain: places, models, starts, and what stays the whole chain's."""

from dataclasses import replace

import numpy as np
import pytest

from monosome.rna.crops import stretch
from monosome.rna.examples import ChainExample, ChainExamples, Recipe, crop
from monosome.rna.geometry import hairpin
from monosome.rna.nucleotides import ATOM_INDEX
from monosome.rna.pair_labels import CANONICAL, label_pairs

HAIRPIN = hairpin("GGGCACGGAUAGCUUCGGCUAUCCGUGCCC", 13)


@pytest.fixture(scope="module")
def whole() -> ChainExample:
    return Recipe().example(HAIRPIN, "group")


def places(part: ChainExample) -> np.ndarray:
    return part.chain.residue_numbers - HAIRPIN.residue_numbers[0]


@pytest.mark.parametrize("spatial_share", [0.0, 1.0])
def test_all_that_a_crop_holds_is_of_the_same_residues(whole: ChainExample, spatial_share: float) -> None:
    for draw in range(40):
        part = crop(whole, 9, draw, spatial_share)
        kept = places(part)
        square = np.ix_(kept, kept)
        assert len(kept) == 9
        assert (np.diff(kept) > 0).all(), "in the order of the chain"
        assert np.array_equal(part.chain.atoms, HAIRPIN.atoms[kept], equal_nan=True)
        assert np.array_equal(part.features.single, whole.features.single[kept])
        assert np.array_equal(part.features.pair, whole.features.pair[square])
        assert np.array_equal(part.features.offsets, whole.features.offsets[square]), "true along the strand"
        assert np.array_equal(part.pairs, whole.pairs[square])
        assert np.array_equal(part.starts[0].translations, whole.starts[0].translations[kept])
        assert part.group == whole.group


def test_the_share_of_spatial_crops_is_that_asked_for(whole: ChainExample) -> None:
    def num_broken(share: float) -> int:
        return sum(bool((np.diff(places(crop(whole, 9, draw, share))) > 1).any()) for draw in range(2000))

    assert num_broken(0.0) == 0
    everywhere = num_broken(1.0)
    assert everywhere > 1500
    assert num_broken(0.4) == pytest.approx(0.4 * everywhere, rel=0.1)


def test_without_a_share_of_spatial_crops_the_draw_is_the_place(whole: ChainExample) -> None:
    for draw in range(60):
        assert np.array_equal(places(crop(whole, 9, draw)), stretch(len(HAIRPIN), 9, draw))


def test_a_neighbourhood_keeps_more_pairs_than_a_stretch(whole: ChainExample) -> None:
    def num_pairs(share: float) -> int:
        return sum(int((crop(whole, 12, draw, share).pairs == CANONICAL).sum()) for draw in range(100))

    assert num_pairs(1.0) > 1.5 * num_pairs(0.0)


def test_a_crop_of_a_crop_is_itself(whole: ChainExample) -> None:
    """So that a curriculum may cut before the batch is made."""
    once = crop(whole, 9, 12345, 0.5)
    again = crop(once, 20, 12345, 0.5)
    assert np.array_equal(again.chain.atoms, once.chain.atoms, equal_nan=True)
    assert np.array_equal(again.features.pair, once.features.pair)
    assert np.array_equal(again.starts[0].translations, once.starts[0].translations)


@pytest.fixture(scope="module")
def ensemble() -> ChainExamples:
    """A hairpin, the same moved, and one model of it of which only C1' are known."""
    moved, bare = HAIRPIN.atoms + np.float32(50), np.full_like(HAIRPIN.atoms, np.nan)
    bare[:, ATOM_INDEX["C1'"]] = HAIRPIN.atom("C1'") + np.float32(100)
    models = {HAIRPIN.id: np.stack([moved, bare])}
    return ChainExamples([HAIRPIN], ["group"], Recipe(models=models))


def test_each_draw_takes_one_model_of_an_ensemble_with_the_pairs_that_it_shows(ensemble: ChainExamples) -> None:
    whole, alone = ensemble[0], Recipe().example(HAIRPIN, "group")
    assert np.array_equal(whole.chain.atoms, HAIRPIN.atoms, equal_nan=True), "the first where nothing is drawn"
    assert np.array_equal(whole.features.pair, alone.features.pair)
    assert whole.group == alone.group
    counts = {0: 0, 1: 0, 2: 0}
    for draw in range(300):
        part = crop(whole, 500, draw)
        model = round(float(part.chain.atom("C1'")[0, 0] - HAIRPIN.atom("C1'")[0, 0])) // 50
        counts[model] += 1
        assert np.array_equal(part.pairs, label_pairs(part.chain))
        assert np.array_equal(part.features.single, whole.features.single)
    assert min(counts.values()) > 70


def test_the_content_hash_tells_models_and_weights_apart(ensemble: ChainExamples) -> None:
    plain = ChainExamples([HAIRPIN], ["group"]).content_hash
    assert ensemble.content_hash != plain
    assert ChainExamples([HAIRPIN], ["group"], weights=[0.5]).content_hash != plain
    assert ChainExamples([HAIRPIN], ["group"], Recipe(models={})).content_hash == plain
    assert ChainExamples([replace(HAIRPIN, id="other")], ["group"]).content_hash != plain
