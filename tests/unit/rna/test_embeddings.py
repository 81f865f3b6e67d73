from pathlib import Path

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna.embeddings import MAX_CHANNELS, read_embedding

SEQUENCE = "GGCAAGCC"
LENGTH = len(SEQUENCE)


def values(rows: int = LENGTH, channels: int = 640, kind: type = np.float32) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, channels)).astype(kind)


def test_an_npz_and_an_npy_give_the_same(tmp_path: Path):
    np.savez(tmp_path / "a.npz", embedding=values())
    np.save(tmp_path / "a.npy", values())
    for name in ("a.npz", "a.npy"):
        found = read_embedding(tmp_path / name, SEQUENCE)
        assert found.values.dtype == np.float32
        np.testing.assert_array_equal(found.values, values())
        assert found.notes == ("640 channels, as of RNA-FM",)


@pytest.mark.parametrize(("channels", "model"), [(640, "RNA-FM"), (1280, "RiNALMo"), (256, "RibonanzaNet")])
def test_tokens_around_the_sequence_are_left_out(tmp_path: Path, channels: int, model: str):
    stored = values(LENGTH + 2, channels, np.float16)
    np.savez(tmp_path / "a.npz", stored[None], np.arange(3))
    found = read_embedding(tmp_path / "a.npz", SEQUENCE)
    np.testing.assert_array_equal(found.values, stored[1:-1].astype(np.float32))
    assert "tokens around the sequence" in found.notes[0]
    assert found.notes[1] == f"{channels} channels, as of {model}"


def test_fortran_order_is_kept_apart(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.asfortranarray(values(channels=12)))
    found = read_embedding(tmp_path / "a.npy", SEQUENCE)
    np.testing.assert_array_equal(found.values, values(channels=12))
    assert found.notes == ("12 channels",)


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({"a": values(LENGTH + 1)}, "no array of 8 residues × channels, but a (9, 640) float32"),
        ({"a": values(640, LENGTH)}, "no array"),
        ({"a": values()[0]}, "no array"),
        ({"a": values()[None].repeat(2, axis=0)}, "no array"),
        ({"a": values(LENGTH, 0)}, "no array"),
        ({"a": values(LENGTH, MAX_CHANNELS + 1)}, "no array"),
        ({"a": values(), "b": values()}, "several arrays"),
        ({"a": np.array([[None] * 640] * LENGTH)}, "no array"),
        ({}, "but nothing"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], fault: str):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError) as raised:
        read_embedding(tmp_path / "a.npz", SEQUENCE)
    assert fault in raised.value.message


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, value: float):
    stored = values(kind=np.float64)
    stored[3, 5] = value
    np.save(tmp_path / "a.npy", stored)
    with pytest.raises(DataError, match="the vector of residue 4 is not finite"):
        read_embedding(tmp_path / "a.npy", SEQUENCE)


def test_what_is_no_array_is_refused(tmp_path: Path):
    (tmp_path / "a.npy").write_text("1,2,3")
    for name in ("a.npy", "absent.npz"):
        with pytest.raises(DataError, match=name):
            read_embedding(tmp_path / name, SEQUENCE)
