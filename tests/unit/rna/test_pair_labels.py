"""Labels of base pairs: from atoms, from C1' alone, from dot-brackets."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monosome.rna.chain import Chain
from monosome.rna.dataset import read_collection
from monosome.rna.geometry import hairpin
from monosome.rna.interactions import find_interactions
from monosome.rna.nucleotides import ATOM_INDEX
from monosome.rna.pair_labels import (
    CANONICAL,
    CLASSES,
    MIRRORED,
    NONE,
    NOT_CANONICAL,
    UNKNOWN,
    label_pairs,
    label_structure,
    likely_structure,
)


def c1_only(chain: Chain) -> Chain:
    """The chain as Kaggle's labels have it."""
    atoms = np.full_like(chain.atoms, np.nan)
    atoms[:, ATOM_INDEX["C1'"]] = chain.atom("C1'")
    return replace(chain, atoms=atoms)


def test_mirroring_twice_changes_no_class() -> None:
    assert [MIRRORED[MIRRORED[label]] for label in range(len(CLASSES))] == list(range(len(CLASSES)))
    assert CLASSES[MIRRORED[CLASSES.index("tHS")]] == "tSH"
    assert MIRRORED[CANONICAL] == CANONICAL
    assert len(CLASSES) == 20, "none, canonical, and 18 oriented classes of 12 families"


def test_an_ideal_hairpin_has_its_canonical_pairs_and_no_others() -> None:
    chain = hairpin("GGGCGAAAGCCC", 4)
    expected = label_structure("((((....))))")
    for labels in (label_pairs(chain), label_pairs(c1_only(chain))):
        assert np.array_equal(labels == CANONICAL, expected == CANONICAL)
        assert np.array_equal(labels, labels.T)
    assert (label_pairs(chain) >= NONE).all()
    assert set(np.unique(label_pairs(c1_only(chain)))) == {NOT_CANONICAL, CANONICAL}


def test_what_has_no_coordinates_is_unknown() -> None:
    chain = hairpin("GGGCGAAAGCCC", 4)
    chain.atoms[5] = np.nan
    for labels in (label_pairs(chain), label_pairs(c1_only(chain))):
        assert (labels[5] == UNKNOWN).all()
        assert (labels[:, 5] == UNKNOWN).all()
        assert (labels[0, 1:5] != UNKNOWN).all()


def test_the_likely_structure_has_helices_pseudoknots_and_no_single_pairs() -> None:
    chances = np.zeros((26, 26), dtype=np.float32)
    for pairs, chance in (
        ([(0, 12), (1, 11), (2, 10), (3, 9)], 0.9),
        ([(5, 18), (6, 17), (7, 16)], 0.8),
        ([(20, 25)], 0.9),
    ):
        for i, j in pairs:
            chances[i, j] = chances[j, i] = chance
    assert likely_structure(chances) == "((((.[[[.))))...]]]......."
    chances[5, 18] = chances[18, 5] = 0.4
    assert likely_structure(chances) == "((((.....)))).............", "two pairs that cross are no helix"
    assert likely_structure(np.zeros((4, 4), dtype=np.float32)) == "...."


@pytest.mark.data
def test_natural_chains_agree_with_their_annotation_and_c1_alone_tells_most_pairs(data_folder: Path) -> None:
    hits = found = true = 0
    for chain in read_collection(data_folder / "rna_fullatom").chains[:60]:
        labels = label_pairs(chain)
        for pair in find_interactions(chain).pairs:
            if not pair.is_canonical and labels[pair.i, pair.j] >= 0:
                assert CLASSES[labels[pair.i, pair.j]] == pair.kind
        alone = label_pairs(c1_only(chain))
        known = np.triu((labels != UNKNOWN) & (alone != UNKNOWN))
        hits += int(((labels == CANONICAL) & (alone == CANONICAL))[known].sum())
        found, true = found + int((alone == CANONICAL)[known].sum()), true + int((labels == CANONICAL)[known].sum())
    assert 2 * hits / (found + true) > 0.9, "0.94 over all 259 chains"
