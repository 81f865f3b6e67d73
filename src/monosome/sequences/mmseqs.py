"""Clusters and relatives by MMseqs2 (Steinegger & Söding 2017), the field's own program, where it is installed."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from monosome.errors import DataError
from monosome.sequences.fasta import Record, write_fasta
from monosome.sequences.relatives import MAX_CHANCE, MIN_IDENTITY, RNA, Alphabet

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
    options = {
        "--min-seq-id": f"{min_identity:g}",
        "-c": f"{COVERAGE:g}",
        "--cov-mode": "1",
        "--cluster-mode": "2",
        "--dbtype": "2" if alphabet is RNA else "1",
    }
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _write(sequences, alphabet, place / "in.fa")
        _run([program, "easy-cluster", "in.fa", "out", "work"], options, place)
        pairs = [line.split("\t") for line in (place / "out_cluster.tsv").read_text().splitlines()]
    representative = {member: first for first, member in pairs}
    absent = [n for n in range(len(sequences)) if str(n) not in representative]
    if absent:
        raise DataError(f"{program} left out {len(absent)} of {len(sequences)} sequences", "take it off PATH to go on")
    numbers: dict[str, int] = {}
    return [numbers.setdefault(representative[str(n)], len(numbers)) for n in range(len(sequences))]


def search(
    sequences: Sequence[str], references: Sequence[str], alphabet: Alphabet, program: str
) -> tuple[Int64[np.ndarray, "p"], Int64[np.ndarray, "p"], Float64[np.ndarray, "p"]]:
    """Pairs of a sequence and a reference that are relatives, by index, and their identity over the shorter one.

    Raises DataError with the program's last line when it fails.
    """
    options = {
        "--format-output": "query,target,nident,qlen,tlen",
        "-e": f"{MAX_CHANCE:g}",
        "-a": "1",  # without the alignment it counts no equal letters
        "--search-type": "3" if alphabet is RNA else "1",
    }
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _write(sequences, alphabet, place / "query.fa")
        _write(references, alphabet, place / "target.fa")
        _run([program, "easy-search", "query.fa", "target.fa", "out.tsv", "work"], options, place)
        found = np.array(
            [[int(cell) for cell in line.split("\t")] for line in (place / "out.tsv").read_text().splitlines()],
            dtype=np.int64,
        ).reshape(-1, 5)
    query, target, equal, query_length, target_length = found.T
    return query, target, equal / np.minimum(query_length, target_length)


def _write(sequences: Sequence[str], alphabet: Alphabet, path: Path) -> None:
    write_fasta((Record(str(n), "", _letters(each, alphabet)) for n, each in enumerate(sequences)), path)


def _run(command: Sequence[str], options: Mapping[str, str], place: Path) -> None:
    """Run the program in that folder. Raises DataError with its last line where it fails."""
    words = [word for option in (*options.items(), ("-v", "1")) for word in option]
    done = subprocess.run([*command, *words], cwd=place, capture_output=True, text=True, check=False)
    if done.returncode or not any(place.glob("out*.tsv")):
        last = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        raise DataError(f"{command[0]} failed: {last or f'exit code {done.returncode}'}", "take it off PATH to go on")


def _letters(sequence: str, alphabet: Alphabet) -> str:
    return sequence.upper().replace("U", "T") if alphabet is RNA else sequence.upper()
