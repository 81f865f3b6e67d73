"""`monosome rank`: models of one RNA, of any programs, in order without the native."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from monosome.commands.output import print_json, print_table
from monosome.errors import DataError
from monosome.evaluate.page import Chapter, Picture, Report, Table, write_report
from monosome.rna.chain import Chain
from monosome.rna.drawing import structure_svg
from monosome.rna.files import is_structure, read_structure
from monosome.rna.ranking import MIN_CONSENSUS, Ranked, rank
from monosome.rna.refinement import join_near

MOST_DRAWN = 5
"""Models that the report shows."""
COLUMNS = ("place", "model", "nt", "TM to others", "pairs F1", "links broken", "clashscore")


def run(models: Sequence[Path], *, out: Path | None, json: bool) -> None:
    """Print the models in order, with reasons; write a report where `out` says.

    Raises DataError for what cannot be read, is no structure, or leaves nothing to compare.
    """
    if out is not None and out.exists() and any(out.iterdir()):
        raise DataError(f"{out} is there already", "choose another folder with --out")
    ranked = rank(_read(models))
    if out is not None:
        write_report(_report(ranked), out)
    if json:
        print_json({"models": [_as_json(place, each) for place, each in enumerate(ranked, start=1)]})
        return
    print_table(COLUMNS, [_row(place, each) for place, each in enumerate(ranked, start=1)])
    if len(ranked) < MIN_CONSENSUS:
        print(
            f"\nnote: fewer than {MIN_CONSENSUS} models cannot agree: in order of base pairs that the sequence expects"
        )
    print(f"\nfirst: {ranked[0].name}: {'; '.join(ranked[0].reasons)}")
    if out is not None:
        print(f"open: {out / 'report.html'}")


def _read(places: Sequence[Path]) -> dict[str, Chain]:
    """Structures by name: the file's, with its folder's where two files have one name."""
    files: list[Path] = []
    for place in places:
        if not place.exists():
            raise DataError(f"{place} is not there", "give PDB or mmCIF files, or folders of them")
        inside = sorted(path for path in place.iterdir() if is_structure(path)) if place.is_dir() else [place]
        files += inside
    names = [file.name for file in files]
    chains = {}
    console = Console(stderr=True)
    for file in track(files, description="reading", console=console, disable=not console.is_terminal):
        name = file.name if names.count(file.name) == 1 else str(file)
        chains[name] = join_near(read_structure(file).chains)
    return chains


def _row(place: int, each: Ranked) -> list[str]:
    found, score = each.geometry.stereochemistry, each.geometry.clashes.score
    return [
        str(place),
        each.name,
        str(len(each.chain)),
        f"{each.consensus:.3f}" if each.nearest else "",
        f"{each.pairs_f1:.2f}",
        f"{len(found.links.outliers)} of {found.links.num}",
        "undefined" if score is None else f"{score:.1f}",
    ]


def _as_json(place: int, each: Ranked) -> dict[str, Any]:
    return {
        "place": place,
        "model": each.name,
        "length": len(each.chain),
        "consensus_tm": each.consensus if each.nearest else None,
        "nearest": each.nearest or None,
        "pairs_f1": each.pairs_f1,
        **each.geometry.as_json(),
        "reasons": each.reasons,
    }


def _report(ranked: Sequence[Ranked]) -> Report:
    first = ranked[0]
    pictures = [
        Picture(structure_svg(each.chain, None, each.pairs, title=each.name), f"{place}: {each.name}.")
        for place, each in enumerate(ranked[:MOST_DRAWN], start=1)
    ]
    why = [[str(place), each.name, "; ".join(each.reasons)] for place, each in enumerate(ranked, start=1)]
    return Report(
        title=f"{len(ranked)} models in order",
        summary=f"{first.name} stands first: {'; '.join(first.reasons)}. No native was used: what several programs "
        "agree on is right more often than what one is sure of.",
        command=shlex.join(["monosome", *sys.argv[1:]]),
        chapters=[
            Chapter(
                "Order",
                "By mean TM-score to the others, residues paired by number.",
                [Table(COLUMNS, [_row(place, each) for place, each in enumerate(ranked, start=1)])],
            ),
            Chapter("Reasons", "What speaks for and against each.", [Table(["place", "model", "why"], why)]),
            Chapter("Structures", "The first of them from two sides.", pictures),
        ],
        data={"models": [_as_json(place, each) for place, each in enumerate(ranked, start=1)]},
    )
