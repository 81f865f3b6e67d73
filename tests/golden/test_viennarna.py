"""Thermodynamics of CASP15's R1107 against ViennaRNA 2.8.0's own figures, tolerance 1e-3."""

from pathlib import Path

import numpy as np
import pytest

from monosome.rna.pairing import predict_pairing

R1107 = "GGGGGCCACAGCAGAAGCGUUCACGUCGCAGCCCCUGUCAGCCAUUGCACUCCGGCUGCGAAUUCUGCU"


def test_r1107(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path))
    pairing = predict_pairing(R1107, np.zeros(len(R1107), dtype=np.int64))
    assert pairing.mfe == pytest.approx(-21.6, abs=1e-3)
    assert pairing.ensemble_energy == pytest.approx(-23.699, abs=1e-3)
    assert pairing.mfe_probability == pytest.approx(0.03317, abs=1e-3)
    assert pairing.positional_entropy[:3] == pytest.approx([1.19119, 1.25812, 0.27966], abs=1e-3)
