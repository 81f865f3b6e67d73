"""Clashscore against MolProbity's."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from monosome.rna.chain import join
from monosome.rna.clashes import clashscore
from monosome.rna.files import read_structure

FILE_NAMES = {"DRfold": "DRFold", "RoseTTAFold2NA": "RosettaFold2NA", "RoseTTAFoldNA": "RosettaFold2NA"}


def puzzles(folder: Path) -> Iterator[tuple[Path, float]]:
    """Models of RNA-Puzzles 1 to 15 with the scores of its tables."""
    for table in sorted((folder / "rna_puzzles_early").glob("rp*/results.csv")):
        files = {path.name.split(".")[0].lower().replace("_rpr", ""): path for path in table.parent.glob("*.pdb.gz")}
        with table.open() as file:
            for row in csv.DictReader(file):
                path = files.get(f"{int(table.parent.name[2:4])}_{row['Model'].strip().lower()}")
                if path is not None and row["Clash Score"].strip("-"):
                    yield path, float(row["Clash Score"])


def round_five(folder: Path) -> Iterator[tuple[Path, float]]:
    """Models of puzzle 11."""
    with (folder / "rna_puzzles_early/roundV_scores.csv").open() as file:
        for row in csv.DictReader(file):
            path = folder / "rna_puzzles_early/rp11" / f"11_{row['Groups']}_{row['model']}_rpr.pdb.gz"
            if path.is_file():
                yield path, float(row["clash"])


def networks(folder: Path) -> Iterator[tuple[Path, float]]:
    """Models of deep networks; RNAComposer's, which come with their own hydrogens, score 0.6 of the table here."""
    with (folder / "rna_ts60/rnamark_scores.csv").open() as file:
        for row in csv.DictReader(file):
            name = FILE_NAMES.get(row["method"], row["method"])
            path = folder / "rna_ts60/models/WithMSA" / row["target"] / f"{row['target']}_{name}.pdb.gz"
            if path.is_file():
                yield path, float(row["clash"])


# MolProbity as published with RNA-Puzzles (results.csv, and round V) and with RNAmark; versions are not stated.
@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "num", "correlation"), [(puzzles, 499, 0.96), (round_five, 53, 0.85), (networks, 255, 0.97)]
)
def test_clashscore_is_that_of_molprobity(
    data_folder: Path, table: Callable[[Path], Iterator[tuple[Path, float]]], num: int, correlation: float
):
    rows = list(table(data_folder))
    ours = np.array([clashscore(join(read_structure(path).chains)).score for path, _ in rows])
    theirs = np.array([score for _, score in rows])
    assert len(rows) == num
    assert spearmanr(ours, theirs).statistic > correlation
    assert 0.9 < np.median(ours[theirs > 0] / theirs[theirs > 0]) < 1.1
