from pathlib import Path

import pytest

from monosome.sequences.fasta import Record, read_fasta
from monosome.sequences.leakage import Overlap, shared_kmers

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


@pytest.mark.data
def test_containment_that_identity_clusters_miss(data_folder: Path):
    """Two chains in different 80 % identity clusters: the set's own notes say they share 66 % of the 10-mers."""
    folder = data_folder / "rna_family_msa"
    if not folder.is_dir():
        pytest.skip("rna_family_msa is not there")
    pytest.importorskip("gemmi")
