"""Motifs of a structure: helices, loops, junctions, pseudoknots, kissing loops, base triples, A-minor contacts."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Literal

import numpy as np
from jaxtyping import Int64

from monosome.rna.base_geometry import unit
from monosome.rna.chain import Chain
from monosome.rna.dotbracket import nested_pairs, one_per_residue, stems
from monosome.rna.ermsd import base_frames
from monosome.rna.interactions import BasePair, Interactions
from monosome.rna.neighbours import pairs_between
from monosome.rna.nucleotides import ATOM_INDEX, BASE_INDEX

MIN_HELIX = 2
"""Pairs that a helix has at least: a single one stacks on no other."""
A_MINOR_CONTACT = 3.6
"""Distance of hydrogen-bonded N and O at most (Å), as that of base pairs without hydrogens in biotite."""
A_MINOR_LEVEL = 2.0
"""Of the adenine above or below the plane of the pair at most (Å), a stacked base being 3.3 Å off: bases of any kind
tried alike in 259 chains, 335 of the 449 within it are adenines, and 82 of the 248 farther off."""
A_MINOR_TILT = 60.0
"""Of the adenine against the pair at most (degrees)."""
LoopKind = Literal["hairpin", "bulge", "internal", "junction", "exterior"]

_ADENINE_EDGE = [ATOM_INDEX[name] for name in ("N1", "N3", "O2'")]
_GROOVE = [ATOM_INDEX[name] for name in ("N3", "O2", "N2", "O2'")]


@dataclass(frozen=True)
class Helix:
    """Watson–Crick and G·U pairs (i, j), (i+1, j-1), … stacked without interruption, the outermost first."""

    pairs: tuple[tuple[int, int], ...]

    @property
    def residues(self) -> tuple[int, ...]:
        """Both strands, in order."""
        return tuple(sorted(residue for pair in self.pairs for residue in pair))


@dataclass(frozen=True)
class Loop:
    """What lies between helices: the pairs that close it, and its unpaired strands.

    `closing` has of each helix that meets here the pair that faces the loop, from 5' to 3'. `strands` are the unpaired
    residues between them from 5' to 3', also where there are none; the loop of the molecule's ends has one more.
    Exterior is a loop that holds an end of a strand, be it the molecule's own or a break in its coordinates.
    """

    kind: LoopKind
    closing: tuple[tuple[int, int], ...]
    strands: tuple[tuple[int, ...], ...]
    tetraloop: Literal["GNRA", "UNCG", "CUUG", ""] = ""
    """Class of a hairpin of four, by its sequence alone."""

    @property
    def unpaired(self) -> tuple[int, ...]:
        """Residues that are in no helix."""
        return tuple(residue for strand in self.strands for residue in strand)

    @property
    def residues(self) -> tuple[int, ...]:
        """Unpaired residues and closing pairs, in order."""
        return tuple(sorted({*self.unpaired, *(residue for pair in self.closing for residue in pair)}))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Unpaired residues in each strand."""
        return tuple(len(strand) for strand in self.strands)

    @property
    def name(self) -> str:
        """What the field calls it, such as `3×2 internal loop`; `open loop` where a strand ends between helices."""
        match self.kind:
            case "hairpin":
                return f"{self.tetraloop} tetraloop" if self.tetraloop else f"hairpin loop of {self.sizes[0]}"
            case "bulge":
                return f"bulge of {sum(self.sizes)}"
            case "internal":
                return f"{self.sizes[0]}×{self.sizes[1]} internal loop"
            case "junction":
                return f"{len(self.closing)}-way junction"
        return "exterior" if len(self.strands) > len(self.closing) else "open loop"

    @property
    def is_symmetric(self) -> bool:
        """Whether all strands have the same number of residues, as in a 2×2 internal loop."""
        return len(set(self.sizes)) == 1


@dataclass(frozen=True)
class Pseudoknot:
    """Stacked canonical pairs that cross the largest nested set, outermost first, and the loops that they join."""

    pairs: tuple[tuple[int, int], ...]
    loops: tuple[LoopKind, LoopKind]
    is_kissing: bool
    """Whether they join two hairpin loops."""


@dataclass(frozen=True)
class Triple:
    """Three bases held together by the pairs, two or three, that they form among each other."""

    residues: tuple[int, int, int]
    pairs: tuple[BasePair, ...]


@dataclass(frozen=True)
class AMinor:
    """An adenine in the minor groove of a helix's pair (Nissen et al. 2001, Proc. Natl Acad. Sci. USA 98, 4899).

    It lies in the plane of the pair, and of N1, N3 and O2' two are near its N3, O2, N2 or O2', not both by O2'.
    """

    adenine: int
    pair: tuple[int, int]


@dataclass(frozen=True)
class Motifs:
    """The motifs of a molecule, residues counted from 0.

    Each residue is in one helix, or unpaired in one loop. There is one loop more than helices: the one that the
    molecule's ends are in comes first, then those that the helices open, in the order of the helices. Canonical pairs
    that are nested but stack on no other are `isolated`, and take no part in this.
    """

    helices: tuple[Helix, ...]
    loops: tuple[Loop, ...]
    isolated: tuple[tuple[int, int], ...]
    pseudoknots: tuple[Pseudoknot, ...]
    triples: tuple[Triple, ...]
    a_minors: tuple[AMinor, ...]


def find_motifs(chain: Chain, interactions: Interactions) -> Motifs:
    """The motifs of a molecule: by its canonical pairs, for triples by all pairs, for A-minor contacts by its atoms."""
    pairs = one_per_residue((pair.i, pair.j) for pair in interactions.pairs if pair.is_canonical)
    nested = nested_pairs(pairs)
    runs = list(_unbroken(nested, chain.segments))
    helices = tuple(Helix(tuple(run)) for run in runs if len(run) >= MIN_HELIX)
    loops = tuple(_loops(helices, chain))
    crossing = sorted(set(pairs).difference(nested))
    return Motifs(
        helices=helices,
        loops=loops,
        isolated=tuple(run[0] for run in runs if len(run) < MIN_HELIX),
        pseudoknots=tuple(_pseudoknots(list(_unbroken(crossing, chain.segments)), loops)),
        triples=tuple(_triples(interactions.pairs)),
        a_minors=tuple(_a_minors(chain, helices)),
    )


def _unbroken(pairs: Sequence[tuple[int, int]], segments: Int64[np.ndarray, "n"]) -> Iterator[list[tuple[int, int]]]:
    """Stems, cut where one of their strands is."""
    for stem in stems(pairs):
        run = stem[:1]
        for (i, j), (inner_i, inner_j) in pairwise(stem):
            if segments[i] != segments[inner_i] or segments[j] != segments[inner_j]:
                yield run
                run = []
            run.append((inner_i, inner_j))
        yield run


def _loops(helices: Sequence[Helix], chain: Chain) -> Iterator[Loop]:
    partner = {i: j for helix in helices for i, j in helix.pairs}
    yield _loop(None, partner, chain)
    for helix in helices:
        yield _loop(helix.pairs[-1], partner, chain)


def _loop(outer: tuple[int, int] | None, partner: dict[int, int], chain: Chain) -> Loop:
    """The loop that the pair `outer` opens, or that of the molecule's ends; `partner` has the 3' residue of each 5'."""
    first, last = (outer[0] + 1, outer[1]) if outer else (0, len(chain))
    closing = [outer] if outer else []
    strands: list[list[int]] = [[]]
    place = first
    while place < last:
        if place in partner:
            closing.append((place, partner[place]))
            strands.append([])
            place = partner[place]
        else:
            strands[-1].append(place)
        place += 1
    kind = "exterior" if outer is None else _kind(outer, closing, strands, chain.segments)
    unpaired = tuple(tuple(strand) for strand in strands)
    tetraloop = _tetraloop(outer, chain.sequence) if outer and kind == "hairpin" else ""
    return Loop(kind, tuple(closing), unpaired, tetraloop)


def _kind(
    outer: tuple[int, int],
    closing: Sequence[tuple[int, int]],
    strands: Sequence[Sequence[int]],
    segments: Int64[np.ndarray, "n"],
) -> LoopKind:
    starts = [outer[0], *(j for _, j in closing[1:])]
    ends = [*(i for i, _ in closing[1:]), outer[1]]
    if any(segments[start] != segments[end] for start, end in zip(starts, ends, strict=True)):
        return "exterior"
    if len(closing) > 2:
        return "junction"
    if len(closing) == 1:
        return "hairpin"
    return "internal" if all(strands) else "bulge"


def _tetraloop(closing: tuple[int, int], sequence: str) -> Literal["GNRA", "UNCG", "CUUG", ""]:
    """Class by sequence; the outer two of CUUG pair with each other, so that two are left as its loop."""
    i, j = closing
    loop = sequence[i + 1 : j]
    if sequence[i : j + 1] == "CUUG" or loop == "CUUG":
        return "CUUG"
    if len(loop) != 4:
        return ""
    if loop[0] == "G" and loop[2] in "AG" and loop[3] == "A":
        return "GNRA"
    return "UNCG" if loop[0] == "U" and loop[2:] == "CG" else ""


def _pseudoknots(runs: Sequence[list[tuple[int, int]]], loops: Sequence[Loop]) -> Iterator[Pseudoknot]:
    homes = {residue: index for index, loop in enumerate(loops) for residue in loop.unpaired}
    for run in runs:
        left, right = (homes[residue] for residue in run[0])
        kinds = loops[left].kind, loops[right].kind
        yield Pseudoknot(tuple(run), kinds, left != right and kinds == ("hairpin", "hairpin"))


def _triples(pairs: Sequence[BasePair]) -> Iterator[Triple]:
    partners: dict[int, set[int]] = defaultdict(set)
    for pair in pairs:
        partners[pair.i].add(pair.j)
        partners[pair.j].add(pair.i)
    found = {
        tuple(sorted((residue, *two)))
        for residue, others in partners.items()
        for two in combinations(sorted(others), 2)
    }
    for first, second, third in sorted(found):
        members = {first, second, third}
        yield Triple((first, second, third), tuple(pair for pair in pairs if {pair.i, pair.j} <= members))


def _a_minors(chain: Chain, helices: Sequence[Helix]) -> Iterator[AMinor]:
    pairs = np.array([pair for helix in helices for pair in helix.pairs], dtype=np.int64).reshape(-1, 2)
    adenine, pair = _groove_contacts(chain, pairs)
    helix_of_pair = np.repeat(np.arange(len(helices)), [len(helix.pairs) for helix in helices])
    helix_of = np.full(len(chain), -1)
    helix_of[pairs] = helix_of_pair[:, None]
    apart = (helix_of[adenine] != helix_of_pair[pair]) & (np.abs(pairs[pair] - adenine[:, None]) > 1).all(axis=1)
    origins, axes = base_frames(chain)
    normals = axes[:, 2]
    first, second = pairs[pair].T
    normal = unit(normals[first] - normals[second])  # those of paired bases point against each other
    level = ((origins[adenine] - (origins[first] + origins[second]) / 2) * normal).sum(axis=1)
    tilt = (normals[adenine] * normal).sum(axis=1)
    in_plane = (np.abs(level) <= A_MINOR_LEVEL) & (np.abs(tilt) >= np.cos(np.deg2rad(A_MINOR_TILT)))
    for row in np.flatnonzero(apart & in_plane):
        yield AMinor(int(adenine[row]), (int(first[row]), int(second[row])))


def _groove_contacts(
    chain: Chain, pairs: Int64[np.ndarray, "p 2"]
) -> tuple[Int64[np.ndarray, "k"], Int64[np.ndarray, "k"]]:
    """Adenines, and rows of `pairs` in whose minor groove two of the adenine's contacts are, one from its base."""
    adenines = np.flatnonzero(chain.bases == BASE_INDEX["A"])
    edge = chain.atoms[adenines][:, _ADENINE_EDGE].reshape(-1, 3)
    groove = chain.atoms[pairs][:, :, _GROOVE]
    groove[np.isin(chain.bases[pairs], [BASE_INDEX["C"], BASE_INDEX["U"]]), 0] = np.nan  # N3 is on another edge
    groove = groove.reshape(-1, 3)
    near = pairs_between(edge, groove, A_MINOR_CONTACT)
    atom, key = near[:, 0], near[:, 0] // len(_ADENINE_EDGE) * len(pairs) + near[:, 1] // (2 * len(_GROOVE))
    found, contact, counts = np.unique(key, return_inverse=True, return_counts=True)
    from_base = np.bincount(contact, atom % len(_ADENINE_EDGE) < 2, minlength=len(found))
    found = found[(counts >= 2) & (from_base >= 1)]
    return adenines[found // max(len(pairs), 1)], found % max(len(pairs), 1)
