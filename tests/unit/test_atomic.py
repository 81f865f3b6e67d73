"""Files appear whole or not at all, on a full disk too."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from monosome.atomic import replacing, write_text


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _fail_half_way(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text("half of the n")
        raise ZeroDivisionError


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.txt", "old")
    with pytest.raises(ZeroDivisionError):
        _fail_half_way(path)
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["a.txt"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    for content in ("first", "second"):
        with replacing(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / content).write_text(content)
    assert _names(tmp_path) == ["folder"]
    assert _names(tmp_path / "folder") == ["second"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A real file system of 64 kB, filled."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this system does not let root mount a tmpfs")
    try:
        write_text(tmp_path / "a.txt", "old")
        with pytest.raises(OSError) as error:
            write_text(tmp_path / "a.txt", "x" * 200_000)
        assert error.value.errno == errno.ENOSPC
        assert (tmp_path / "a.txt").read_text() == "old"
        assert _names(tmp_path) == ["a.txt"]
    finally:
        subprocess.run(["umount", tmp_path], check=True)
