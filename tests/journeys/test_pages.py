"""Reports in a real browser: structures are drawn, panels follow each other, and no request leaves the file."""

import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monosome.commands import fold
from monosome.evaluate.page import Chapter, Report, Table, write_report
from monosome.rna.evidence import Given
from monosome.rna.files import read_structure

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SOFTWARE_GL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--no-sandbox"]
FOCUSED = "it => it.name || it.getAttribute('role') || it.className"
HOSTILE = "<img src=x onerror=alert(1)> & \"'</script><script>alert(2)</script>"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")]


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two RNAs, one of two strands, with the page that holds both."""
    folder = tmp_path_factory.mktemp("folded")
    fasta = folder / "rna.fasta"
    fasta.write_text(f">hairpin {HOSTILE}\nGGCGAACUGCGAAAGCAGUUCGCC\n>duplex\nGGACUUCG&CGAAGUCC\n")
    options: dict[str, Any] = {"checkpoint": None, "num_models": 2, "format": "cif", "seed": 0, "json": True}
    fold.run(str(fasta), folder / "out", given=Given(), **options)
    return folder / "out"


class Window:
    """A page of the browser that keeps what went wrong and what was asked for."""

    def __init__(self, page: Any) -> None:
        self.page, self.faults, self.requests = page, list[str](), list[str]()
        page.on("console", lambda line: line.type in ("error", "warning") and self.faults.append(line.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, file: Path, shown: str = "") -> None:
        """Open a file, and wait until its stage shows something."""
        self.page.goto(file.as_uri())
        if shown:
            self.page.wait_for_selector(f'[data-shown="{shown} in 3D"]', timeout=120_000)
        assert self.requests == [file.as_uri()]

    def pixels(self) -> Any:
        """What the 3D view shows, as numbers."""
        from matplotlib.image import imread

        self.page.wait_for_timeout(1500)
        picture = self.page.locator(".view canvas").first.screenshot()
        return imread(io.BytesIO(picture), format="png")[..., :3]

    @property
    def status(self) -> str:
        """What the page says of the residue that is picked."""
        return str(self.page.locator(".status").first.inner_text())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync = pytest.importorskip("playwright.sync_api")
    with sync.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=SOFTWARE_GL)
        yield chromium
        chromium.close()


@pytest.fixture
def window(browser: Any) -> Iterator[Window]:
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    yield Window(page)
    page.close()


def test_a_structure_is_drawn_and_turns(folded: Path, window: Window) -> None:
    window.open(folded / "hairpin" / "report.html", "hairpin model 1")
    before = window.pixels()
    assert before.reshape(-1, 3).std(axis=0).max() > 0.02, "a blank view has one colour"
    box = window.page.locator(".view canvas").first.bounding_box()
    mouse = window.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(box["x"] + box["width"] / 2 + 120, box["y"] + box["height"] / 2 + 40, steps=6)
    mouse.up()
    assert np.abs(window.pixels() - before).mean() > 0.002
    assert window.faults == []


def test_what_is_picked_in_one_panel_shows_in_the_others(folded: Path, window: Window) -> None:
    window.open(folded / "hairpin" / "report.html", "hairpin model 1")
    track, page = window.page.get_by_role("slider", name="residue"), window.page
    track.focus()
    for key in ("Home", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert re.fullmatch(r"C3, pLDDT \d+, paired with G22", window.status)
    assert track.get_attribute("aria-valuenow") == "3"
    assert track.get_attribute("aria-valuetext") == window.status
    heat = page.locator("canvas.heat")
    before = heat.screenshot()
    size = heat.bounding_box()["width"]
    heat.click(position={"x": size * 4.5 / 24, "y": size * 19.5 / 24})
    assert window.status.startswith(("U20, ", "predicted aligned error of 20 and 5: "))
    assert heat.screenshot() != before
    assert track.get_attribute("aria-valuenow") == "20"
    page.keyboard.press("Escape")
    # A structure's residue, wherever it is drawn: some point of the view is one.
    view = page.locator(".view canvas").first.bounding_box()
    for x, y in ((x, y) for y in (0.5, 0.4, 0.6) for x in (0.5, 0.45, 0.55, 0.4, 0.6)):
        track.focus()
        page.keyboard.press("Home")
        page.mouse.click(view["x"] + x * view["width"], view["y"] + y * view["height"])
        page.wait_for_timeout(400)
        if track.get_attribute("aria-valuenow") != "1":
            break
    assert track.get_attribute("aria-valuenow") != "1"
    assert window.faults == []


def test_models_strands_and_files(folded: Path, window: Window) -> None:
    window.open(folded / "duplex" / "report.html", "duplex model 1")
    page = window.page
    page.locator("select[name=model]").select_option("1")
    page.wait_for_selector('[data-shown="duplex model 2 in 3D"]')
    page.locator("select[name=style]").select_option("atoms")
    with page.expect_download() as one:
        page.get_by_role("button", name="mmCIF").click()
    written = Path(one.value.path()).read_text()
    file = folded / "downloaded.cif"
    file.write_text(written)
    found = read_structure(file).chains
    made = read_structure(folded / "duplex" / "model_2.cif").chains
    assert [chain.sequence for chain in found] == ["GGACUUCG", "CGAAGUCC"]
    for mine, theirs in zip(found, made, strict=True):
        known = mine.resolved & theirs.resolved
        assert known.sum() == theirs.resolved.sum()
    with page.expect_download() as one:
        page.get_by_role("button", name="CSV").click()
    lines = Path(one.value.path()).read_text().splitlines()
    assert lines[0] == "residue,chain,base,pLDDT,partner"
    assert len(lines) == 17
    assert window.faults == []


def test_several_rnas_share_a_page_in_the_dark_and_on_a_phone(folded: Path, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark")
    window = Window(page)
    window.open(folded / "report.html", "hairpin model 1")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    dark = window.pixels()
    assert np.median(dark) < 0.3, "the view takes the page's colour"
    page.locator("select[name=scene]").select_option(label="duplex")
    page.wait_for_selector('[data-shown="duplex model 1 in 3D"]')
    assert page.get_by_role("slider", name="residue").get_attribute("aria-valuemax") == "16"
    assert window.faults == []
    page.close()


def test_a_screen_reader_and_a_keyboard_reach_everything(folded: Path, window: Window) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    window.open(folded / "report.html", "hairpin model 1")
    found = axe.Axe().run(window.page, context="main").response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    ours = [(one["id"], node["target"]) for one in serious for node in one["nodes"] if "msp-" not in str(node)]
    assert ours == []
    reached = set()
    for _ in range(40):
        window.page.keyboard.press("Tab")
        reached.add(
            window.page.evaluate("(e => e.name || e.getAttribute('role') || e.className)(document.activeElement)")
        )
    assert {"scene", "model", "style", "cif", "csv", "slider"} <= reached


def test_hostile_text_stays_text(tmp_path: Path, window: Window) -> None:
    report = Report(
        title=HOSTILE,
        summary="x" * 5000,
        command=HOSTILE,
        chapters=[Chapter(HOSTILE, HOSTILE, [Table([HOSTILE, "nan"], [[HOSTILE, "–"]], caption=HOSTILE)])],
        data={"value": None},
    )
    window.open(write_report(report, tmp_path))
    assert window.page.locator("img").count() == 0
    assert window.page.locator("h1").inner_text() == HOSTILE
    assert window.page.evaluate("document.documentElement.scrollWidth") <= 1100
    assert window.faults == []
    assert json.loads((tmp_path / "report.json").read_text())["title"] == HOSTILE
