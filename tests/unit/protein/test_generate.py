from pathlib import Path

import pytest

from monosome.errors import CheckpointError, DataError
from monosome.protein.generate import generate, load_generator, records, sample_summary
from monosome.protein.sampling import Sample, SamplingSettings

SAMPLES = [
    Sample("MKT", is_truncated=False, perplexity=2.5, perplexity_per_residue=1.5),
    Sample("MK>\N{REPLACEMENT CHARACTER}t", is_truncated=False, perplexity=9.0, index=1),
    Sample("", is_truncated=False, perplexity=None, index=2),
    Sample("MKKK", is_truncated=True, perplexity=4.0, index=3),
    Sample("MKKKK", is_truncated=True, perplexity=4.0, index=4, is_in_range=False),
]


def test_headers_say_what_is_wrong():
    assert [(one.id, one.description, one.sequence) for one in records(SAMPLES, "seed=0")] == [
        ("sample_1", "length=3 perplexity=2.50 perplexity_per_residue=1.50 seed=0", "MKT"),
        ("sample_2", "length=5 perplexity=9.00 invalid seed=0", "MKXXT"),
        ("sample_4", "length=4 perplexity=4.00 truncated seed=0", "MKKK"),
        ("sample_5", "length=5 perplexity=4.00 out_of_range seed=0", "MKKKK"),
    ]


def test_the_summary_counts():
    found = sample_summary(SAMPLES)
    assert (found["num"], found["num_valid"], found["num_truncated"], found["num_empty"]) == (5, 1, 2, 1)
    assert found["num_out_of_range"] == 1
    assert found["mean_length"] == 17 / 4
    assert sample_summary([SAMPLES[2]])["composition_kl"] is None


def test_a_folder_generates(model_folder: Path):
    samples = generate(str(model_folder), 3, SamplingSettings(max_length=16))
    assert len(samples) == 3


def test_bad_places_are_named(tmp_path: Path):
    with pytest.raises(CheckpointError, match="no folder nowhere"):
        load_generator("nowhere")
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        load_generator(str(tmp_path))
    with pytest.raises(DataError, match="the Hub gives no tokenizer"):
        load_generator("no/where")
