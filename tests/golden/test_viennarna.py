"""Thermodynamics of CASP15's R1107 against ViennaRNA 2.8.0's own figures, tolerance 1e-3."""

from pathlib import Path

import numpy as np
import pytest

from monosome.rna.pairing import Conditions, predict_local_energies, predict_pairing

R1107 = "GGGGGCCACAGCAGAAGCGUUCACGUCGCAGCCCCUGUCAGCCAUUGCACUCCGGCUGCGAAUUCUGCU"
STRUCTURE = ".........(((((((.((....))((((((((...((((.....)).))...)))))))).)))))))"


def test_r1107(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path))
    pairing = predict_pairing(R1107, np.zeros(len(R1107), dtype=np.int64))
    assert pairing.mfe == pytest.approx(-21.6, abs=1e-3)
    assert pairing.ensemble_energy == pytest.approx(-23.699, abs=1e-3)
    assert pairing.mfe_probability == pytest.approx(0.03317, abs=1e-3)
    assert pairing.positional_entropy[:3] == pytest.approx([1.19119, 1.25812, 0.27966], abs=1e-3)


def test_structures_and_diversity_of_r1107(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The MEA structure, the centroid and its like are computed here from probabilities, not asked for."""
    RNA = pytest.importorskip("RNA")
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path))
    pairing = predict_pairing(R1107, np.zeros(len(R1107), dtype=np.int64))
    compound = RNA.fold_compound(R1107)
    compound.pf()
    assert pairing.centroid == compound.centroid()[0] == STRUCTURE
    assert pairing.mea == compound.MEA()[0] == STRUCTURE
    assert pairing.diversity == pytest.approx(compound.mean_bp_distance(), abs=1e-3)
    assert pairing.diversity == pytest.approx(7.83679, abs=1e-3)


@pytest.mark.parametrize(("temperature", "salt"), [(20.0, 1.021), (37.0, 0.1), (60.0, 0.05)])
def test_conditions_of_r1107(temperature: float, salt: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RNA = pytest.importorskip("RNA")
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path))
    model = RNA.md()
    model.temperature, model.salt = temperature, salt
    compound = RNA.fold_compound(R1107, model)
    structure, mfe = compound.mfe()
    compound.exp_params_rescale(mfe)
    compound.pf()
    conditions = Conditions(temperature, salt)
    found = predict_pairing(R1107, np.zeros(len(R1107), dtype=np.int64), conditions)
    assert (found.structure, found.mfe) == (structure, mfe)
    assert found.mfe_probability == pytest.approx(compound.pr_structure(structure), abs=1e-3)


def test_stacking_of_r1107(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sum against ViennaRNA's own probabilities of stacks and energies of them."""
    RNA = pytest.importorskip("RNA")
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path))
    compound = RNA.fold_compound(R1107)
    compound.pf()
    exact = sum(stack.p * compound.E_stack(stack.i, stack.j) for stack in compound.stack_prob(1e-6)) / 100
    found = predict_local_energies(R1107, np.zeros(len(R1107), dtype=np.int64)).stacking.sum()
    assert found == pytest.approx(exact, rel=2e-3)
