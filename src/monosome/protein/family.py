"""Membership of a protein family by a profile hidden Markov model, through pyhmmer (Larralde & Zeller 2023)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monosome.errors import ConfigError, DataError
from monosome.sequences.fasta import read_fasta

MAX_EVALUE = 1e-3
"""E-value of a hit, for a data base of `DATABASE_SIZE` sequences: the same however many are searched at once."""
DATABASE_SIZE = 1000
NUM_ROUNDS = 3
"""Searches through the family that its profile is built by, each with the profile of the one before."""
SUFFIX = ".hmm"


@dataclass(frozen=True)
class Hit:
    """How well a protein fits the family: the bit score of the best match (0 for none), and whether it is a member."""

    bits: float
    is_member: bool


def load_family(path: Path) -> Any:
    """The profile of a family: of an HMMER file (.hmm), else built from a FASTA file of members.

    Raises DataError for a file that cannot be read or in which no two sequences are alike.
    """
    pyhmmer = _pyhmmer()
    if not path.name.endswith(SUFFIX):
        return build_profile([record.sequence for record in read_fasta(path)])
    if not path.is_file():
        raise DataError(f"{path} is not there", "give an HMMER file, or a FASTA file of the family")
    try:
        with pyhmmer.plan7.HMMFile(path) as file:
            found = file.read()
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is no HMMER file: {error}", "hmmbuild writes one") from error
    if found is None:
        raise DataError(f"{path} holds no profile", "hmmbuild writes one")
    return found


def build_profile(sequences: Sequence[str]) -> Any:
    """The profile of a family's members, which need not be aligned.

    They are aligned to each other by searching them with the profile of the member of median length, then with that of
    what was found, as jackhmmer does.
    """
    pyhmmer = _pyhmmer()
    members = _digital(sequences)
    median = sorted(members, key=len)[len(members) // 2]
    background = pyhmmer.plan7.Background(members[0].alphabet)
    pipeline = pyhmmer.plan7.Pipeline(members[0].alphabet, background=background, Z=DATABASE_SIZE, seed=42)
    search = pipeline.iterate_seq(median, pyhmmer.easel.DigitalSequenceBlock(members[0].alphabet, members))
    found = None
    for _ in range(NUM_ROUNDS):
        found = next(search)
        if found.converged:
            break
    assert found is not None
    return found.hmm


def family_hits(profile: Any, sequences: Sequence[str]) -> list[Hit]:
    """How well each protein fits the family, in order."""
    pyhmmer = _pyhmmer()
    if not sequences:
        return []
    found = [Hit(0.0, is_member=False)] * len(sequences)
    every = _digital(sequences)
    pipeline = pyhmmer.plan7.Pipeline(every[0].alphabet, Z=DATABASE_SIZE, E=MAX_EVALUE, seed=42)
    for hit in pipeline.search_hmm(profile, pyhmmer.easel.DigitalSequenceBlock(every[0].alphabet, every)):
        name = hit.name.decode() if isinstance(hit.name, bytes) else hit.name
        found[int(name)] = Hit(float(hit.score), is_member=bool(hit.evalue <= MAX_EVALUE))
    return found


def _digital(sequences: Sequence[str]) -> list[Any]:
    pyhmmer = _pyhmmer()
    alphabet = pyhmmer.easel.Alphabet.amino()
    found = []
    for number, sequence in enumerate(sequences):
        letters = "".join(letter if letter.isalpha() else "X" for letter in sequence.upper().replace("-", ""))
        found.append(pyhmmer.easel.TextSequence(name=str(number), sequence=letters).digitize(alphabet))
    return found


def _pyhmmer() -> Any:
    try:
        import pyhmmer
        import pyhmmer.easel
        import pyhmmer.plan7
    except ImportError as error:
        raise ConfigError(
            "family hits need pyhmmer, which is not installed", 'pip install "monosome[proteins]"'
        ) from error
    return pyhmmer
