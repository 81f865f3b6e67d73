"""Kaggle's score of a submission, from labels that are known: TM-score on C1', best of five, best over references."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from monosome.errors import DataError
from monosome.processes import num_processors, worker_pool
from monosome.rna.chain import Chain, empty_atoms
from monosome.rna.comparison import Reference
from monosome.rna.kaggle import Part, Structures, foldable, read_structures
from monosome.rna.metrics import score
from monosome.rna.nucleotides import ATOM_INDEX
from monosome.rna.submission import HIGHEST, LOWEST, MIN_PLACES


@dataclass(frozen=True)
class TargetScore:
    """The scores of a target's structures, in their order, each against the reference that it is closest to."""

    id: str
    length: int
    num_references: int
    scores: tuple[float, ...]

    @property
    def best(self) -> float:
        """What counts for the target."""
        return max(self.scores)


def score_submission(submission: Path, labels: Path, part: Part) -> Iterator[TargetScore]:
    """The score of each target of the labels, one after the other.

    Part 1 pairs residues by structure alone. Part 2 pairs them by number, clips coordinates, and where there are
    several copies of a chain takes them in the order that scores most. Raises DataError for tables that cannot be read
    and for a residue of the labels that the submission lacks.
    """
    known, made = read_structures(labels), read_structures(submission)
    for name, natives in known.items():
        if name not in made or made[name].ids != natives.ids:
            ids = made[name].ids if name in made else ()
            lacking = next((id for id in natives.ids if id not in ids), natives.ids[0])
            raise DataError(
                f"{submission} lacks {lacking} of {labels}, or has it out of order", "monosome kaggle check"
            )
        if not np.isfinite(natives.places).any():
            raise DataError(f"{labels}: {name} has no coordinates")
    told = (list(known), list(known.values()), [made[name].places for name in known], [part] * len(known))
    if part == 2:  # a few ms for a pair of 70 nt; without numbers it takes half a second
        yield from map(_target_score, *told)
        return
    with worker_pool(min(num_processors(), len(known)), __name__) as pool:
        yield from pool.map(_target_score, *told)


def _target_score(name: str, natives: Structures, places: Float64[np.ndarray, "s n 3"], part: Part) -> TargetScore:
    references = [each for each in natives.places if np.isfinite(each).any()]
    scores = tuple(_best(natives, each, references, part) for each in places)
    return TargetScore(name, len(natives.ids), len(references), scores)


def _best(
    natives: Structures, places: Float64[np.ndarray, "n 3"], references: list[Float64[np.ndarray, "n 3"]], part: Part
) -> float:
    """The score of one structure against the closest reference."""
    if np.isfinite(places).all(axis=-1).sum() < MIN_PLACES:
        return 0.0
    model = _molecule(natives, places.clip(LOWEST, HIGHEST) if part == 2 else places, part)
    found = [
        score(model, _molecule(natives, each, part), mode="residue" if part == 2 else "sequence", metrics=("tm_score",))
        for each in references
    ]
    return max(one.tm_score or 0.0 for one in found)


def _molecule(natives: Structures, places: Float64[np.ndarray, "n 3"], part: Part) -> Reference:
    """The molecule with its C1' in these places: one chain, or where some have copies, which may swap, all of them."""
    has_copies = part == 2 and any(copy not in ("", "1") for _, copy in natives.strands)
    strands = natives.strands if has_copies else [("", "")] * len(places)
    chains = []
    for key, group in groupby(range(len(places)), key=lambda residue: strands[residue]):
        residues = list(group)
        atoms = empty_atoms(len(residues))
        atoms[:, ATOM_INDEX["C1'"]] = places[residues]
        letters = foldable("".join(natives.letters[residue] for residue in residues))
        numbers = np.arange(1, len(residues) + 1)
        chains.append(Chain("".join(key), letters, atoms, numbers, np.zeros(len(residues), dtype=np.int64)))
    return Reference(tuple(chains))
