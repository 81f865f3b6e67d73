import io
import os
import zipfile
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monosome.errors import DataError
from monosome.rna.alignment import Alignment
from monosome.rna.evolution import evolution
from monosome.rna.npz_features import NpzFeatures, find_entries, gathered, read_all, read_npz, write_npz
from monosome.rna.pairing import Pairing

SEQUENCE, STRUCTURE = "GGCAAGCC", "((....))"
LENGTH = len(SEQUENCE)


def probabilities() -> np.ndarray:
    matrix = np.zeros((LENGTH, LENGTH), dtype=np.float32)
    for i, j, chance in ((0, 7, 0.9), (1, 6, 0.8), (0, 6, 0.05)):
        matrix[i, j] = matrix[j, i] = chance
    return matrix


def coupling() -> np.ndarray:
    matrix = np.random.default_rng(0).normal(size=(LENGTH, LENGTH)).astype(np.float32)
    return matrix + matrix.T


FULL = NpzFeatures(
    SEQUENCE,
    structure=STRUCTURE,
    mfe=-2.5,
    ensemble_energy=-2.9,
    mfe_probability=0.5,
    positional_entropy=np.linspace(0, 2, LENGTH, dtype=np.float32),
    accessibility=np.linspace(0, 1, LENGTH, dtype=np.float32),
    pairing_probs=probabilities(),
    coupling_matrix=coupling(),
    conservation=np.linspace(0, 2, LENGTH, dtype=np.float32),
    features=np.array([[np.nan] * 4, *[[0.6, -0.8, 1, 0]] * (LENGTH - 2), [np.nan] * 4], dtype=np.float32),
)


def save(folder: Path, **entries: object) -> Path:
    path = folder / "a_thermo_features.npz"
    np.savez(path, **entries)
    return path


def assert_same(one: NpzFeatures, other: NpzFeatures, without: tuple[str, ...] = ("notes",)) -> None:
    for field in fields(NpzFeatures):
        if field.name not in without:
            np.testing.assert_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)


def test_what_is_written_is_read_again(tmp_path: Path):
    written = write_npz(tmp_path, "R1", FULL)
    assert [path.name for path in written] == [f"R1_{end}_features.npz" for end in ("thermo", "mi", "dihedral")]
    found = read_all(tmp_path, "R1", SEQUENCE, allow_answer=True)
    assert found.notes == ()
    assert_same(found, FULL)


def test_the_layout_is_that_of_the_legacy_files(tmp_path: Path):
    write_npz(tmp_path, "R1", FULL)
    with np.load(tmp_path / "R1_thermo_features.npz", allow_pickle=False) as thermo:
        assert set(thermo.files) == {
            *("structure", "mfe", "ensemble_energy", "mfe_probability", "gc_content", "positional_entropy"),
            *("accessibility", "pairing_probs", "base_pair_probs"),
        }
        assert (str(thermo["structure"]), float(thermo["gc_content"])) == (STRUCTURE, 0.75)
        np.testing.assert_array_equal(thermo["pairing_probs"], thermo["base_pair_probs"])
    with np.load(tmp_path / "R1_mi_features.npz", allow_pickle=False) as mutual:
        assert set(mutual.files) == {"coupling_matrix", "scores", "conservation"}
    with np.load(tmp_path / "R1_dihedral_features.npz", allow_pickle=False) as dihedral:
        assert dihedral["features"].shape == (LENGTH, 4)


def test_equal_features_make_equal_files_and_absent_ones_none(tmp_path: Path):
    (first,) = write_npz(tmp_path / "a", "x", NpzFeatures(SEQUENCE, conservation=FULL.conservation))
    (again,) = write_npz(tmp_path / "b", "x", NpzFeatures(SEQUENCE, conservation=FULL.conservation))
    assert first.read_bytes() == again.read_bytes()
    assert write_npz(tmp_path, "x", NpzFeatures(SEQUENCE)) == []


def test_own_features_are_gathered_and_survive_the_files(tmp_path: Path):
    pairing = Pairing(STRUCTURE, -2.5, float("nan"), probabilities())
    rows = np.random.default_rng(1).integers(5, size=(30, LENGTH)).astype(np.uint8)
    related = evolution(Alignment(SEQUENCE, rows))
    features = gathered(SEQUENCE, pairing, related)
    assert features.ensemble_energy is None  # folded in windows
    write_npz(tmp_path, "x", features)
    found = read_all(tmp_path, "x", SEQUENCE)
    assert_same(found, features)
    np.testing.assert_array_equal(found.coupling_matrix, related.coupling)


@pytest.mark.parametrize("name", ["pairing_probs", "base_pair_probs"])
def test_either_name_of_the_probabilities_will_do(tmp_path: Path, name: str):
    found = read_npz(save(tmp_path, **{name: probabilities()}), SEQUENCE)
    np.testing.assert_array_equal(found.pairing_probs, probabilities())


@pytest.mark.parametrize("end", ["mi_features", "features"])
@pytest.mark.parametrize("name", ["coupling_matrix", "scores"])
def test_either_name_of_the_couplings_and_of_their_file_will_do(tmp_path: Path, name: str, end: str):
    np.savez(tmp_path / f"x_{end}.npz", **{name: coupling()})
    np.testing.assert_array_equal(read_all(tmp_path, "x", SEQUENCE).coupling_matrix, coupling())


def test_two_names_that_disagree_are_said(tmp_path: Path):
    found = read_npz(save(tmp_path, coupling_matrix=coupling(), scores=-coupling()), SEQUENCE)
    np.testing.assert_array_equal(found.coupling_matrix, coupling())
    assert "'scores' differs from the same under its other name" in found.notes[0]


class Bomb:
    """Unpickling it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_pickles_are_passed_over_and_never_run(tmp_path: Path):
    mark = tmp_path / "mark"
    path = save(tmp_path, mfe=-1.0, structure=np.array(Bomb(mark), dtype=object))
    found = read_npz(path, SEQUENCE)
    assert (found.mfe, found.structure) == (-1.0, None)
    assert "'structure' is a pickle" in found.notes[0]
    raw = tmp_path / "raw_thermo_features.npz"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(raw, "w") as target:
        target.writestr("mfe.npy", source.read("structure.npy"))
        target.writestr("structure", source.read("structure.npy"))
    with pytest.raises(DataError, match="'mfe' is a pickle"):
        read_npz(raw, SEQUENCE)
    for entry in find_entries(path):
        if entry.is_pickle:
            with pytest.raises(DataError):
                entry.read()
    assert not mark.exists()


def test_dihedrals_are_the_answer(tmp_path: Path):
    path = save(tmp_path, features=FULL.features)
    with pytest.raises(DataError, match="computed from the coordinates, the answer") as raised:
        read_npz(path, SEQUENCE)
    assert "allow_answer" in raised.value.hint
    np.testing.assert_array_equal(read_npz(path, SEQUENCE, allow_answer=True).features, FULL.features)
    write_npz(tmp_path, "R1", FULL)
    found = read_all(tmp_path, "R1", SEQUENCE)
    assert found.features is None
    assert "the answer" in found.notes[0]


def test_probabilities_past_one_are_said_and_brought_down(tmp_path: Path):
    matrix = probabilities() + np.float32(0.1)
    found = read_npz(save(tmp_path, pairing_probs=matrix), SEQUENCE)
    assert "pairing_probs sum past 1 at 4 residues, to 1.65" in found.notes[0]
    assert found.pairing_probs.sum(axis=1).max() <= 1 + 1e-6
    assert not np.diag(found.pairing_probs).any()


def test_a_triangle_is_mirrored_and_two_ways_are_meant(tmp_path: Path):
    found = read_npz(save(tmp_path, pairing_probs=np.triu(probabilities())), SEQUENCE)
    np.testing.assert_array_equal(found.pairing_probs, probabilities())
    assert "pairing_probs is a triangle: mirrored" in found.notes
    skewed = coupling()
    skewed[0, 1] += 1
    found = read_npz(save(tmp_path, scores=skewed), SEQUENCE)
    np.testing.assert_allclose(found.coupling_matrix, (skewed + skewed.T) / 2)
    assert "not symmetric" in found.notes[0]


def test_an_ensemble_above_its_best_structure_cannot_be(tmp_path: Path):
    found = read_npz(save(tmp_path, mfe=-2.5, ensemble_energy=-2.0, mfe_probability=0.9), SEQUENCE)
    assert (found.mfe, found.ensemble_energy, found.mfe_probability) == (-2.5, None, None)
    assert "ensemble_energy -2.00 is above the least energy of a structure, -2.50" in found.notes[0]


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ({"mfe_probability": 1.7}, "'mfe_probability' has 1 values that are not finite, or not within 0 to 1"),
        ({"mfe": np.nan}, "'mfe' has 1 values"),
        ({"accessibility": np.full(LENGTH, np.inf)}, "'accessibility' has 8 values"),
        ({"pairing_probs": probabilities() - 0.5}, "'pairing_probs' has"),
        ({"positional_entropy": np.array(["a"] * LENGTH)}, "'positional_entropy' holds <U1, not numbers"),
        ({"positional_entropy": np.ones(LENGTH) * 1j}, "not numbers"),
        ({"structure": "(((....)"}, "'structure' is no structure"),
        ({"structure": 7}, "'structure' is no text"),
        ({"secret": 1}, "'secret' is not known"),
        ({"gc_content": 0.2}, "gc_content is 0.2, but 0.75 of this sequence"),
    ],
)
def test_an_entry_that_cannot_be_used_is_said_and_the_rest_is_kept(tmp_path: Path, entries: dict, fault: str):
    conservation = np.ones(LENGTH, dtype=np.float32)
    found = read_npz(save(tmp_path, **entries, conservation=conservation), SEQUENCE)
    assert fault in found.notes[0]
    assert_same(found, NpzFeatures(SEQUENCE, conservation=conservation))


def test_a_percentage_and_arrays_of_one_are_understood(tmp_path: Path):
    found = read_npz(save(tmp_path, gc_content=75.0, mfe=np.array([-1.5]), structure=STRUCTURE.encode()), SEQUENCE)
    assert (found.mfe, found.structure, found.notes) == (-1.5, STRUCTURE, ())


@pytest.mark.parametrize(
    "entries",
    [
        {"conservation": np.ones(LENGTH + 1)},
        {"pairing_probs": np.zeros((LENGTH, LENGTH + 1))},
        {"scores": np.zeros(LENGTH)},
        {"structure": STRUCTURE + "."},
        {"mfe": np.zeros(LENGTH)},
        {"conservation": np.ones((1, LENGTH))},
    ],
)
def test_a_file_of_another_length_is_refused(tmp_path: Path, entries: dict):
    with pytest.raises(DataError, match="for 8 residues") as raised:
        read_npz(save(tmp_path, **entries), SEQUENCE)
    assert "thermo_features.npz" in raised.value.message


def claims(shape: tuple[int, ...], kind: str = "<f8", content: bytes = b"") -> bytes:
    """An NPY file that says it is larger than it is."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
    return stream.getvalue() + content


@pytest.mark.parametrize(
    "content",
    [
        claims((10**15,)),
        claims((LENGTH,), content=b"12345678"),
        claims((LENGTH,), content=bytes(8 * LENGTH + 1)),
        claims((-LENGTH,)),
        claims((LENGTH,))[:20],
        b"",
        b"not an array",
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 100,
        b"\x93NUMPY\x03\x00\x10\x00\x00\x00" + b" " * 16,
        b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f8',",
        b"\x93NUMPY\x01\x00\xff\x26" + b"(" * 0x26FF,
        b"\x93NUMPY\x01\x00\x02\x00,4",
        b"\x93NUMPY\x01\x00\x11\x00{\n   'a': 1,\n  b}\n",
    ],
)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_entries_that_lie_are_refused_before_they_fill_the_memory(tmp_path: Path, content: bytes, compression: int):
    path = tmp_path / "x_mi_features.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("conservation.npy", content)
    with pytest.raises(DataError):
        read_npz(path, SEQUENCE)


def test_a_bomb_is_not_unpacked(tmp_path: Path):
    path = tmp_path / "x_mi_features.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("scores.npy", "w") as stream:
        stream.write(claims((1 << 13, 1 << 13)))
        for _ in range(64):
            stream.write(bytes(1 << 20))
    with pytest.raises(DataError, match=r"'scores' has shape \(8192, 8192\) for 8 residues"):
        read_npz(path, SEQUENCE)


def test_what_is_no_npz_is_refused(tmp_path: Path):
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "empty.npz").write_bytes(b"")
    np.savez(tmp_path / "bare.npz")
    for name in ("text", "empty", "bare", "absent"):
        with pytest.raises(DataError, match=f"{name}.npz"):
            read_npz(tmp_path / f"{name}.npz", SEQUENCE)
    with pytest.raises(DataError, match="cannot read"):
        read_npz(tmp_path, SEQUENCE)
    with pytest.raises(DataError, match="no feature files of x"):
        read_all(tmp_path, "x", SEQUENCE)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4), st.floats(0, 1))
def test_damage_is_read_around_or_refused(tmp_path: Path, changes: list[tuple[float, int]], kept: float):
    whole = tmp_path / "whole.npz"
    if not whole.exists():
        np.savez(whole, structure=STRUCTURE, mfe=-2.5, pairing_probs=probabilities())  # headers in the clear
    content = bytearray(whole.read_bytes())
    for place, value in changes:
        content[int(place * len(content))] = value
    path = tmp_path / "x_thermo_features.npz"
    path.write_bytes(content if changes else content[: int(kept * len(content))])
    with suppress(DataError):
        read_npz(path, SEQUENCE)
