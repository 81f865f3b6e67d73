"""Order without the native: the odd one out stands last, whatever it is called."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monosome.commands import rank as command
from monosome.errors import DataError
from monosome.rna.chain import Chain
from monosome.rna.files import write_structure
from monosome.rna.geometry import hairpin, helix_frames, place_atoms
from monosome.rna.ranking import rank

SEQUENCE = "GGCGAACUGCGAAAGCAGUUCGCC"
HAIRPIN = hairpin(SEQUENCE, 10)


def _strand() -> Chain:
    import torch

    atoms = place_atoms(helix_frames(len(SEQUENCE)), torch.from_numpy(HAIRPIN.bases)).numpy()
    return replace(HAIRPIN, atoms=atoms)


def _shaken(by: float, seed: int) -> Chain:
    moved = np.random.default_rng(seed).normal(0, by, (len(HAIRPIN), 1, 3))
    return replace(HAIRPIN, atoms=(HAIRPIN.atoms + moved).astype(np.float32))


def test_the_odd_one_out_stands_last() -> None:
    models = {"strand": _strand(), "a": _shaken(0.3, 0), "b": _shaken(0.3, 1), "c": _shaken(0.6, 2)}
    ranked = rank(models)
    assert [each.name for each in ranked][2:] == ["c", "strand"]
    assert ranked[0].nearest in {"a", "b"}
    assert ranked[0].consensus > ranked[-1].consensus
    assert ranked[0].pairs_f1 > 0.8
    assert ranked[-1].pairs_f1 == 0.0
    assert any("links broken" in reason for reason in ranked[2].reasons)


def test_consensus_by_hand() -> None:
    """Of three models two are the same: TM-score 1 between them, x to the third."""
    first, second, third = rank({"one": HAIRPIN, "two": HAIRPIN, "strand": _strand()})
    assert third.name == "strand"
    assert first.consensus == second.consensus == pytest.approx((1 + third.consensus) / 2)


def test_two_models_are_ordered_by_their_pairs() -> None:
    ranked = rank({"strand": _strand(), "hairpin": HAIRPIN})
    assert [each.name for each in ranked] == ["hairpin", "strand"]
    assert np.isnan(ranked[0].consensus)
    assert ranked[0].nearest == ""


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    for name, chain in (("strand", _strand()), ("a", _shaken(0.3, 0)), ("b", _shaken(0.3, 1))):
        write_structure(chain, folder / f"{name}.cif")
    command.run([folder], out=tmp_path / "report", json=False)
    printed = capsys.readouterr().out
    assert printed.index("a.cif") < printed.index("strand.cif")
    assert "<svg" in (tmp_path / "report" / "report.html").read_text()
    with pytest.raises(DataError, match="is there already"):
        command.run([folder], out=tmp_path / "report", json=False)
    with pytest.raises(DataError, match="is not there"):
        command.run([tmp_path / "none.cif"], out=None, json=False)
    with pytest.raises(DataError, match="no model"):
        command.run([tmp_path / "report"], out=None, json=False)
