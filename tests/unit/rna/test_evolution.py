import inspect
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosome.rna import alignment as alignment_module
from monosome.rna import embeddings, evolution, npz_features
from monosome.rna.alignment import GAP, Alignment
from monosome.rna.evolution import MAX_DEPTH, Evolution, without_background


def random_alignment(seed: int, depth: int, length: int) -> Alignment:
    rows = np.random.default_rng(seed).integers(GAP + 1, size=(depth, length)).astype(np.uint8)
    return Alignment("A" * length, rows)


def plain(alignment: Alignment, i: int, j: int, pseudocount: float) -> float:
    """Mutual information from its definition, times the share of rows with both bases."""
    counts = np.zeros((4, 4))
    for row, weight in zip(alignment.rows, alignment.weights, strict=True):
        if max(row[i], row[j]) < GAP:
            counts[row[i], row[j]] += weight
    if not counts.any():
        return 0.0
    joint = (counts + pseudocount) / (counts + pseudocount).sum()
    total = 0.0
    for a in range(4):
        for b in range(4):
            if joint[a, b]:
                total += joint[a, b] * math.log2(joint[a, b] / (joint[a].sum() * joint[:, b].sum()))
    return float(total * counts.sum() / alignment.weights.sum())


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 6), st.sampled_from([0.0, 0.2, 0.5]))
def test_mutual_information_is_that_of_the_definition(seed: int, depth: int, length: int, pseudocount: float):
    alignment = random_alignment(seed, depth, length)
    found = evolution.evolution(alignment, pseudocount).mutual_information
    for i in range(length):
        for j in range(length):
            expected = 0.0 if i == j else plain(alignment, i, j, pseudocount)
            assert found[i, j] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("depth", "pseudocount"), [(1, 0.5), (25, 0.5), (26, 0.2), (100, 0.2), (101, 0.0)])
def test_the_pseudocount_follows_the_depth(depth: int, pseudocount: float):
    alignment = random_alignment(depth, depth, 6)
    np.testing.assert_array_equal(
        evolution.evolution(alignment).coupling, evolution.evolution(alignment, pseudocount).coupling
    )


def test_columns_that_pair_stand_out():
    draw = np.random.default_rng(0)
    rows = draw.integers(4, size=(400, 12)).astype(np.uint8)
    rows[:, 10] = 3 - rows[:, 2]
    told = evolution.evolution(Alignment("A" * 12, rows))
    assert told.coupling[2, 10] == told.coupling.max()
    assert told.mutual_information[2, 10] == pytest.approx(2, abs=0.05)  # bits: one base tells the other


def test_blocks_of_columns_change_nothing(monkeypatch: pytest.MonkeyPatch):
    alignment = random_alignment(1, 50, 11)
    whole = evolution.evolution(alignment)
    monkeypatch.setattr("monosome.rna.evolution.COLUMNS_AT_ONCE", 3)
    np.testing.assert_allclose(
        evolution.evolution(alignment).mutual_information, whole.mutual_information, rtol=1e-5, atol=1e-6
    )


def test_apc_takes_away_what_columns_share_with_all():
    strength = np.array([1.0, 2.0, 0.5, 3.0], dtype=np.float32)
    shared = np.full((4, 4), 0.7, dtype=np.float32)
    np.fill_diagonal(shared, 0)
    np.testing.assert_allclose(without_background(shared), 0, atol=1e-6)
    product = np.outer(strength, strength)
    np.fill_diagonal(product, 0)
    # Dunn et al. 2008: MIp = MI − mean_i · mean_j / mean
    means = product.sum(axis=1) / 3
    expected = product - np.outer(means, means) / means.mean()
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(without_background(product), expected, rtol=1e-5, atol=1e-6)


def test_a_sequence_alone_tells_nothing():
    told = evolution.evolution(Alignment("ACGU", np.arange(4, dtype=np.uint8)[None]))
    assert (told.depth, told.effective_depth) == (1, 1)
    for values in (told.coupling, told.conservation, told.gap_share):
        np.testing.assert_allclose(values, 0, atol=1e-6)


def test_conservation_and_gaps_by_hand():
    rows = np.zeros((400, 4), dtype=np.uint8)
    rows[:, 1] = np.arange(400) % 4
    rows[:, 2] = np.arange(400) // 4 % 2
    rows[:100, 3] = GAP
    alignment = Alignment("AAAA", rows)
    alignment.__dict__["weights"] = np.ones(400, dtype=np.float32)
    told = evolution.evolution(alignment)
    small = 3 / (2 * math.log(2) * 400)
    np.testing.assert_allclose(told.conservation[:3], [2 - small, 0, 1 - small], atol=1e-5)
    assert told.conservation[3] == pytest.approx(2 - small * 4 / 3, abs=1e-5)
    np.testing.assert_allclose(told.gap_share, [0, 0, 0, 0.25], atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 8))
def test_laws(seed: int, depth: int, length: int):
    alignment = random_alignment(seed, depth, length)
    told = evolution.evolution(alignment)
    for matrix in (told.mutual_information, told.coupling):
        np.testing.assert_array_equal(matrix, matrix.T)
        assert not np.diag(matrix).any()
        assert np.isfinite(matrix).all()
    assert told.mutual_information.min() >= 0
    assert ((told.conservation >= 0) & (told.conservation <= 2)).all()
    assert ((told.gap_share >= 0) & (told.gap_share <= 1)).all()
    order = np.random.default_rng(seed).permutation(depth)
    assert_close(told, evolution.evolution(Alignment(alignment.query, alignment.rows[order])))


def test_copies_of_all_rows_change_nothing_but_the_depth():
    alignment = random_alignment(3, 150, 10)
    twice = evolution.evolution(Alignment(alignment.query, np.repeat(alignment.rows, 2, axis=0)))
    assert_close(evolution.evolution(alignment), twice)
    assert twice.depth == 300


def test_deep_alignments_are_thinned_the_same_way_each_time():
    alignment = random_alignment(4, MAX_DEPTH + 500, 4)
    told = evolution.evolution(alignment)
    assert told.depth == MAX_DEPTH + 500
    np.testing.assert_array_equal(told.coupling, evolution.evolution(alignment.thinned(MAX_DEPTH)).coupling)


def test_columns_of_gaps_only():
    rows = np.full((30, 5), GAP, dtype=np.uint8)
    told = evolution.evolution(Alignment("NNNNN", rows))
    assert not told.mutual_information.any()
    assert not told.coupling.any()
    assert not told.conservation.any()
    assert (told.gap_share == 1).all()


def test_nothing_here_takes_coordinates():
    for module in (alignment_module, evolution, npz_features, embeddings):
        source = inspect.getsource(module)
        assert "rna.chain" not in source
        assert "rna.files" not in source
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__:
                assert not {"chain", "atoms", "coordinates"} & set(inspect.signature(function).parameters), name


def assert_close(one: Evolution, other: Evolution) -> None:
    for name in ("mutual_information", "coupling", "conservation", "gap_share"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=2e-5)
    assert one.effective_depth == pytest.approx(other.effective_depth, rel=1e-5)
