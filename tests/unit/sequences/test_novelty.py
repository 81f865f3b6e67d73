import shutil

import numpy as np
import pytest

from monosome.sequences.novelty import nearest
from monosome.sequences.relatives import PROTEIN

PARENT = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVVHSLAKWKR"
OTHER = "MSGWYHDFLETPVQLRVGSLEINKNMLLWINDALMAVFFLLVGLEVKRELMQGSLASLRQAAFPVIAAIGGMIVPALLYL"


def test_identity_by_hand():
    """A fragment of 40 residues with four changed has 36 of 40; an equal one all; an unrelated one no relative."""
    fragment = list(PARENT[10:50])
    for place in (5, 13, 21, 33):
        fragment[place] = "W"
    found = nearest(["".join(fragment), PARENT.lower(), OTHER], ["GGGG", PARENT], PROTEIN)
    assert found.reference.tolist() == [1, 1, -1]
    assert found.identity.tolist() == pytest.approx([0.9, 1.0, 0.0])


def test_equal_short_sequences_are_found():
    assert nearest(["MKT", "MKV"], ["AAA", "MKT"], PROTEIN).identity.tolist() == [1, 0]


def test_nothing_against_nothing():
    assert nearest([], [PARENT], PROTEIN).identity.tolist() == []
    assert nearest([PARENT], [], PROTEIN).reference.tolist() == [-1]


@pytest.mark.skipif(not shutil.which("mmseqs"), reason="MMseqs2 is not installed")
def test_mmseqs_agrees():
    random = np.random.default_rng(0)
    letters = np.array(list("ACDEFGHIKLMNPQRSTVWY"))
    references = ["".join(random.choice(letters, 150)) for _ in range(30)]
    changed = []
    for share, parent in zip(np.linspace(0, 0.4, 30), references, strict=True):
        mask = random.random(150) < share
        changed.append("".join(np.where(mask, random.choice(letters, 150), list(parent))))
    ours = nearest(changed, references, PROTEIN)
    theirs = nearest(changed, references, PROTEIN, shutil.which("mmseqs"))
    assert ours.reference.tolist() == theirs.reference.tolist() == list(range(30))
    assert (
        np.abs(ours.identity - theirs.identity).max() < 0.05
    )  # ends that hardly match are in one alignment and not in the other
