import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from monosome.errors import DataError
from monosome.protein import library
from monosome.protein.library import Order, chosen, make_library, whole
from monosome.protein.sampling import Sample, Sampler, SamplingSettings
from monosome.sequences.fasta import read_fasta

SETTINGS = SamplingSettings(max_length=90, seed=2, residues=(20, 40), prefix="MK", repetition_penalty=1.0)
SAMPLES = [
    Sample("MKT", False, 3.0, index=0),
    Sample("MKX", False, 2.0, index=1),
    Sample("MKV", False, 1.0, index=2),
    Sample("MKT", False, 3.0, index=3),
    Sample("MKL", True, 2.0, index=4),
    Sample("", False, None, index=5),
    Sample("MKW", False, 2.0, index=6),
]


def indices(samples: list[Sample]) -> list[int]:
    return [one.index for one in samples]


def test_faulty_ones_are_flagged_or_dropped():
    order = Order(7, SamplingSettings())
    assert indices(chosen(SAMPLES, order)) == [0, 1, 2, 4, 5, 6]
    assert indices(chosen(SAMPLES, replace(order, faulty="drop"))) == [0, 2, 6]
    assert indices(whole(SAMPLES)) == [0, 2, 6]


def test_the_best_come_first():
    assert indices(chosen(SAMPLES, Order(7, SamplingSettings(), keep_best=0.67))) == [2, 6]


def test_all_are_in_range_begin_as_asked_and_say_where_they_come_from(teacher_folder: Path, tmp_path: Path):
    out = tmp_path / "a.fasta"
    made = make_library(str(teacher_folder), Order(12, SETTINGS, "redraw", batch=8), out)
    found = read_fasta(out)
    assert len(found) == made.facts["num_written"] == 12
    assert all(20 <= len(one.sequence) <= 40 and one.sequence.startswith("MK") for one in found)
    assert len({one.sequence for one in found}) == 12
    facts = json.loads((tmp_path / "a.json").read_text())
    assert f"seed=2 model={facts['model_hash'][:12]}" in found[0].description
    assert facts["settings"]["prefix"] == "MK"
    with (tmp_path / "a.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == [one.id for one in found]
    assert float(rows[0]["perplexity_per_residue"]) > 1
    assert not (tmp_path / "a.fasta.journal").exists()
    with pytest.raises(DataError, match="is there already"):
        make_library(str(teacher_folder), Order(12, SETTINGS), out)


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sampling ends in the middle, as by a power cut."""
    samples = Sampler.samples

    def some(self: Sampler, numbers: list[int]) -> Iterator[Sample]:
        for count, one in enumerate(samples(self, numbers)):
            if count == 11:
                raise KeyboardInterrupt
            yield one

    monkeypatch.setattr(Sampler, "samples", some)


@pytest.mark.usefixtures("cut")
def test_a_journal_is_gone_on_with(teacher_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    order = Order(20, replace(SETTINGS, prefix=""), batch=8)
    cut_out, whole_out = tmp_path / "cut.fasta", tmp_path / "whole.fasta"
    monkeypatch.setattr(library, "BATCH", 4)
    with pytest.raises(KeyboardInterrupt):
        make_library(str(teacher_folder), order, cut_out)
    journal = tmp_path / "cut.fasta.journal"
    assert len(journal.read_text().splitlines()) == 1 + 8
    with journal.open("a") as stream:
        stream.write('{"sequence": "MK')
    with pytest.raises(DataError, match="another order"):
        make_library(str(teacher_folder), replace(order, num=21), cut_out)
    with pytest.raises(KeyboardInterrupt):
        make_library(str(teacher_folder), order, cut_out)
    make_library(str(teacher_folder), order, cut_out)
    monkeypatch.undo()
    make_library(str(teacher_folder), replace(order, batch=5), whole_out)
    for suffix in (".fasta", ".csv", ".json"):
        assert cut_out.with_suffix(suffix).read_bytes() == whole_out.with_suffix(suffix).read_bytes()
