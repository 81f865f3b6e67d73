"""Figures as people read them."""

import pytest

from monosome.evaluate.rows import as_json, measure_cells, measures, number
from monosome.task import Metric, Row

METRICS = [
    Metric("tm", "tm", "TM-score", higher_is_better=True, floor="helix"),
    Metric("helix", "tm_helix", "straight helix", higher_is_better=True),
    Metric("absent", "nothing", "never measured"),
]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.41666, "0.417"),
        (12.345, "12.3"),
        (604.4, "604"),
        (38_900_000.0, "3.89e+07"),
        (None, "–"),
        (0.0, "0.00"),
        (4.2e-5, "4.20e-05"),
        (-1.5, "-1.50"),
    ],
)
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


def test_measures_carry_their_floor_and_leave_out_what_no_row_defines() -> None:
    rows = [Row(str(n), {"tm": 0.4 + n / 100, "tm_helix": 0.2}, length=20) for n in range(4)]
    found = measures(rows, METRICS)
    assert [m.metric.name for m in found] == ["tm", "helix"]
    assert found[0].beats_floor is True
    assert found[1].beats_floor is None
    assert as_json(found)["tm"]["num_examples"] == 4
    columns, cells = measure_cells(found)
    assert len(cells) == 1, "a floor is a column, not a row of its own"
    assert cells[0][columns.index("floor")].startswith("0.200")
