import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosome.errors import DataError
from monosome.sequences.clusters import cluster, cluster_by_identity, representatives, split_by_cluster, split_by_date
from monosome.sequences.fasta import read_fasta
from monosome.sequences.relatives import PROTEIN, RNA

sequences = st.lists(st.text("ACGU", min_size=1, max_size=40), min_size=1, max_size=12)


def naive_clusters(rows: list[str], k: int, min_shared: float) -> set[frozenset[int]]:
    """Single linkage by the definition: grow groups until no link joins two of them."""
    sets = [{row[i : i + k] for i in range(len(row) - k + 1)} for row in rows]

    def linked(i: int, j: int) -> bool:
        fewer = min(len(sets[i]), len(sets[j]))
        return rows[i] == rows[j] or (fewer > 0 and len(sets[i] & sets[j]) >= min_shared * fewer)

    groups = [{i} for i in range(len(rows))]
    while True:
        pair = next(
            ((a, b) for a in groups for b in groups if a is not b and any(linked(i, j) for i in a for j in b)), None
        )
        if pair is None:
            return set(map(frozenset, groups))
        groups.remove(pair[1])
        pair[0].update(pair[1])


@given(sequences, st.integers(1, 8), st.floats(0.05, 1))
def test_clusters_follow_the_definition(rows: list[str], k: int, min_shared: float):
    numbers = cluster(rows, k, min_shared)
    found = {frozenset(i for i, n in enumerate(numbers) if n == number) for number in numbers}
    assert found == naive_clusters(rows, k, min_shared)
    assert sorted(set(numbers)) == list(range(len(found)))


@given(sequences, st.randoms())
def test_numbers_and_splits_do_not_depend_on_the_order(rows: list[str], shuffler: random.Random):
    order = list(range(len(rows)))
    shuffler.shuffle(order)
    numbers = cluster(rows, 5, 0.5)
    shuffled = cluster([rows[i] for i in order], 5, 0.5)
    assert shuffled == [numbers[i] for i in order]
    if len(set(numbers)) > 1:
        split = split_by_cluster(numbers, 0.3, seed=1)
        assert split_by_cluster(shuffled, 0.3, seed=1) == [split[i] for i in order]


def test_a_fragment_joins_its_parent_and_short_sequences_only_their_equals():
    parent = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCC"
    numbers = cluster([parent, parent[10:30], "ACGU", "ACGU", "UUGGA"], 10, 0.9)
    assert numbers[0] == numbers[1]
    assert numbers[2] == numbers[3]
    assert len({numbers[0], numbers[2], numbers[4]}) == 3


@given(st.lists(st.integers(0, 20), min_size=2, max_size=60), st.floats(0.01, 0.99), st.integers(0, 5))
def test_splits_keep_clusters_whole_and_fill_both_sides(clusters: list[int], share: float, seed: int):
    if len(set(clusters)) == 1:
        with pytest.raises(DataError, match="relatives of each other"):
            split_by_cluster(clusters, share, seed)
        return
    split = split_by_cluster(clusters, share, seed)
    sides = {name: {side for side, other in zip(split, clusters, strict=True) if other == name} for name in clusters}
    assert all(len(side) == 1 for side in sides.values())
    assert "valid" in split
    smallest = min(clusters.count(name) for name in set(clusters))
    assert split.count("valid") <= max(1, round(share * len(clusters)), smallest)
    assert "train" in split


def test_another_seed_draws_other_clusters():
    clusters = list(range(200))
    assert split_by_cluster(clusters, 0.2, seed=0) != split_by_cluster(clusters, 0.2, seed=1)
    assert split_by_cluster(clusters, 0.2, seed=0).count("valid") == 40


def test_thousands_of_relatives_and_strangers():
    """2,000 proteins of 100 residues in 400 families of 90 % identity: every family found, none joined."""
    draw = random.Random(0)
    letters = "ACDEFGHIKLMNPQRSTVWY"
    rows, families = [], []
    for family in range(400):
        ancestor = draw.choices(letters, k=100)
        for _ in range(5):
            rows.append("".join(draw.choice(letters) if draw.random() < 0.1 else letter for letter in ancestor))
            families.append(family)
    numbers = cluster(rows, 5, 0.1)
    assert len(set(zip(numbers, families, strict=True))) == len(set(numbers)) == 400


def test_clusters_by_identity_hold_mutants_fragments_and_equals_and_no_strangers():
    draw = random.Random(0)
    rows, families = [], []
    for family in range(40):
        ancestor = draw.choices("ACGU", k=60)
        mutants = ["".join(draw.choice("ACGU") if draw.random() < 0.12 else base for base in ancestor) for _ in "123"]
        rows += [*mutants, mutants[0].lower(), mutants[1][15:50], "".join([*ancestor[:30], "AAAA", *ancestor[30:]])]
        families += [family] * 6
    numbers = cluster_by_identity(rows, RNA)
    assert len(set(zip(numbers, families, strict=True))) == len(set(numbers)) == 40
    order = list(range(len(rows)))
    draw.shuffle(order)
    assert cluster_by_identity([rows[i] for i in order], RNA) == [numbers[i] for i in order]


def test_a_short_match_that_chance_explains_is_no_relative():
    long = "".join(random.Random(0).choices("ACGU", k=1500))
    numbers = cluster_by_identity([long, long[700:708], long[700:708], long[700:740]], RNA)
    assert numbers[0] == numbers[3] != numbers[1] == numbers[2]


def test_proteins_of_eighty_percent_identity_are_one_cluster():
    draw = random.Random(0)
    ancestor = draw.choices("ACDEFGHIKLMNPQRSTVWY", k=120)
    changed = set(draw.sample(range(120), 22))
    relative = ["W" if at in changed and letter != "W" else letter for at, letter in enumerate(ancestor)]
    stranger = draw.choices("ACDEFGHIKLMNPQRSTVWY", k=120)
    numbers = cluster_by_identity(["".join(row) for row in (ancestor, relative, stranger)], PROTEIN)
    assert numbers[0] == numbers[1] != numbers[2]


def test_a_split_by_date_holds_out_what_is_later_and_new():
    dates = ["2019-01-01", "2020-05-02", "2021-01-01", "2021-03-04", ""]
    clusters = ["a", "b", "a", "c", "d"]
    assert split_by_date(dates, clusters, "2020-05-02") == ["train", "train", "", "valid", ""]
    with pytest.raises(DataError, match="only after 2022-01-01"):
        split_by_date(dates, clusters, "2022-01-01")
    with pytest.raises(DataError, match="up to 2018-01-01"):
        split_by_date(dates, clusters, "2018-01-01")
    with pytest.raises(DataError, match="is no date"):
        split_by_date(dates, clusters, "May 2020")


@pytest.mark.data
def test_real_families_come_together(data_folder: Path):
    """The 3,000 held-out proteins were split off by shared 6-mers, so few of them are relatives of each other."""
    proteins = read_fasta(data_folder / "protein_fasta" / "valid.fasta.gz")
    numbers = cluster([record.sequence for record in proteins], 6, 0.3)
    assert 2000 < len(set(numbers)) < 3000


def test_representatives_are_the_longest_of_those_alike():
    draw = random.Random(0)
    first, second = ("".join(draw.choices("ACDEFGHIKLMNPQRSTVWY", k=80)) for _ in range(2))
    # A chain: the middle shares half with either end, which share nothing. Single linkage would keep one.
    middle = first[42:] + second[:40]
    sequences = [first[5:], middle, second, first, first.lower()]
    assert representatives(sequences, 6, 0.9) == [1, 2, 3]
    assert representatives(sequences, 6, 0.3) == [2, 3]
    assert representatives([], 6, 0.5) == []
