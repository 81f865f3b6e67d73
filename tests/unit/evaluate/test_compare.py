"""Paired comparisons: a difference that is there is shown, one that is not is not, and unlike data are refused."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.evaluate.compare import Evaluation, compare, read_evaluation, report, sentence
from monosome.evaluate.page import write_report
from monosome.evaluate.rows import row_as_json, row_from_json
from monosome.row import Metric, Row

TM = Metric("tm_score", "tm_score", "TM-score", higher_is_better=True, floor="tm_helix")
FLOOR = Metric("tm_helix", "tm_helix", "TM-score of a helix", higher_is_better=True)
PERPLEXITY = Metric("perplexity", "loss", "perplexity", exponential=True)
NUM = 60


def _evaluation(name: str, gain: float, *, noise: float = 0.02, ids: int = NUM, data: str = "h") -> Evaluation:
    base = np.random.default_rng(0).uniform(0.1, 0.6, NUM)
    extra = np.random.default_rng(len(name)).normal(0, noise, NUM)
    rows = [
        Row(str(n), {"tm_score": base[n] + gain + extra[n], "tm_helix": 0.1, "loss": 2 - gain}, 50, group=str(n // 2))
        for n in range(ids)
    ]
    return Evaluation(name, "valid", data, [TM, FLOOR, PERPLEXITY], rows)


def test_a_difference_smaller_than_the_spread_of_examples_is_shown_by_pairing():
    first, other = _evaluation("a", 0.0), _evaluation("longer", 0.02)
    tm, perplexity = compare(first, other)
    assert tm.gap.value == pytest.approx(tm.other.value - tm.first.value)
    assert tm.gap.low is not None
    assert tm.first.low is not None
    assert tm.first.value - tm.first.low > 0.02, "unpaired it would drown"
    assert (tm.verdict, perplexity.verdict) == ("better", "better")
    assert (tm.gap.num_examples, tm.gap.num_groups) == (NUM, NUM // 2)
    assert [one.verdict for one in compare(other, first)] == ["worse", "worse"]
    assert perplexity.gap.value == pytest.approx(np.exp(1.98) - np.exp(2.0))


def test_no_difference_is_not_called_one():
    tm = compare(_evaluation("a", 0.0), _evaluation("bbbbb", 0.0))[0]
    assert tm.verdict == "no difference shown"
    assert "no difference shown" in sentence("b", [tm])


def test_an_evaluation_beside_itself_differs_by_nothing():
    one = _evaluation("a", 0.0)
    for found in compare(one, one):
        assert (found.gap.value, found.gap.low, found.gap.high) == (0.0, 0.0, 0.0)
        assert found.verdict == "no difference shown"


@pytest.mark.parametrize("other", [_evaluation("b", 0.0, ids=NUM - 1), _evaluation("b", 0.0, data="i")])
def test_what_was_measured_on_other_data_is_refused(other: Evaluation):
    with pytest.raises(DataError, match="measured on different data"):
        compare(_evaluation("a", 0.0), other)


def test_an_evaluation_is_read_as_it_was_written(tmp_path: Path):
    one = _evaluation("a", 0.0)
    weighted = Row("w", {"loss": 1.0, "tm_score": None}, 9, weights={"loss": 9.0})
    assert row_from_json(row_as_json(weighted)) == weighted
    values: dict[str, Any] = {
        "split": "valid",
        "data_hash": "h",
        "definitions": [asdict(metric) for metric in one.metrics],
        "rows": [row_as_json(row) for row in one.rows],
    }
    folder = tmp_path / "run" / "evaluation-valid"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(values))
    for path in (tmp_path / "run", folder, folder / "report.json"):
        found = read_evaluation(path, "valid")
        assert (found.rows, found.metrics) == (one.rows, one.metrics)
    (folder / "report.json").write_text('{"title": "of something else"}')
    with pytest.raises(DataError, match="is no evaluation"):
        read_evaluation(folder, "valid")
    with pytest.raises(DataError, match="holds no evaluation on test"):
        read_evaluation(tmp_path / "run", "test")


def test_the_page_says_the_verdict_and_draws_every_example(tmp_path: Path):
    evaluations = [_evaluation("a", 0.0), _evaluation("longer", 0.02)]
    found = [compare(evaluations[0], evaluations[1])]
    page = write_report(report(evaluations, found, "monosome compare a longer"), tmp_path)
    assert "longer is better: TM-score" in page.read_text(encoding="utf-8")
    figures = json.loads((tmp_path / "report.json").read_text())["comparisons"][0]["metrics"]["tm_score"]
    assert figures["verdict"] == "better"
    assert figures["low"] > 0
