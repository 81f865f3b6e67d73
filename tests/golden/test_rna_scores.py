"""TM-score, RMSD and lDDT against the programs the field uses."""

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from monosome.rna.comparison import Reference
from monosome.rna.metrics import Mode, assess

LONGEST = 150
"""Longer natives take half a minute more and agree as well."""
LONG_MODEL = "7QDU_Q_trRosettaRNA"
"""One of 552 nucleotides whose best superposition starts from a fragment with too few neighbours."""
TS60 = {"DRFold": "DRfold", "RosettaFold2NA": "RoseTTAFoldNA"}
"""What the published table calls methods whose files have another name."""


@cache
def structure(path: Path) -> Reference:
    return Reference.read(path)


def us_align(
    folder: Path, column: str, mode: Mode, longest: int = LONGEST, every: int = 1
) -> Iterator[tuple[str, float]]:
    """Our TM-score less that of US-align, per model."""
    for table, prefix in (("tm_usalign_ts60.csv", ""), ("tm_usalign.csv", "rna_puzzles_early/{puzzle}")):
        with (folder / "truth" / table).open() as file:
            rows = list(csv.DictReader(file))
        for row in rows[::every]:
            if int(row.get("L_native", row.get("L", 0))) > longest and LONG_MODEL not in row["model"]:
                continue
            model, native = (folder / prefix.format(**row) / row[kind] for kind in ("model", "native"))
            if prefix:
                model, native = (path.with_name(path.name + ".gz") for path in (model, native))
            found = assess(structure(model), structure(native), mode=mode, metrics=("tm_score",)).tm_score
            assert found is not None
            yield row["model"], found - float(row[column])


# US-align 20260819, `-TMscore 1 -atom " C1'"`, native second, normalised by the native; four or five decimals.
# All of 353 agree to 0.00015, all but one to the last decimal given; as there, bases are not looked at.
@pytest.mark.data
@pytest.mark.slow
def test_tm_score_by_number_is_that_of_us_align(data_folder: Path):
    found = dict(us_align(data_folder, "TM_resnum_C1p", "residue"))
    assert len(found) == 277
    assert min(found.values()) > -0.0002, min(found, key=lambda model: found[model])
    assert max(found.values()) < 0.0002, max(found, key=lambda model: found[model])


# The same without `-TMscore 1`: 352 of 353 are at most 0.01 below, the mean is 0.021 above, the furthest 0.0101 below.
@pytest.mark.data
@pytest.mark.slow
def test_tm_score_by_structure_is_at_least_that_of_us_align(data_folder: Path):
    gains = us_align(data_folder, "TM_seqindep_C1p", "sequence", longest=80, every=5)
    found = np.array([gain for _, gain in gains])
    assert np.mean(found >= -0.01) >= 0.95
    assert found.mean() > 0


# rna-tools, all heavy atoms, as published with RNA-Puzzles; two decimals, for puzzle 4 three; mutated bases by name.
@pytest.mark.data
@pytest.mark.parametrize(
    ("puzzle", "native", "num", "tolerance"),
    [
        ("rp01", "1_solution_0_rpr", 15, 0.005),
        ("rp04", "4_solution_0_rpr", 30, 0.0005),
        ("rp06", "6_solution_0_rpr", 34, 0.005),
        ("rp08", "8_solution_0_rpr", 42, 0.005),
        ("rp09", "9_solution_0_rpr", 34, 0.005),
        ("rp13", "13_solution_0_rpr", 55, 0.005),
    ],
)
def test_rmsd_is_that_of_rna_tools(data_folder: Path, puzzle: str, native: str, num: int, tolerance: float):
    folder = data_folder / "rna_puzzles_early" / puzzle
    num_compared = 0
    with (folder / "rmsds.csv").open() as file:
        for row in csv.DictReader(file):
            model = folder / f"{row['fn'].strip()}.gz"
            if not model.is_file():
                continue
            found = assess(structure(model), structure(folder / f"{native}.pdb.gz"), metrics=("rmsd",))
            assert found.rmsd == pytest.approx(float(row["rmsd_all"]), abs=tolerance), row["fn"]
            num_compared += 1
    assert num_compared == num


# OpenStructure's lDDT without a check of stereochemistry, as published by RNAmark (Tarafder et al. 2024); two decimals.
@pytest.mark.data
def test_lddt_is_that_of_openstructure(data_folder: Path):
    folder = data_folder / "rna_ts60"
    with (folder / "rnamark_scores.csv").open() as file:
        published = {(row["target"], row["method"]): float(row["lDDT"]) for row in csv.DictReader(file)}
    with (data_folder / "truth" / "tm_usalign_ts60.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if int(row["L_native"]) <= LONGEST]
    values = []
    for row in rows:
        method = row["method"].rpartition("_")[2] if "WithMSA" in row["method"] else "RNAComposer"
        key = row["target"], TS60.get(method, method)
        found = assess(structure(data_folder / row["model"]), structure(data_folder / row["native"]), metrics=("lddt",))
        values.append((found.lddt, published[key]))
    ours, theirs = np.array(values).T
    assert len(values) == 240
    assert np.corrcoef(ours, theirs)[0, 1] > 0.99
    assert np.median(np.abs(ours - theirs)) < 0.01
