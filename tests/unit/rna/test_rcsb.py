"""Downloads, from a server on this machine: nothing here leaves it."""

import gzip
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from monosome.errors import DataError
from monosome.rna.files import write_structure
from monosome.rna.geometry import hairpin
from monosome.rna.preparation import Request, prepare
from monosome.rna.rcsb import download, read_names


class Quiet(http.server.SimpleHTTPRequestHandler):
    requested: ClassVar[list[str]] = []

    def log_message(self, format: str, *args: object) -> None:
        self.requested.append(self.path)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[str]:
    """An archive with one entry, 1ABC, whose chain is A."""
    folder = tmp_path / "archive"
    folder.mkdir()
    write_structure(hairpin("GGCACGAAAGUGCC", 5), folder / "1ABC.cif")
    content = (folder / "1ABC.cif").read_bytes()
    (folder / "1ABC.cif.gz").write_bytes(gzip.compress(content, mtime=0))
    Quiet.requested.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def listed(folder: Path, text: str) -> Path:
    (folder / "ids.txt").write_text(text)
    return folder / "ids.txt"


def test_names_are_entries_or_chains(tmp_path: Path):
    text = "# tRNAs\n1EHZ\n\n4tna_A  # yeast\n4TNA_B\n1ehz_A\npdb_00001evv\n"
    assert read_names(listed(tmp_path, text)) == {"1ehz": (), "4tna": ("A", "B"), "pdb_00001evv": ()}


@pytest.mark.parametrize(("text", "says"), [("1EHZ\ntRNA\n", "line 2: 'tRNA'"), ("# none\n", "names no PDB entry")])
def test_what_is_no_list_is_named(tmp_path: Path, text: str, says: str):
    with pytest.raises(DataError, match=says):
        read_names(listed(tmp_path, text))


def test_entries_are_downloaded_once_and_chains_chosen(archive: str, tmp_path: Path):
    request = Request(listed(tmp_path, "1abc_A\n1abc_Z\n9xyz\n"), tmp_path / "out", archive=archive)
    made = prepare(request, lambda done, total: None)
    assert [row["id"] for row in made.rows] == ["1abc_A"]
    assert made.rows[0]["source"] == "1abc.cif.gz"
    assert "9xyz" in made.notes[0]
    assert "404" in made.notes[0]
    assert made.notes[1] == "1abc.cif.gz: there is no RNA chain Z"
    first = [path for path in Quiet.requested if "1ABC" in path]
    prepare(request, lambda done, total: None)
    assert [path for path in Quiet.requested if "1ABC" in path] == first


def test_no_network_is_one_clear_error_and_leaves_nothing(tmp_path: Path):
    closed = "http://127.0.0.1:9"  # the port that discards; nothing listens
    request = Request(listed(tmp_path, "1abc\n"), tmp_path / "out", archive=closed)
    with pytest.raises(DataError, match="cannot download 1abc") as caught:
        prepare(request, lambda done, total: None)
    assert "it goes on" in caught.value.hint
    assert not list(tmp_path.rglob("*.gz"))


def test_a_download_that_breaks_off_leaves_nothing(archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Quiet, "copyfile", lambda self, source, outputfile: outputfile.write(source.read(100)))
    with pytest.raises(ConnectionError):
        download("1abc", tmp_path, archive)
    assert not list(tmp_path.glob("*.gz*"))
