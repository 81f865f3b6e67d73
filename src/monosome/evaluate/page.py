"""One report builder for both domains: report.html, report.md and report.json with the same figures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from monosome.atomic import write_text
from monosome.evaluate.scene import Stage, library, script_hash

CODE_LENGTH = 20
"""A cell of that many letters without a space is a sequence or a path: set in a fixed width, broken anywhere."""


@dataclass(frozen=True)
class Table:
    """A table of text cells; numbers were formatted by `rows.number`."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """An SVG with what it shows in words, for those who cannot see it."""

    svg: str
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Chapter:
    """A part of a report: a heading, a paragraph that says what was found, then tables and pictures."""

    title: str
    text: str
    blocks: Sequence[Table | Picture | Stage] = ()


@dataclass(frozen=True)
class Report:
    """A whole report; `command` is what made it, `data` is everything in it for other programs."""

    title: str
    summary: str
    command: str
    chapters: Sequence[Chapter]
    data: Mapping[str, Any] = field(default_factory=dict)
    next_steps: Sequence[tuple[str, str]] = ()


def write_report(report: Report, folder: Path) -> Path:
    """Path of report.html; report.md and report.json lie beside it. Each file is written whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "report.json", json.dumps(_jsonable(report), indent=1, allow_nan=False))
    write_text(folder / "report.md", _render(report, "report.md.jinja"))
    return write_text(folder / "report.html", html(report))


def html(report: Report, *, refresh_seconds: int = 0) -> str:
    """The page as one text; with `refresh_seconds` a browser asks for it again that often."""
    return _render(report, "report.html.jinja", refresh_seconds=refresh_seconds)


def _jsonable(report: Report) -> dict[str, Any]:
    tables = [
        {
            "chapter": chapter.title,
            "caption": block.caption,
            "columns": list(block.columns),
            "rows": [list(row) for row in block.rows],
        }
        for chapter in report.chapters
        for block in chapter.blocks
        if isinstance(block, Table)
    ]
    return {
        "title": report.title,
        "summary": report.summary,
        "command": report.command,
        **report.data,
        "tables": tables,
    }


def _render(report: Report, template: str, **more: object) -> str:
    import jinja2

    has_stage = any(isinstance(block, Stage) for chapter in report.chapters for block in chapter.blocks)
    script = (resources.files(__package__) / "templates" / "scene.js").read_text(encoding="utf-8") if has_stage else ""
    molstar = library() if has_stage else None
    hashes = [script_hash(script)] * has_stage + ([molstar.hash] if molstar else [])
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (resources.files(__package__) / "templates" / name).read_text()),
        autoescape=template.endswith(".html.jinja"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["table"] = lambda block: isinstance(block, Table)
    environment.tests["stage"] = lambda block: isinstance(block, Stage)
    environment.tests["code"] = lambda text: len(text) >= CODE_LENGTH and " " not in text
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
    found = environment.get_template(template)
    return found.render(report=report, script=script, molstar=molstar, hashes=hashes, **more)
