import csv
from pathlib import Path

import pytest

from monosome.sequences.fasta import Record, read_fasta
from monosome.sequences.leakage import Overlap, find_leaks, shared_kmers
from monosome.sequences.relatives import RNA

PARENT = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCC"


def test_a_fragment_in_the_held_out_set_is_a_whole_leak():
    train = [Record("parent", "", PARENT), Record("other", "", "ACACACACACAC")]
    valid = [Record("clean", "", "GGGGGCCCCCGG"), Record("fragment", "", PARENT[5:25])]
    assert shared_kmers(train, valid, 10) == [Overlap("parent", "fragment", shared=11, share=1.0)]


def test_the_worst_leak_comes_first_and_small_ones_can_be_hidden():
    train = [Record("parent", "", PARENT)]
    valid = [Record("half", "", PARENT[:15] + "A" * 15), Record("whole", "", PARENT)]
    assert [overlap.valid for overlap in shared_kmers(train, valid, 8)] == ["whole", "half"]
    assert [overlap.valid for overlap in shared_kmers(train, valid, 8, min_share=0.9)] == ["whole"]


def test_relatives_within_one_side_are_no_leak():
    twins = [Record("a", "", PARENT), Record("b", "", PARENT)]
    assert shared_kmers(twins, [], 8) == []
    assert shared_kmers([], twins, 8) == []


def test_leaks_are_equals_fragments_and_shared_domains_but_no_strangers():
    domain = PARENT[:12] + "CACUUGCAAGUGACCUUA" + PARENT[12:]
    train = [Record("parent", "", PARENT), Record("short", "", "ACG"), Record("other", "", "ACACACACACACACACAC")]
    valid = [
        Record("equal", "", "acg"),
        Record("fragment", "", PARENT[8:36]),
        Record("domain", "", domain),
        Record("stranger", "", "GGGGGCCCCCGGGGGCCCCC"),
    ]
    leaks = find_leaks(train, valid, RNA)
    assert {(leak.train, leak.valid) for leak in leaks} == {
        ("parent", "fragment"),
        ("parent", "domain"),
        ("short", "equal"),
    }
    assert all(leak.identity == 1 and leak.chance < 0.01 for leak in leaks)
    assert find_leaks(train, [], RNA) == find_leaks([], valid, RNA) == []


@pytest.mark.data
def test_near_relatives_of_the_held_out_set_are_found(data_folder: Path):
    """Those that 80 % clusters miss, named by hand, against the 51 targets of rna_ts60."""
    known = column(data_folder / "rna_kaggle_c1" / "train_sequences.csv", "target_id")
    known |= column(data_folder / "rna_fullatom" / "manifest.csv", "id")
    names = ("2ADT_A", "2JR4_A", "2MXJ_A", "1osw_A", "7K4L_A", "7LYG_A", "8d9l")
    folder = data_folder / "rna_ts60" / "Fastas"
    held_out = [Record(path.stem, "", read_fasta(path)[0].sequence) for path in sorted(folder.glob("*.fasta"))]
    leaks = find_leaks([Record(name, "", known[name]) for name in names], held_out, RNA)
    assert {leak.train for leak in leaks} == set(names)
    assert {leak.valid for leak in leaks if leak.train == "7LYG_A"} >= {"8EG0_C"}


@pytest.mark.data
def test_containment_that_identity_clusters_miss(data_folder: Path):
    """8EG0_C (alias of 8d9l) and 7LYG_A: different 80 % identity clusters, two thirds of the 10-mers in common."""
    kaggle = column(data_folder / "rna_kaggle_c1" / "train_sequences.csv", "target_id")
    fullatom = column(data_folder / "rna_fullatom" / "manifest.csv", "id")
    train, valid = [Record("7LYG_A", "", kaggle["7LYG_A"])], [Record("8d9l", "", fullatom["8d9l"])]
    (overlap,) = shared_kmers(train, valid, 10)
    assert overlap.share == pytest.approx(0.66, abs=0.01)


def column(file: Path, key: str) -> dict[str, str]:
    with file.open() as lines:
        return {row[key]: row["sequence"] for row in csv.DictReader(lines)}
