"""Scenes: what is packed comes out again, and the viewer's program is let run by its hash alone."""

import base64
import gzip
import hashlib
import json
import struct
from typing import Any

import numpy as np
import pytest

from monosome.evaluate.page import Chapter, Report, write_report
from monosome.evaluate.scene import MATRIX_SIZE, UNIT_ANGSTROM, Matrix, Model, Scene, Stage, library


def _read(packed: str) -> tuple[dict[str, Any], bytes]:
    data = gzip.decompress(base64.b64decode(packed))
    (size,) = struct.unpack("<I", data[:4])
    return json.loads(data[4 : 4 + size]), data[4 + size :]


def _array(kept: dict[str, Any], data: bytes) -> Any:
    kind = np.dtype(kept["type"])
    planes = np.frombuffer(data, np.uint8, kept["num"] * kind.itemsize, kept["at"])
    return np.ascontiguousarray(planes.reshape(kind.itemsize, -1).T).view(kind).reshape(-1)


def _scene(length: int, matrix: Matrix | None = None) -> Scene:
    atoms = np.random.default_rng(length).normal(size=(length, 4, 3)).cumsum(axis=0) * 4
    atoms[::3, 2] = np.nan
    model = Model("model 1", "a note", atoms, np.linspace(0, 100, length), [(0, length - 1)])
    return Scene("x", "A" * length, [0] * length, ["P", "C1'", "N9", "C2"], [model], matrix=matrix)


def test_coordinates_come_out_as_they_went_in() -> None:
    scene = _scene(50)
    header, data = _read(scene.packed)
    assert header["unit"] == UNIT_ANGSTROM
    model = header["models"][0]
    assert (model["name"], model["note"], model["pairs"]) == ("model 1", "a note", [[0, 49]])
    known = np.unpackbits(_array(model["known"], data))[:200].astype(bool).reshape(50, 4)
    true = scene.models[0].atoms
    assert np.array_equal(known, np.isfinite(true).all(-1))
    points = _array(model["steps"], data).reshape(-1, 3).astype(np.int64).cumsum(axis=0) * UNIT_ANGSTROM
    middle = np.nanmean(true.reshape(-1, 3), axis=0)
    assert np.abs(points - (true[known] - middle)).max() <= UNIT_ANGSTROM / 2 + 1e-9
    assert _array(model["confidence"], data).tolist() == np.round(np.linspace(0, 100, 50)).tolist()


@pytest.mark.parametrize("size", [7, MATRIX_SIZE + 13])
def test_a_matrix_is_shown_in_steps_and_averaged_where_it_is_large(size: int) -> None:
    values = np.abs(np.arange(size)[:, None] - np.arange(size)[None]).astype(np.float64)
    header, data = _read(_scene(size, Matrix("distance", "Å", values)).packed)
    shown = header["matrix"]
    assert shown["size"] == min(size, MATRIX_SIZE)
    found = _array(shown["values"], data).reshape(shown["size"], -1) * shown["top"] / 255
    places = np.linspace(0, size, shown["size"], endpoint=False).astype(int)
    assert np.abs(found - values[np.ix_(places, places)]).max() <= shown["top"] / 255 + 2 * (size > MATRIX_SIZE)


def test_the_policy_lets_two_scripts_run_and_nothing_be_asked_for(tmp_path: Any) -> None:
    report = Report("a", "b", "c", [Chapter("d", "e", [Stage([_scene(9), _scene(12)])])])
    page = write_report(report, tmp_path).read_text(encoding="utf-8")
    viewer = library()
    assert viewer is not None
    program = gzip.decompress(base64.b64decode(viewer.program))
    assert viewer.hash == f"sha256-{base64.b64encode(hashlib.sha256(program).digest()).decode()}"
    policy = page.partition('Content-Security-Policy" content="')[2].partition('">')[0]
    assert policy.startswith("default-src 'none'; ")
    assert f"'{viewer.hash}'" in policy
    assert policy.count("sha256-") == 2
    assert "connect-src" not in policy
    assert "unsafe-eval" not in policy
    assert page.count(viewer.program) == 1, "one viewer for all scenes"


def test_a_page_without_structures_has_no_script(tmp_path: Any) -> None:
    page = write_report(Report("a", "b", "c", [Chapter("d", "e")]), tmp_path).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "script-src" not in page
