"""The page of a run: written, and served to this machine alone while the journal grows."""

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monosome.commands import report
from monosome.commands.train import train
from monosome.errors import DataError


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    settings = ["train.steps=3", "execution.log_every=1", "data.num_synthetic=16", "execution.threads=1"]
    return train("rna/micro", settings, out=folder, progress=False).outcome.folder


def test_a_run_ends_with_a_page_of_every_term(trained: Path):
    found = json.loads((trained / "report" / "report.json").read_text())
    assert found["last"]["step"] == 3
    page = (trained / "report" / "report.html").read_text(encoding="utf-8")
    assert all(word in page for word in ("fape", "Learning rate", "Gradient norm", "Memory", "fingerprint"))
    assert re.search(r"Step 3 of 3 after \d+ min \d\d s, loss [\d.]+", page)


def test_a_folder_that_holds_no_run_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="is no training run"):
        report.run(tmp_path, out=None, serve=True, port=0, json=False)


@pytest.fixture
def port(trained: Path) -> Iterator[int]:
    words = [sys.executable, "-m", "monosome", "report", str(trained), "--serve"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        found = re.match(r"http://127\.0\.0\.1:(\d+) ", line)
        assert found, line
        yield int(found[1])
        server.terminate()


def _ask(port: int, verb: str, path: str, host: str = "") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(verb, path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_it_is_served_fresh_and_nothing_can_be_written(trained: Path, port: int):
    status, page = _ask(port, "GET", "/")
    assert status == 200
    assert 'http-equiv="refresh"' in page
    assert "Step 3 of 3" in page
    journal = trained / "metrics.jsonl"
    line = json.loads(next(line for line in journal.read_text().splitlines() if '"loss"' in line)) | {"step": 4}
    with journal.open("a") as file:
        file.write(json.dumps(line) + "\n")
    assert "Step 4 of 3" in _ask(port, "GET", "/report.html")[1]
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    assert _ask(port, "HEAD", "/") == (200, "")
    assert [_ask(port, verb, "/")[0] for verb in ("POST", "PUT", "DELETE")] == [501] * 3
    assert [_ask(port, "GET", path)[0] for path in ("/recipe.toml", "/../../etc/passwd", "/metrics.jsonl")] == [404] * 3
    assert _ask(port, "GET", "/", host=f"evil.example:{port}")[0] == 403
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before
