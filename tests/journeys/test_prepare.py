"""`monosome prepare rna` killed in the middle, with its workers at work, and run again."""

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from monosome.sequences.fasta import Record, write_fasta
from tests.journeys.command import monosome, start

NUM_CHAINS = 60


def _chains_noted(ledger: Path) -> list[str]:
    """Names of the chains that the ledger says are done; a line that is still being written does not count."""
    if not ledger.is_file():
        return []
    text = ledger.read_text()
    lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return [line["chain"]["id"] for line in lines if "chain" in line]


@pytest.mark.slow
def test_killed_and_run_again_nothing_is_half_written_and_nothing_done_twice(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    chains = [Record(f"rna{n}", "", "".join(draw.choice(list("ACGU"), size=160))) for n in range(NUM_CHAINS)]
    write_fasta(chains, tmp_path / "many.fasta")
    monosome("prepare", "rna", "many.fasta", "whole", "--jobs", "1", cwd=tmp_path)

    (tmp_path / "cache").rename(tmp_path / "cache_before")
    ledger = tmp_path / "killed" / "progress.jsonl"
    process = start("prepare", "rna", "many.fasta", "killed", "--jobs", "2", cwd=tmp_path)
    deadline = time.monotonic() + 120
    while len(_chains_noted(ledger)) < 10:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "killed" / "manifest.csv").exists()
    done = _chains_noted(ledger)
    assert 10 <= len(done) < NUM_CHAINS
    times = {name: (tmp_path / "killed" / "chains" / f"{name}.npz").stat().st_mtime_ns for name in done}

    resumed = json.loads(monosome("prepare", "rna", "many.fasta", "killed", "--json", cwd=tmp_path).stdout)
    assert resumed["kept_from_before"] == len(done)
    assert set(Counter(_chains_noted(ledger)).values()) == {1}, "each chain was done once"
    for name, before in times.items():
        assert (tmp_path / "killed" / "chains" / f"{name}.npz").stat().st_mtime_ns == before
    whole, killed = ((tmp_path / name / "manifest.csv").read_bytes() for name in ("whole", "killed"))
    assert killed == whole
    files = {path.name: path.read_bytes() for path in (tmp_path / "whole" / "chains").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "killed" / "chains").iterdir()} == files
