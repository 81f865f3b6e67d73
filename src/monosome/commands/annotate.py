"""`monosome annotate`: base pairs, secondary structure, motifs and torsions of a structure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.text import Text

from monosome.commands.output import print_json, print_table
from monosome.rna.annotation import Annotation, annotate
from monosome.rna.dotbracket import BRACKETS
from monosome.rna.interactions import BasePair
from monosome.rna.motifs import Loop
from monosome.rna.stereochemistry import OUTLIER

TORSIONS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "chi": "χ", "eta": "η",
    "theta": "θ", "phase": "phase",
}  # fmt: skip
"""Angles of the table and their letters."""
STYLES = dict(zip(BRACKETS, ("cyan", "magenta", "yellow", "green", "red", "blue", "red", "blue"), strict=True))
"""Colour of each layer of brackets; the first pseudoknot's stands out from the nested pairs'."""
DEGREES = len("-179")
"""Width of an angle on the screen, in whole degrees: so the table of torsions fits 80 columns."""
EDGES = "WHS"
"""The order in which the two edges of a pair are written."""


def run(structure: Path, *, torsions: bool, json: bool) -> None:
    """Print the annotation as tables or as one JSON object."""
    annotation = annotate(structure)
    if json:
        print_json(annotation.as_json())
        return
    console = Console(highlight=False)
    console.print(Text(structure.name, style="bold"), Text(_summary(annotation)), sep="\n")
    _print_strands(annotation, console)
    tables = [
        (["helix", "pairs", "5' strand", "3' strand"], list(_helices(annotation))),
        (["loop", "helices", "unpaired residues"], list(_loops(annotation))),
        (["tertiary contact", "residues"], list(_contacts(annotation))),
        (["non-canonical", "pairs", "residues in the order of their edges"], list(_other_pairs(annotation))),
    ]
    if torsions:
        letters = [letter.rjust(DEGREES) for letter in TORSIONS.values()]
        tables.append((["residue", *letters, "pucker"], list(_torsions(annotation))))
    for columns, rows in tables:
        if rows:
            console.print()
            print_table(columns, rows)
    console.print()
    console.print(Text(_geometry(annotation)))
    for note in annotation.notes:
        console.print(Text(f"note: {note}", style="dim"))


def _summary(annotation: Annotation) -> str:
    pairs = annotation.interactions.pairs
    num_canonical = sum(pair.is_canonical for pair in pairs)
    counts = [
        (len(annotation.chains), "chain"),
        (len(annotation.molecule), "residue"),
        (num_canonical, "canonical pair"),
        (len(pairs) - num_canonical, "other pair"),
        (len(annotation.interactions.stacks), "stack"),
    ]
    return ", ".join(f"{count} {what}{'s' if count != 1 else ''}" for count, what in counts)


def _geometry(annotation: Annotation) -> str:
    """What is off in bonds, angles, chirality, links and contacts, in one line."""
    found, clashes = annotation.stereochemistry, annotation.clashes
    shares = [
        f"{check.within:.1%} of {what}"
        for check, what in ((found.bonds, "bonds"), (found.angles, "angles"))
        if check.num
    ]
    counts = [
        f"{len(check.outliers)} of {check.num} {what}"
        for check, what in ((found.centres, "chiral centres inverted"), (found.links, "links broken"))
    ]
    score = "undefined" if clashes.score is None else f"{clashes.score:.1f}"
    within = [f"{' and '.join(shares)} within {OUTLIER:g} sd"] if shares else []
    return ", ".join([*within, *counts, f"clashscore {score} ({clashes.num_clashes} clashes, hydrogens counted)"])


def _print_strands(annotation: Annotation, console: Console) -> None:
    """Sequence over dot-bracket, each line with the name of its first residue; & where a strand ends."""
    margin = max(len(name) for name in annotation.names) + 2
    starts = np.cumsum([0, *(len(chain) for chain in annotation.chains)]).tolist()
    for start, end in pairwise(starts):
        console.print()
        for first, last in _lines(annotation.molecule.segments.tolist(), start, end, console.width - margin):
            ends_strand = last < end and annotation.molecule.segments[last - 1] != annotation.molecule.segments[last]
            sequence = Text(annotation.names[first].ljust(margin), style="dim")
            sequence.append(annotation.molecule.sequence[first:last], style="not dim bold")
            console.print(sequence.append("&" if ends_strand else ""), soft_wrap=True)
            console.print(Text(" " * margin).append(_coloured(annotation.structure[first:last])), soft_wrap=True)


def _lines(segments: Sequence[int], start: int, end: int, width: int) -> Iterator[tuple[int, int]]:
    """First residue of each line and the one after its last: a line is as wide as fits, and ends with its strand."""
    first = start
    for place in range(start + 1, end + 1):
        if place == end or segments[place] != segments[place - 1] or place - first >= max(width - 1, 10):
            yield first, place
            first = place


def _coloured(structure: str) -> Text:
    text = Text()
    for letter in structure:
        style = next((style for brackets, style in STYLES.items() if letter in brackets), "dim")
        text.append(letter, style=style)
    return text


def _helices(annotation: Annotation) -> Iterator[list[str]]:
    for number, helix in enumerate(annotation.motifs.helices, start=1):
        forward, backward = zip(*helix.pairs, strict=True)
        yield [str(number), str(len(helix.pairs)), _run(annotation, forward), _run(annotation, backward[::-1])]


def _run(annotation: Annotation, residues: Sequence[int]) -> str:
    """Residues in a row by the names of the first and the last, and their letters."""
    letters = "".join(annotation.molecule.sequence[residue] for residue in residues)
    if len(residues) == 1:
        return annotation.names[residues[0]]
    return f"{annotation.names[residues[0]]}–{annotation.names[residues[-1]]} {letters}"


def _loops(annotation: Annotation) -> Iterator[list[str]]:
    numbers = {
        pair: str(number)
        for number, helix in enumerate(annotation.motifs.helices, start=1)
        for pair in (helix.pairs[0], helix.pairs[-1])
    }
    for loop in annotation.motifs.loops:
        if loop.unpaired or loop.kind != "exterior":
            yield [loop.name, " ".join(numbers[pair] for pair in loop.closing) or "-", _strands(annotation, loop)]


def _strands(annotation: Annotation, loop: Loop) -> str:
    """The strands that have residues, cut where the backbone is broken."""
    segments = annotation.molecule.segments
    runs = []
    for strand in loop.strands:
        cuts = [place for place in range(1, len(strand)) if segments[strand[place]] != segments[strand[place - 1]]]
        runs += [strand[start:end] for start, end in pairwise([0, *cuts, len(strand)]) if end > start]
    return ", ".join(_run(annotation, run) for run in runs)


def _contacts(annotation: Annotation) -> Iterator[list[str]]:
    names = annotation.names
    for knot in annotation.motifs.pseudoknots:
        kind = "kissing loops" if knot.is_kissing else f"pseudoknot, {knot.loops[0]} with {knot.loops[1]}"
        yield [kind, ", ".join(f"{names[i]}–{names[j]}" for i, j in knot.pairs)]
    for triple in annotation.motifs.triples:
        yield ["triple", ", ".join(f"{names[pair.i]}–{names[pair.j]} {pair.kind}" for pair in triple.pairs)]
    for contact in annotation.motifs.a_minors:
        first, second = contact.pair
        yield ["A-minor", f"{names[contact.adenine]} on {names[first]}–{names[second]}"]


def _other_pairs(annotation: Annotation) -> Iterator[list[str]]:
    """Pairs that are not canonical by their class, residues turned so that edges come as W, H, S."""
    groups: dict[str, list[str]] = defaultdict(list)
    for pair in annotation.interactions.pairs:
        if not pair.is_canonical:
            kind, first, second = turned(pair)
            groups[kind].append(f"{annotation.names[first]}–{annotation.names[second]}")
    for kind in sorted(groups, key=lambda kind: (EDGES.index(kind[1]), EDGES.index(kind[2]), kind[0])):
        yield [kind, str(len(groups[kind])), ", ".join(groups[kind])]


def turned(pair: BasePair) -> tuple[str, int, int]:
    """Class and residues of a pair, turned so that its edges come in the order W, H, S."""
    if EDGES.index(pair.kind[1]) > EDGES.index(pair.kind[2]):
        return pair.kind[0] + pair.kind[2] + pair.kind[1], pair.j, pair.i
    return pair.kind, pair.i, pair.j


def _torsions(annotation: Annotation) -> Iterator[list[str]]:
    columns = [getattr(annotation.torsions, name).tolist() for name in TORSIONS]
    for name, conformation, *angles in zip(annotation.names, annotation.torsions.puckers, *columns, strict=True):
        yield [name, *(_degrees(angle) for angle in angles), conformation or "-"]


def _degrees(angle: float) -> str:
    return ("-" if np.isnan(angle) else f"{angle:.0f}").rjust(DEGREES)
