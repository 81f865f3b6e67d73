"""Items shared by processes that are killed, wait, or come late: each is done once."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from monosome.sweep.claims import claim, share

# Works off items for a while each, logging starts and ends; hangs in the item it is told to.
WORKER = """
import sys, time
from pathlib import Path
from monosome.sweep.claims import share

folder, hang = Path(sys.argv[1]), sys.argv[2]

def write(line):
    with (folder / "log.txt").open("a") as stream:
        stream.write(line + "\\n")

def work(item):
    write(f"starts {item}")
    time.sleep(600 if item == hang else 0.05)
    (folder / item).touch()
    write(f"ends {item}")

share([f"item{number}" for number in range(8)], folder / "claims", lambda item: (folder / item).exists(), work)
"""


def worker(folder: Path, hang: str = "") -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WORKER, folder, hang])


def log(folder: Path) -> Counter[str]:
    file = folder / "log.txt"
    return Counter(file.read_text().splitlines() if file.exists() else [])


def test_each_item_is_done_once(tmp_path: Path):
    workers = [worker(tmp_path) for _ in range(3)]
    assert [each.wait(60) for each in workers] == [0, 0, 0]
    assert set(log(tmp_path).values()) == {1}
    assert len(log(tmp_path)) == 16


def test_what_a_dead_process_had_begun_is_taken_up(tmp_path: Path):
    dead = worker(tmp_path, hang="item2")
    while not log(tmp_path)["starts item2"]:
        time.sleep(0.02)
    waiting = worker(tmp_path)
    while sum(line.startswith("ends") for line in log(tmp_path)) < 7:
        time.sleep(0.02)
    assert waiting.poll() is None, "it waits for the last item, which is another's"
    dead.kill()
    dead.wait()
    assert waiting.wait(60) == 0
    assert log(tmp_path)["starts item2"] == 2
    assert {line: n for line, n in log(tmp_path).items() if line.startswith("ends")} == {
        f"ends item{number}": 1 for number in range(8)
    }


def test_a_claim_is_one_process_at_a_time_and_says_whose(tmp_path: Path):
    file = tmp_path / "claims" / "a"
    with claim(file, wait=False) as mine:
        assert mine
        assert file.read_text().startswith("process ")
        with claim(file, wait=False) as also_mine:
            assert not also_mine
        assert file.read_text().startswith("process ")
    with claim(file, wait=True) as mine:
        assert mine


def test_what_is_done_is_not_done_again(tmp_path: Path):
    done = {"a"}
    share(["a", "b"], tmp_path, done.__contains__, done.add)
    assert done == {"a", "b"}
