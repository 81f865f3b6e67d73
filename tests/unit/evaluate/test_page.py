"""Reports: whole, self-contained, and safe with hostile text."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from monosome.evaluate.figures import bars, curves, scatter
from monosome.evaluate.page import Chapter, Picture, Report, Table, write_report

HOSTILE = '<script>alert(1)</script> & "quotes" | pipe'


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}]


def _report() -> Report:
    picture = Picture(curves({HOSTILE: [(0.0, 1.0), (1.0, 2.0)]}, x="step", y="loss", title=HOSTILE), HOSTILE)
    table = Table(["id", HOSTILE], [[HOSTILE, "1"]], HOSTILE)
    return Report(
        HOSTILE,
        HOSTILE,
        HOSTILE,
        [Chapter(HOSTILE, HOSTILE, [table, picture])],
        {"n": 3},
        [(HOSTILE, HOSTILE)],
    )


def test_hostile_text_stays_text_and_nothing_leaves_the_file(tmp_path: Path) -> None:
    page = write_report(_report(), tmp_path).read_text()
    parsed = _Tags()
    parsed.feed(page)
    assert "script" not in parsed.tags
    assert parsed.tags.count("table") == 1
    assert parsed.tags.count("svg") == 1
    assert all(link.startswith("#") for link in parsed.links)
    assert "default-src 'none'" in page


def test_the_three_files_say_the_same(tmp_path: Path) -> None:
    write_report(_report(), tmp_path)
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["n"] == 3
    assert data["tables"][0]["rows"] == [[HOSTILE, "1"]]
    markdown = (tmp_path / "report.md").read_text()
    row = next(line for line in markdown.splitlines() if line.endswith("| 1 |"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 3, "a pipe inside a cell would add a column"


def test_figures_take_the_colour_of_the_page() -> None:
    for picture in (
        scatter({"": [(1.0, 2.0), (3.0, 4.0)]}, x="length", y="loss", title="t"),
        bars(
            {"model": (1.0, 0.9, 1.1), "floor": (2.0, None, None)},
            y="perplexity",
            title="t",
            floors=["floor"],
        ),
    ):
        assert picture.startswith("<svg")
        assert "currentColor" in picture
        assert "#010203" not in picture
