"""Base pairs and base stacking of a structure: Leontis–Westhof classes from coordinates."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class BasePair:
    """Residues `i` < `j`, paired; `kind` is their Leontis–Westhof class as in cWW, tHS, cSW: edges of i, then of j."""

    i: int
    j: int
    kind: str
    is_canonical: bool
    """A Watson–Crick or G·U wobble pair in its usual geometry: cWW of AU, GC or GU."""


@dataclass(frozen=True, order=True)
class Stack:
    """Bases `i` < `j` stacked on each other; `kind` is upward, downward, inward or outward."""

    i: int
    j: int
    kind: str


@dataclass(frozen=True)
class Interactions:
    """The base pairs and stacks of a structure, each sorted; a residue may be in several."""

    pairs: tuple[BasePair, ...]
    stacks: tuple[Stack, ...]
