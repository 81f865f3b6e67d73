import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosome.sequences.identity import EXTEND, MATCH, MISMATCH, OPEN, compare

sequences = st.lists(st.text("ACGU", min_size=1, max_size=12), min_size=2, max_size=6)


def naive(one: str, other: str) -> tuple[int, int]:
    """Score and matches of the best local alignment by Gotoh's three tables, cell by cell."""
    never = (-(10**9), 0)
    ended, across, down = ({(i, j): never for i in range(-1, len(one)) for j in range(-1, len(other))} for _ in "123")

    def plus(cell: tuple[int, int], score: int, matches: int = 0) -> tuple[int, int]:
        return cell[0] + score, cell[1] + matches

    best = (0, 0)
    for i in range(len(one)):
        for j in range(len(other)):
            before = max((0, 0), *(table[i - 1, j - 1] for table in (ended, across, down)))
            equal = one[i] == other[j]
            ended[i, j] = plus(before, MATCH if equal else MISMATCH, int(equal))
            across[i, j] = max(plus(ended[i, j - 1], OPEN), plus(down[i, j - 1], OPEN), plus(across[i, j - 1], EXTEND))
            down[i, j] = max(plus(ended[i - 1, j], OPEN), plus(across[i - 1, j], OPEN), plus(down[i - 1, j], EXTEND))
            best = max(best, ended[i, j])
    return best


def test_every_pair_scores_as_by_the_definition():
    draw = random.Random(0)
    rows = ["".join(draw.choices("ACGU", k=draw.randint(1, 40))) for _ in range(12)]
    rows += [row[: len(row) // 2] + row[len(row) // 2 + 3 :] + "A" for row in rows]
    first, second = np.triu_indices(len(rows), 1)
    found = compare(rows, first, second)
    for k, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        assert (found.score[k], found.matches[k]) == naive(rows[i], rows[j]), (rows[i], rows[j])


@given(sequences, st.randoms())
def test_neither_the_order_nor_the_company_of_a_pair_matters(rows: list[str], shuffler: random.Random):
    first, second = np.triu_indices(len(rows), 1)
    together = compare(rows, first, second)
    assert np.array_equal(compare(rows, second, first).matches, together.matches)
    chosen = np.array([shuffler.randrange(len(first))])
    alone = compare([row.lower() for row in rows], first[chosen], second[chosen])
    assert (alone.score, alone.matches) == (together.score[chosen], together.matches[chosen])


@given(st.text("ACGU", min_size=4, max_size=60), st.data())
def test_a_fragment_is_identical_to_its_parent(parent: str, data: st.DataObject):
    start = data.draw(st.integers(0, len(parent) - 1))
    fragment = parent[start : data.draw(st.integers(start + 1, len(parent)))]
    found = compare([parent, fragment], np.array([0]), np.array([1]))
    assert (found.identity[0], found.shorter[0], found.longer[0]) == (1.0, len(fragment), len(parent))


def test_an_insert_costs_one_gap_however_long():
    parent = "GCCCGGAUAGCUCAGUCGGUAGAGCAUCAGACUUUUAAUCUGAGGGUCCAGGGUUCAAGUCCCUGUUCGGGC"
    found = compare([parent, parent[:36] + "A" * 20 + parent[36:]], np.array([0]), np.array([1]))
    assert found.score[0] == MATCH * 72 + OPEN + 19 * EXTEND
    assert found.identity[0] == 1.0


def test_titin_is_not_too_long():
    """Above 16,384 letters 64 bits are needed: 20,000 equal letters."""
    letters = "".join(random.Random(0).choices("ACDEFGHIKLMNPQRSTVWY", k=20_000))
    found = compare([letters, letters[100:130]], np.array([0, 0]), np.array([1, 1]))
    assert found.matches.tolist() == [30, 30]


def test_chance_bounds_how_often_shuffled_rnas_score_as_high():
    draw = random.Random(1)
    rows = ["".join(draw.choices("ACGU", k=draw.randint(15, 80))) for _ in range(150)]
    first, second = np.triu_indices(len(rows), 1)
    chance = compare(rows, first, second).expected_by_chance(4)
    for bound in (0.1, 0.03, 0.01):
        share = (chance <= bound).mean()
        assert bound / 100 < share <= bound, "a bound that is kept, and not an idle one"


@pytest.mark.data
def test_a_trna_around_an_insert_is_found(data_folder: Path):
    """8EG0_C is a tRNA(Lys)-like RNA, 7LYG_A the same around a viral stem-loop: 80 % clusters miss it."""
    trna = "GCCCGGAUAGCUCAGUCGGUAGAGCAUCAGACUUUUAAUCUGAGGGUCCAGGGUUCAAGUCCCUGUUCGGGC"
    table = (data_folder / "rna_kaggle_c1" / "train_sequences.csv").read_text()
    scaffold = next(line.split(",")[1] for line in table.splitlines() if line.startswith("7LYG_A"))
    found = compare([trna, scaffold], np.array([0]), np.array([1]))
    assert found.expected_by_chance(4)[0] < 1e-8
    assert found.identity[0] < 0.8
