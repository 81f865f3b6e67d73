import json
from pathlib import Path

import pytest

from monosome.errors import DataError
from monosome.evaluate.page import write_report
from monosome.protein.likelihood import Likelihood
from monosome.protein.quality import Scores, assess_quality, cluster_shares, natural_sample
from monosome.protein.quality_report import quality_data, quality_report
from monosome.sequences.fasta import Record

HAND = [
    Record("one", "", "MKTAYIAKQRQISFVKSHFSRQ"),
    Record("same", "", "MKTAYIAKQRQISFVKSHFSRQ"),
    Record("odd", "", "MKXAA"),
    Record("runs", "", "AAAAAAAAAAAA"),
]
"""Two equal ones, one with a letter beyond the 20, one of a single letter."""
LIKELIHOODS = [Likelihood(nats, nats / 2, 2, 4) for nats in (2.0, 4.0, 6.0, 8.0)]


def natural_records(natural: list[str]) -> list[Record]:
    return [Record(f"natural_{number}", "", sequence) for number, sequence in enumerate(natural)]


def test_every_figure_by_hand(natural: list[str]):
    scores = Scores(LIKELIHOODS, [90.0, 50.0, None, 70.0])
    found = assess_quality(HAND, natural_records(natural), scores=scores)
    values = {each.metric.name: each.interval.value for each in found.measures}
    assert values["valid"] == 0.75
    assert values["distinct"] == 0.75
    assert values["length"] == (22 + 22 + 5 + 12) / 4
    assert values["clusters_90"] == values["clusters_50"] == 0.75
    assert values["rep_2"] == pytest.approx((100 / 21 + 100 / 21 + 0 + 100 * 10 / 11) / 4)  # RQ twice; AA eleven times
    assert values["longest_run"] == (1 + 1 + 2 + 12) / 4
    assert values["teacher_perplexity"] == pytest.approx(2.718281828 ** (20 / 8))
    assert values["teacher_perplexity_per_residue"] == pytest.approx(2.718281828 ** (10 / 16))
    assert values["plddt"] == 70
    assert values["plddt_above_70"] == pytest.approx(1 / 3)
    for each in found.measures:
        assert each.interval.low is not None
        assert each.interval.low <= each.interval.value <= each.interval.high
    assert found.num_compared == 3
    assert any("3 valid designs" in caveat for caveat in found.caveats)


def test_natural_proteins_are_no_further_than_others(natural: list[str]):
    """Half of the natural set, as designs, is as far from the rest as a sample of it is; polyalanine is far."""
    records = natural_records(natural)
    alike = assess_quality(records[::2], records[1::2])
    far = assess_quality([Record(str(n), "", "A" * (50 + n)) for n in range(30)], records)
    assert alike.designs is not None
    assert far.designs is not None
    for name in ("residue_kl", "residue_jsd", "dipeptide_kl", "dipeptide_jsd", "discrepancy"):
        assert getattr(alike.designs, name).value < getattr(far.designs, name).low, name


def test_copies_are_known(natural: list[str]):
    """Of 88 natural proteins 44 at least are the reference: copies of these are found, their identity is 1."""
    records = natural_records(natural)
    _, reference = natural_sample(records[:10], records)
    found = assess_quality([Record(f"copy {one.id}", "", one.sequence) for one in reference[:10]], records)
    values = {each.metric.name: each.interval.value for each in found.measures}
    assert values["nearest_identity"] == values["known"] == 1


def test_cluster_shares_by_hand():
    """Two equal, one alone: halves and a whole sum to two clusters."""
    assert cluster_shares(["MKTAYIAKQRQISFVKSHF"] * 2 + ["GAVLIMCFYWHKRDE"], 0.9, None) == [0.5, 0.5, 1.0]


def test_a_sample_is_half_at_most(natural: list[str]):
    records = natural_records(natural)
    sample, rest = natural_sample(records * 2, records)
    assert len(sample) == len(records) // 2
    assert {one.id for one in sample}.isdisjoint(one.id for one in rest)
    with pytest.raises(DataError, match="too few"):
        assess_quality(records[:1], records)


def test_the_report_has_every_figure(natural: list[str], tmp_path: Path):
    found = assess_quality(HAND, natural_records(natural))
    page = write_report(quality_report(found, "monosome evaluate protein", ["By alignment."]), tmp_path)
    data = json.loads((tmp_path / "report.json").read_text())
    assert set(quality_data(found)["designs"]) <= set(data["designs"])
    assert {row["id"] for row in data["rows"]} == {"one", "same", "odd", "runs"}
    for text in ("Jensen–Shannon of dipeptides", "By alignment.", "<svg"):
        assert text in page.read_text()
    assert "hydropathy" in (tmp_path / "report.md").read_text()
