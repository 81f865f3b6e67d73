"""Clusters by MMseqs2 (Steinegger & Söding 2017), the field's own program, where it is installed."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from monosome.errors import DataError
from monosome.sequences.fasta import Record, write_fasta
from monosome.sequences.relatives import MIN_IDENTITY, RNA, Alphabet

COVERAGE = 0.8
"""Share of a cluster's smaller member that its representative must cover."""


def find() -> str | None:
    """Path of the program `mmseqs`, or None."""
    return shutil.which("mmseqs")


def cluster(
    sequences: Sequence[str], alphabet: Alphabet, program: str, min_identity: float = MIN_IDENTITY
) -> list[int]:
    """The cluster number of each sequence, in the order in which clusters appear.

    Representatives are taken longest first and gather what they cover (`--cluster-mode 2 --cov-mode 1`, MMseqs2's
    setting for fragments). Raises DataError with the program's last line when it fails or leaves a sequence out.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_fasta((Record(str(n), "", _letters(each, alphabet)) for n, each in enumerate(sequences)), place / "in.fa")
        options = {
            "--min-seq-id": f"{min_identity:g}",
            "-c": f"{COVERAGE:g}",
            "--cov-mode": "1",
            "--cluster-mode": "2",
            "--dbtype": "2" if alphabet is RNA else "1",
            "-v": "1",
        }
        words = [word for option in options.items() for word in option]
        done = subprocess.run(
            [program, "easy-cluster", "in.fa", "out", "work", *words],
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
        table = place / "out_cluster.tsv"
        if done.returncode or not table.is_file():
            last = (done.stderr or done.stdout).strip().rpartition("\n")[2]
            raise DataError(f"{program} failed: {last or f'exit code {done.returncode}'}", "take it off PATH to go on")
        pairs = [line.split("\t") for line in table.read_text().splitlines()]
    representative = {member: first for first, member in pairs}
    absent = [n for n in range(len(sequences)) if str(n) not in representative]
    if absent:
        raise DataError(f"{program} left out {len(absent)} of {len(sequences)} sequences", "take it off PATH to go on")
    numbers: dict[str, int] = {}
    return [numbers.setdefault(representative[str(n)], len(numbers)) for n in range(len(sequences))]


def _letters(sequence: str, alphabet: Alphabet) -> str:
    return sequence.upper().replace("U", "T") if alphabet is RNA else sequence.upper()
