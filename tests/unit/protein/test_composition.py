import math
from pathlib import Path

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.protein.composition import SWISS_PROT, composition, composition_kl, composition_kl_interval


def test_composition_is_compared_by_shares():
    natural = ["".join(letter * round(100 * share) for letter, share in SWISS_PROT.items())]
    assert composition_kl(natural) == pytest.approx(0, abs=1e-7)
    assert composition_kl(["A" * 50]) == pytest.approx(-math.log(8.25 / sum(SWISS_PROT.values())))
    assert composition_kl(["AC"], dict.fromkeys(SWISS_PROT, 1.0)) == pytest.approx(math.log(10))
    assert composition(["AAC", "AX"]) == {letter: {"A": 0.75, "C": 0.25}.get(letter, 0.0) for letter in SWISS_PROT}


def test_the_interval_narrows_with_more_sequences():
    random, letters = np.random.default_rng(0), list(SWISS_PROT)
    shares = np.array(list(SWISS_PROT.values())) / sum(SWISS_PROT.values())
    drawn = ["".join(random.choice(letters, 100, p=shares)) for _ in range(400)]
    few, many = composition_kl_interval(drawn[:40]), composition_kl_interval(drawn)
    assert many.value == pytest.approx(composition_kl(drawn))
    assert few.low is not None
    assert few.high is not None
    assert many.low is not None
    assert many.high is not None
    assert many.high - many.low < few.high - few.low
    assert 0 <= many.low <= many.value <= many.high < 0.002
    assert (many.num_examples, many.num_groups) == (400, 400)


def test_sequences_without_an_amino_acid_are_refused():
    with pytest.raises(DataError, match="no amino acid"):
        composition_kl_interval(["XX", "B"])


@pytest.mark.data
def test_real_proteomes_are_near_swiss_prot(data_folder: Path):
    from monosome.sequences.fasta import iter_fasta

    valid = iter_fasta(data_folder / "protein_fasta" / "valid.fasta.gz")
    assert composition_kl(record.sequence for record in valid) < 0.05
