"""A submission is written as Kaggle wants it, and every way of spoiling one is found on its line."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna.kaggle import Part, Strand, Target
from monosome.rna.submission import COLUMNS, Fault, find_faults, sites_of_sample, write_submission

TARGETS = [
    Target("9AAA", (Strand("A", 1, "GGAC"), Strand("A", 2, "GGAC"))),
    Target("R_1", (Strand("B", 1, "ACGU"),)),
]
SITES = [site for target in TARGETS for site in target.sites]
Lines = list[list[str]]


@pytest.fixture
def lines(tmp_path: Path) -> Lines:
    """A right submission to part 1, cell by cell; row n of 12 stands on line n + 1."""
    return _read(_write(tmp_path / "right.csv", 1))


def _write(path: Path, part: Part) -> Path:
    draw = np.random.default_rng(0)
    places = [draw.normal(size=(5, len(target.sites), 3)).astype(np.float32) * 20 for target in TARGETS]
    write_submission(path, TARGETS, places, part)
    return path


def _read(path: Path) -> Lines:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def _faults(folder: Path, lines: Lines, part: Part = 1) -> list[Fault]:
    path = folder / "submission.csv"
    path.write_text("".join(",".join(cells) + "\n" for cells in lines))
    return find_faults(path, SITES, part)


@pytest.mark.parametrize("part", [1, 2])
def test_what_is_written_is_right(part: Part, tmp_path: Path):
    path = _write(tmp_path / "submission.csv", part)
    assert find_faults(path, SITES, part) == []
    header, first, *_ = _read(path)
    assert header[:3] == ["ID", "resname", "resid"]
    assert len(header) == 18 + 2 * (part == 2)
    assert first[:3] == ["9AAA_1", "G", "1"]
    assert _read(path)[5][:3] == ["9AAA_5", "G", "5"], "residues are numbered on through all strands"
    assert _read(path)[5][18:] == (["A", "2"] if part == 2 else [])


@pytest.mark.parametrize("change", [lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n")])
def test_a_mark_of_byte_order_and_line_ends_of_windows_are_no_faults(change: Callable[[str], str], tmp_path: Path):
    path = _write(tmp_path / "submission.csv", 1)
    path.write_bytes(change(path.read_text()).encode())
    assert find_faults(path, SITES, 1) == []


def _cell(line: int, column: str, value: str) -> Callable[[Lines], Lines]:
    def spoil(lines: Lines) -> Lines:
        lines[line - 1][COLUMNS.index(column)] = value
        return lines

    return spoil


def _columns(change: Callable[[list[str]], list[str]]) -> Callable[[Lines], Lines]:
    return lambda lines: [change(cells) for cells in lines]


def _swap(line: int) -> Callable[[Lines], Lines]:
    return lambda lines: [*lines[: line - 1], lines[line], lines[line - 1], *lines[line + 1 :]]


def _one_place(lines: Lines) -> Lines:
    return [lines[0], *([*cells[:6], "1.0", "2.0", "3.0", *cells[9:]] for cells in lines[1:])]


SPOILED: dict[str, tuple[Callable[[Lines], Lines], int, str]] = {
    "a missing residue": (lambda lines: lines[:3] + lines[4:], 4, "9AAA_3 is missing before 9AAA_4"),
    "two missing residues": (lambda lines: lines[:3] + lines[5:], 4, "9AAA_3, 9AAA_4 are missing before 9AAA_5"),
    "a missing end": (lambda lines: lines[:-1], 13, "R_1_4 is missing at the end"),
    "a missing target": (lambda lines: lines[:9], 10, "R_1_1, R_1_2, R_1_3 and 1 more are missing at the end"),
    "an extra row": (lambda lines: [*lines, ["R_1_5", *lines[-1][1:]]], 14, "R_1 has 1 to 4, not '5'"),
    "a repeated row": (lambda lines: lines[:3] + lines[2:], 4, "9AAA_2 repeats line 3"),
    "rows in another order": (_swap(4), 4, "9AAA_4 is out of order: 9AAA_3 is due"),
    "targets in another order": (
        lambda lines: lines[:1] + lines[9:] + lines[1:9],
        2,
        "R_1_1 is out of order: 9AAA_1 is due",
    ),
    "another base": (_cell(6, "resname", "C"), 6, "the resname of 9AAA_5 is 'C', 'G' is due"),
    "another number": (_cell(6, "resid", "1"), 6, "the resid of 9AAA_5 is '1', '5' is due"),
    "a number with a point": (_cell(6, "resid", "5.0"), 6, "the resid of 9AAA_5 is '5.0'"),
    "an ID of nothing": (_cell(3, "ID", "9AAA-2"), 3, "the ID '9AAA-2' is of no target"),
    "a target of another set": (_cell(3, "ID", "9BBB_2"), 3, "the ID '9BBB_2' is of no target"),
    "a missing column": (_columns(lambda cells: cells[:-1]), 1, "the header has no column z_5"),
    "an extra column": (_columns(lambda cells: [*cells, "1"]), 1, "the header has the column '1', which is not known"),
    "four structures": (_columns(lambda cells: cells[:15]), 1, "the header has 4 structures, 5 are due"),
    "columns in another order": (
        _columns(lambda cells: [*cells[:3], cells[4], cells[3], *cells[5:]]),
        1,
        "the header has y_1 where x_1 is due",
    ),
    "a column twice": (_cell(1, "y_2", "x_2"), 1, "the header has no column y_2"),
    "a name in small letters": (_cell(1, "ID", "id"), 1, "the header has no column ID"),
    "no header": (lambda lines: lines[1:], 1, "the header has 0 structures"),
    "chain and copy in part 1": (
        _columns(lambda cells: [*cells, "chain", "copy"]),
        1,
        "the header has the column 'chain'",
    ),
    "a short row": (lambda lines: [*lines[:4], lines[4][:-1], *lines[5:]], 5, "has 17 cells, 18 are due"),
    "a long row": (lambda lines: [*lines[:4], [*lines[4], "0"], *lines[5:]], 5, "has 19 cells, 18 are due"),
    "an empty line": (lambda lines: [*lines[:4], [], *lines[4:]], 5, "the line is empty"),
    "NaN": (_cell(7, "y_3", "NaN"), 7, "y_3 is NaN"),
    "an empty cell": (_cell(7, "y_3", ""), 7, "y_3 is empty"),
    "infinity": (_cell(7, "y_3", "-inf"), 7, "y_3 is -inf"),
    "text in a number": (_cell(7, "y_3", "1.2Å"), 7, "y_3 is '1.2Å', no number"),
    "a number of Python alone": (_cell(7, "y_3", "1_000"), 7, "y_3 is '1_000', no number"),
    "two numbers in a cell": (_cell(7, "y_3", "1 2"), 7, "y_3 is '1 2', no number"),
    "a place too low": (_cell(7, "y_3", "-1000"), 7, "y_3 is -1000, beyond -999.999 to 9999.999 Å"),
    "a place too high": (_cell(7, "y_3", "1e18"), 7, "y_3 is 1e18, beyond"),
    "all in one place": (_one_place, 2, "structure 2 of 9AAA has all 8 residues in one place"),
    "nothing at all": (lambda lines: [], 1, "the file is empty"),
    "a header alone": (lambda lines: lines[:1], 2, "9AAA_1, 9AAA_2, 9AAA_3 and 9 more are missing at the end"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_what_is_spoiled_is_refused_with_its_line(name: str, lines: Lines, tmp_path: Path):
    spoil, line, text = SPOILED[name]
    faults = _faults(tmp_path, spoil(lines))
    assert any(fault.line == line and text in fault.text for fault in faults), faults
    assert faults[0].line == line, "the first fault is the one that was made"


def test_chain_and_copy_may_stand_in_part_two_and_must_be_right_there(tmp_path: Path):
    lines = _read(_write(tmp_path / "submission.csv", 2))
    assert _faults(tmp_path, [cells[:18] for cells in lines], 2) == []
    lines[6][19] = "1"
    assert _faults(tmp_path, lines, 2) == [Fault(7, "the copy of 9AAA_6 is '1', '2' is due")]
    assert "no column copy" in _faults(tmp_path, [cells[:19] for cells in lines], 2)[0].text


def test_what_is_no_text_is_refused(tmp_path: Path):
    path = _write(tmp_path / "submission.csv", 1)
    path.write_bytes(path.read_bytes().replace(b"9AAA_3", b"9AAA\xff3"))
    assert find_faults(path, SITES, 1)[0].line == 4
    path.write_text('ID,"resname\n')
    assert "no line of CSV" in find_faults(path, SITES, 1)[0].text
    with pytest.raises(DataError, match="cannot read"):
        find_faults(tmp_path / "nowhere.csv", SITES, 1)


def test_a_sample_must_be_of_the_same_targets(tmp_path: Path):
    sample = _write(tmp_path / "sample_submission.csv", 1)
    assert sites_of_sample(sample, TARGETS) == SITES
    with pytest.raises(DataError, match="line 10: R_1_1 is A 1, in the sequences no such residue"):
        sites_of_sample(sample, TARGETS[:1])
    with pytest.raises(DataError, match="has 12 rows, the sequences have 13 residues"):
        sites_of_sample(sample, [*TARGETS, Target("X", (Strand("A", 1, "A"),))])
