"""Annotations: of an ideal hairpin by name, of two strands together, and of crystal structures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna.annotation import annotate, residue_names
from monosome.rna.files import write_structure
from monosome.rna.geometry import duplex, hairpin

HAIRPIN = replace(hairpin("GGCACGAAAGUGCC", 5), id="A")
DUPLEX = duplex("GGCAUC")


def test_residues_are_named_by_chain_base_and_number():
    assert residue_names(HAIRPIN)[:2] == ["A.G1", "A.G2"]
    repeated = replace(HAIRPIN, residue_numbers=np.array([7, 7, 7, *range(8, 19)]))
    assert residue_names(repeated)[:3] == ["A.G7", "A.G7^A", "A.C7^B"]


def test_a_hairpin_is_seen_whole():
    found = annotate([HAIRPIN])
    assert found.structure == "(((((....)))))"
    assert [loop.name for loop in found.motifs.loops] == ["exterior", "GNRA tetraloop"]
    assert set(found.torsions.puckers) == {"C3'-endo"}


def test_pairs_between_chains_count():
    strands = [replace(DUPLEX.subset(range(6)), id="A"), replace(DUPLEX.subset(range(6, 12)), id="B")]
    found = annotate(strands)
    values = found.as_json()
    assert values["dot_bracket"] == "((((((&))))))"
    assert values["sequence"] == "GGCAUC&GAUGCC"
    assert [chain["dot_bracket"] for chain in values["chains"]] == ["((((((", "))))))"]
    assert values["motifs"]["helices"][0]["pairs"][0] == ["A.G1", "B.C12"]


def test_json_has_every_part_and_no_nan():
    values = annotate([HAIRPIN]).as_json()
    json.dumps(values, allow_nan=False)
    assert values["length"] == len(values["residues"]) == 14
    assert values["residues"][0]["alpha"] is None, "nothing comes before it"
    assert values["residues"][0]["pucker"] == "C3'-endo"
    assert {"residues": ["A.G1", "A.C14"], "kind": "cWW", "canonical": True} in values["pairs"]
    assert values["motifs"]["loops"][1]["tetraloop"] == "GNRA"
    assert values["motifs"]["loops"][1]["strands"] == [["A.G6", "A.A7", "A.A8", "A.A9"]]


def test_a_structure_without_bases_has_no_pairs():
    atoms = HAIRPIN.atoms.copy()
    atoms[:, 12:] = np.nan
    found = annotate([replace(HAIRPIN, atoms=atoms)])
    assert (found.structure, found.interactions.pairs) == ("." * 14, ())


def test_a_file_is_read_with_its_notes(tmp_path: Path):
    write_structure(HAIRPIN, tmp_path / "hairpin.pdb", format="pdb")
    assert annotate(tmp_path / "hairpin.pdb").structure == "(((((....)))))"
    with pytest.raises(DataError):
        annotate(tmp_path / "none.pdb")
