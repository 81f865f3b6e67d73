import numpy as np
import pytest

from monosome.rna.gdt import gdt_ts

CHAIN = np.random.default_rng(0).normal(size=(40, 3)).cumsum(axis=0) * 4
TURN = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def test_a_moved_copy_is_whole():
    assert gdt_ts(CHAIN @ TURN.T + 9, CHAIN, 40) == pytest.approx(1)


def test_residues_missing_from_the_model_are_not_within():
    assert gdt_ts(CHAIN[:10], CHAIN[:10], 40) == pytest.approx(0.25)


def test_displaced_residues_count_at_the_cutoffs_beyond():
    # Half of the chain is moved 3 Å along: one half fits within 1 and 2 Å, all within 4 and 8 Å once in between.
    model = CHAIN.copy()
    model[20:] += [0.0, 0.0, 3.0]
    found = gdt_ts(model, CHAIN, 40)
    assert (0.5 + 0.5 + 1 + 1) / 4 <= found <= 0.9


def test_a_half_turned_away_is_found():
    model = np.concatenate([CHAIN[:20], CHAIN[20:] @ TURN.T + 60])
    assert 0.5 <= gdt_ts(model, CHAIN, 40) < 0.75
