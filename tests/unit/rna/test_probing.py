"""Reactivities from files: RDAT and CSV, normalised and in register, and errors that name file and line."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosome.errors import DataError
from monosome.rna.pairing import predict_pairing
from monosome.rna.probing import normalised, read_reactivities

SEQUENCE = "GGGCGAAAGCCC"
VALUES = [0.1, 0.0, 0.1, 0.2, 0.9, 1.6, 1.7, 1.5, 0.3, 0.1, 0.0, -0.1]
CONSTRUCT = "GGAAA" + SEQUENCE.replace("U", "T") + "AAAGAAAC"
RDAT = """RDAT_VERSION\t0.34
NAME\ta hairpin
SEQUENCE\t{construct}
OFFSET\t-5
SEQPOS\t{places}
ANNOTATION\tchemical:MgCl2:10mM\tmodifier:1M7

ANNOTATION_DATA:1\tmodifier:Nomod
ANNOTATION_DATA:2\tmutation:G2C
ANNOTATION_DATA:3\tmutation:WT\tsignal_to_noise:strong:12.1
ANNOTATION_DATA:4\tmodifier:DMS

REACTIVITY:1\t{zeros}
REACTIVITY:2\t{zeros}
REACTIVITY:3\t{values}
REACTIVITY:4\t{values}
REACTIVITY_ERROR:3\t{zeros}
"""


def _rdat(places: list[str], values: list[float], text: str = RDAT) -> str:
    zeros = " ".join("0.0" for _ in values)
    shown = " ".join(str(value) for value in values)
    return text.format(construct=CONSTRUCT, places=" ".join(places), values=shown, zeros=zeros)


def _written(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


NAMED = _rdat([f"{base}{k}" for k, base in enumerate(SEQUENCE, start=1)], VALUES)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("named.rdat", NAMED),
        ("packed.RDAT.gz", NAMED),
        ("backwards.rdat", _rdat([str(k) for k in range(12, 0, -1)], VALUES[::-1])),
        ("flanks.rdat", _rdat([str(k) for k in range(-1, 16)], [9.0, 9.0, *VALUES, 9.0, 9.0, 9.0])),
        ("old.rdat", NAMED.replace("REACTIVITY:", "AREA_PEAK    ").replace("_DATA:", "_DATA   ").replace("\t", "  ")),
        ("own.rdat", NAMED.replace(CONSTRUCT, "X" * 25).replace("WT\t", f"WT\tsequence:{CONSTRUCT}\t")),
        ("table.csv", "position,reactivity\n" + "".join(f"{k},{v}\n" for k, v in enumerate(VALUES, start=1))),
        (
            "bases.csv.gz",
            "base,position,reactivity\n" + "".join(f"{SEQUENCE[k]},{k + 1},{VALUES[k]}\n" for k in range(12)),
        ),
    ],
)
def test_formats_agree(name: str, text: str, tmp_path: Path) -> None:
    found = read_reactivities(_written(tmp_path / name, text), SEQUENCE)
    assert found == pytest.approx(normalised(np.array(VALUES)))


def test_what_is_not_measured_is_nan(tmp_path: Path) -> None:
    text = "position,reactivity\n1,-999\n2,\n3,nan\n4,0.5\n"
    found = read_reactivities(_written(tmp_path / "x.csv", text), SEQUENCE)
    assert np.isnan(found).tolist() == [k != 3 for k in range(12)]
    assert found[3] == 1


def test_a_construct_may_lie_in_the_sequence(tmp_path: Path) -> None:
    found = read_reactivities(_written(tmp_path / "x.rdat", NAMED), "CC" + CONSTRUCT + "A")
    assert found[7:19] == pytest.approx(normalised(np.array(VALUES)))
    assert np.isnan(found).sum() == len(CONSTRUCT) + 3 - 12


def test_dms_tells_of_a_and_c_only(tmp_path: Path) -> None:
    found = read_reactivities(_written(tmp_path / "x.rdat", NAMED), SEQUENCE, "DMS")
    assert np.isfinite(found).tolist() == [letter in "AC" for letter in SEQUENCE]
    plain = _written(tmp_path / "x.csv", "position,reactivity\n1,3\n4,2\n")
    assert np.isnan(read_reactivities(plain, SEQUENCE, "dms")[0])


def test_reactivities_are_taken_by_the_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))
    found = read_reactivities(_written(tmp_path / "x.rdat", NAMED), SEQUENCE)
    segments = np.zeros(12, dtype=np.int64)
    assert predict_pairing(SEQUENCE, segments, reactivities=found).mfe < predict_pairing(SEQUENCE, segments).mfe - 3


@given(st.lists(st.floats(0, 50, width=32), min_size=1, max_size=300), st.floats(0.01, 100))
def test_the_scale_of_the_file_does_not_matter(values: list[float], factor: float) -> None:
    values = [value if value > 1e-3 else 0.0 for value in values]
    one = normalised(np.array(values))
    assert normalised(np.array(values) * factor) == pytest.approx(one, rel=1e-4, abs=1e-6)
    assert (np.argsort(one, kind="stable") == np.argsort(np.array(values, dtype=np.float32), kind="stable")).all()


def test_two_to_eight_percent() -> None:
    """Of 1 … 100 the two highest are passed over, the next eight have a mean of 94.5."""
    values = np.append(np.arange(1.0, 101.0), np.nan)
    found = normalised(values)
    assert found[:100] == pytest.approx(values[:100] / 94.5)
    assert np.isnan(found[100])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("x.rdat", "RDAT_VERSION 0.34\n", "has no rows"),
        ("x.rdat", NAMED.replace(CONSTRUCT, CONSTRUCT[::-1]), "no row of .* is of this sequence"),
        ("x.rdat", NAMED.replace("modifier:1M7", "modifier:none").replace("modifier:DMS", ""), "other than none"),
        ("x.rdat", NAMED.replace(" 1.6 ", " "), "line 15: 11 values for the 12 places"),
        ("x.rdat", NAMED.replace(" 1.6 ", " high "), "line 15: could not convert"),
        ("x.rdat", NAMED.replace("OFFSET\t-5", "OFFSET\tfive"), "above line 13: invalid literal"),
        ("x.csv", "place,reactivity\n1,2\n", "has no column 'position'"),
        ("x.csv", "position,reactivity\n1,high\n", "line 2: could not convert"),
        ("x.csv", "position,reactivity\n1,2\nA,2\n", "line 3: invalid literal"),
        ("x.csv", "position,reactivity\n13,2\n", "line 2: the sequence has 12 residues, not 13"),
        ("x.csv", "position,reactivity,base\n1,2,A\n", "line 2: residue 1 is A, but G"),
        ("x.csv", "position,reactivity\n", "has no reactivity of this sequence"),
        ("x.csv", "position,reactivity\n1\n", "has no reactivity of this sequence"),
    ],
)
def test_errors_name_file_and_line(name: str, text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read_reactivities(_written(tmp_path / name, text), SEQUENCE)
    assert str(tmp_path / name) in caught.value.message


def test_a_modifier_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row with modifier CMCT") as caught:
        read_reactivities(_written(tmp_path / "x.rdat", NAMED), SEQUENCE, "CMCT")
    assert caught.value.hint == "it has 1M7, DMS, Nomod"
