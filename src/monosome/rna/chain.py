"""One RNA chain: its sequence, and where its atoms are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count, product
from string import ascii_lowercase, ascii_uppercase, digits

import numpy as np
from jaxtyping import Bool, Float32, Int64

from monosome.rna.nucleotides import ATOM_INDEX, FRAME_ATOMS, NUM_ATOMS, encode

LINK_LIMIT = 2.5
"""O3'–P distance (Å) above which a strand is broken: of 26,281 links in 259 chains none is 2.1 to 2.9 Å."""
STEP_LIMIT = 11.5
"""C1'–C1' distance (Å) above which it is broken where O3' or P is missing: the longest of 26,153 bonded steps."""


@dataclass(frozen=True, eq=False)
class Chain:
    """An RNA chain in numpy: `atoms` in Å, NaN where missing, in the order of nucleotides.ATOM_NAMES.

    `residue_numbers` are those of the file it came from; `segments` counts unbroken strands from 0.
    """

    id: str
    sequence: str
    atoms: Float32[np.ndarray, "n 27 3"]
    residue_numbers: Int64[np.ndarray, "n"]
    segments: Int64[np.ndarray, "n"]

    def __len__(self) -> int:
        return len(self.sequence)

    @property
    def bases(self) -> Int64[np.ndarray, "n"]:
        """Index of each base in nucleotides.BASES."""
        return encode(self.sequence)

    @property
    def resolved(self) -> Bool[np.ndarray, "n 27"]:
        """Which atoms have coordinates."""
        return np.asarray(np.isfinite(self.atoms).all(axis=-1))

    @property
    def has_frame(self) -> Bool[np.ndarray, "n"]:
        """Which residues have all three atoms of the nucleotide frame."""
        return np.asarray(np.take_along_axis(self.resolved, FRAME_ATOMS[self.bases], axis=1).all(axis=1))

    @property
    def labels(self) -> list[tuple[int, int]]:
        """Of each residue its number, and how many before it have the same: inserted residues repeat a number."""
        counters: dict[int, count[int]] = {}
        return [(number, next(counters.setdefault(number, count()))) for number in self.residue_numbers.tolist()]

    def atom(self, name: str) -> Float32[np.ndarray, "n 3"]:
        """Coordinates of one atom of every residue, NaN where missing."""
        return self.atoms[:, ATOM_INDEX[name]]

    def subset(self, indices: Sequence[int] | Int64[np.ndarray, "m"] | Bool[np.ndarray, "n"]) -> "Chain":
        """The residues at `indices` (or where a mask is true), with their numbers and segments."""
        positions = np.arange(len(self))[np.asarray(indices)]
        return replace(
            self,
            sequence="".join(self.sequence[position] for position in positions),
            atoms=self.atoms[positions],
            residue_numbers=self.residue_numbers[positions],
            segments=self.segments[positions],
        )

    def as_one_strand(self) -> "Chain":
        """The chain without its breaks, which are seen in coordinates: features of natural RNA must not know them."""
        return replace(self, segments=np.zeros_like(self.segments))


def find_segments(atoms: Float32[np.ndarray, "n 27 3"]) -> Int64[np.ndarray, "n"]:
    """Index of the unbroken strand of each residue, from the O3'–P link to the next residue.

    Where O3' or P is missing the C1'–C1' step decides; where that is missing too the strand is taken as unbroken.
    """
    link = _distances(atoms[:-1, ATOM_INDEX["O3'"]], atoms[1:, ATOM_INDEX["P"]])
    step = _distances(atoms[:-1, ATOM_INDEX["C1'"]], atoms[1:, ATOM_INDEX["C1'"]])
    broken = np.where(np.isfinite(link), link > LINK_LIMIT, step > STEP_LIMIT)
    return np.concatenate([[0], np.cumsum(broken)]).astype(np.int64)[: len(atoms)]


def _distances(start: Float32[np.ndarray, "n 3"], end: Float32[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n"]:
    return np.linalg.norm(start - end, axis=-1)


def join(chains: Sequence[Chain]) -> Chain:
    """One chain of all residues in order, by the name of the first; strands stay apart in `segments`."""
    if len(chains) == 1:
        return chains[0]
    counts = [int(chain.segments[-1]) + 1 if len(chain) else 0 for chain in chains]
    starts = np.cumsum([0, *counts[:-1]])
    return Chain(
        id=chains[0].id,
        sequence="".join(chain.sequence for chain in chains),
        atoms=np.concatenate([chain.atoms for chain in chains]),
        residue_numbers=np.concatenate([chain.residue_numbers for chain in chains]),
        segments=np.concatenate([chain.segments + start for chain, start in zip(chains, starts, strict=True)]),
    )


def split(chain: Chain) -> list[Chain]:
    """The strands of a chain by themselves, each with an id of its own: A to Z, a to z, 0 to 9, then two letters."""
    letters = ascii_uppercase + ascii_lowercase + digits
    names = [*letters, *("".join(pair) for pair in product(letters, repeat=2))]
    strands = np.split(np.arange(len(chain)), np.flatnonzero(np.diff(chain.segments)) + 1)
    if len(strands) == 1:
        return [chain]
    return [replace(chain.subset(rows).as_one_strand(), id=name) for name, rows in zip(names, strands, strict=False)]


def empty_atoms(length: int) -> Float32[np.ndarray, "n 27 3"]:
    """Coordinates of a chain of which nothing is resolved yet: all NaN."""
    return np.full((length, NUM_ATOMS, 3), np.nan, dtype=np.float32)
