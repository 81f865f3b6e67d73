"""Which nucleotides stack into one continuous A-form helix, read off the secondary structure alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from jaxtyping import Int64

from monosome.errors import DataError
from monosome.rna.dotbracket import nested_pairs, stems
from monosome.rna.pairing import Pairs

MAX_LINKER = 1
"""Unpaired nucleotides between two helices of a junction, at most, over which they stack on each other."""
MAX_INTERNAL = 7
"""Nucleotides in the longer strand of an internal loop, at most, through which its helices stack."""
IDEAL_LOOPS = range(3, 13)
"""Lengths of hairpin loops that are closed as one: those in loops.json."""
LONG_LOOP = 2, 5
"""Residues of other loops that stack on the 5' strand and on the 3' strand, as in anticodon loops."""
MIN_KNOT = 2
"""Pairs that a pseudoknot's stem has at least to be a helix; shorter ones are distances."""


@dataclass(frozen=True)
class Site:
    """A place in a stack: strand 0 rises 5' to 3', strand 1 is its partner and falls; partners have one step."""

    stack: int
    strand: int
    step: int


@dataclass(frozen=True)
class Gap:
    """Unpaired residues of one strand between two that are in helices, those of `before` and `after` not counted."""

    before: int
    after: int

    @property
    def residues(self) -> range:
        """From 5' to 3'."""
        return range(self.before + 1, self.after)


@dataclass(frozen=True, eq=False)
class Stacking:
    """Where each residue stands, None where it is free or in a hairpin; gaps between paired residues; ideal hairpins.

    `contacts` are pairs that no helix holds.
    """

    sites: list[Site | None]
    num_stacks: int
    gaps: list[Gap]
    hairpins: list[Gap]
    contacts: Pairs


@dataclass(frozen=True)
class _End:
    """One end of a stem: the residue by which a strand leaves it, 5' to 3', and the one by which a strand comes in."""

    stem: int
    leaving: int
    entering: int


@dataclass(frozen=True)
class _Joint:
    """Two ends that may stack, `num_between` steps apart from the pair of one to that of the other."""

    one: _End
    other: _End
    num_between: int
    cost: float


def checked_pairs(length: int, pairs: Sequence[tuple[int, int]]) -> Pairs:
    """The pairs, each with the 5' residue first, sorted. Raises DataError for what cannot pair."""
    ordered = sorted((min(pair), max(pair)) for pair in pairs)
    used: set[int] = set()
    for i, j in ordered:
        if not 0 <= i < j < length:
            raise DataError(f"residues {i} and {j} cannot pair among {length}", "count residues from 0")
        for residue in (i, j):
            if residue in used:
                raise DataError(f"residue {residue} is in two pairs", "give each residue one partner")
            used.add(residue)
    return ordered


def find_stacking(
    segments: Int64[np.ndarray, "n"], pairs: Sequence[tuple[int, int]], draw: np.random.Generator | None = None
) -> Stacking:
    """Stacks of a molecule; `draw` varies which helices of a junction stack. Raises DataError as `checked_pairs`.

    A stem stacks on the next through internal loops and bulges and, in a junction, on the neighbour with the shortest
    linker (Walter et al. 1994); a pseudoknot's stem alike.
    """
    return _Builder(segments, checked_pairs(len(segments), pairs)).build(draw)


@dataclass(eq=False)
class _Builder:
    segments: Int64[np.ndarray, "n"]
    pairs: Pairs
    sites: dict[int, Site] = field(default_factory=dict)
    taken: set[Site] = field(default_factory=set)

    def build(self, draw: np.random.Generator | None) -> Stacking:
        helices, contacts = self._helices()
        ends = list(_ends(helices))
        gaps = list(self._gaps({residue for helix in helices for pair in helix for residue in pair}))
        joints = _chosen_joints(list(_joints(ends, gaps)), draw)
        num = self._place_stems(helices, ends, joints)
        for joint in joints:
            self._fill(joint, gaps)
        closed = {(end.leaving, end.entering) for end in ends}
        hairpins = [gap for gap in gaps if (gap.before, gap.after) in closed]
        for gap in hairpins:
            if len(gap.residues) not in IDEAL_LOOPS:
                self._fill_hairpin(gap)
        num = self._fill_tails(num)
        return Stacking(
            [self.sites.get(residue) for residue in range(len(self.segments))],
            num,
            gaps,
            [gap for gap in hairpins if len(gap.residues) in IDEAL_LOOPS],
            contacts,
        )

    def _helices(self) -> tuple[list[Pairs], Pairs]:
        """Stems, cut where a strand ends; and pairs of pseudoknots too short to be one."""
        nested = set(nested_pairs(self.pairs))
        helices: list[Pairs] = []
        contacts: Pairs = []
        for stem in stems(self.pairs):
            for run in _unbroken(stem, self.segments):
                if run[0] in nested or len(run) >= MIN_KNOT:
                    helices.append(run)
                else:
                    contacts.extend(run)
        return helices, contacts

    def _gaps(self, paired: set[int]) -> Iterator[Gap]:
        for before, after in pairwise(sorted(paired)):
            if self.segments[before] == self.segments[after]:
                yield Gap(before, after)

    def _put(self, residue: int, site: Site) -> bool:
        if site in self.taken:
            return False
        self.sites[residue] = site
        self.taken.add(site)
        return True

    def _place_stems(self, helices: Sequence[Pairs], ends: Sequence[_End], joints: Sequence[_Joint]) -> int:
        """Stacks built stem by stem along the joints; how many there are."""
        across: dict[int, list[tuple[_End, _End, int]]] = {}
        for joint in joints:
            across.setdefault(joint.one.stem, []).append((joint.one, joint.other, joint.num_between))
            across.setdefault(joint.other.stem, []).append((joint.other, joint.one, joint.num_between))
        num = 0
        for stem, helix in enumerate(helices):
            if helix[0][0] in self.sites:
                continue
            self._place_stem(helix, Site(num, 0, 0))
            waiting = [stem]
            while waiting:
                for here, there, between in across.get(waiting.pop(), []):
                    if there.entering not in self.sites:
                        self._place_next(helices[there.stem], here, there, between)
                        waiting.append(there.stem)
            num += 1
        return num

    def _place_next(self, helix: Pairs, here: _End, there: _End, between: int) -> None:
        """The stem of `there`, which stands on `here`: the strand that leaves here enters there."""
        start = self.sites[here.leaving]
        step = start.step + _way(start.strand) * (between + 1)
        if there.entering == helix[0][0]:
            self._place_stem(helix, Site(start.stack, start.strand, step))
        else:
            strand = 1 - start.strand
            self._place_stem(helix, Site(start.stack, strand, step - _way(strand) * (len(helix) - 1)))

    def _place_stem(self, helix: Pairs, first: Site) -> None:
        for number, (i, j) in enumerate(helix):
            step = first.step + _way(first.strand) * number
            self._put(i, Site(first.stack, first.strand, step))
            self._put(j, Site(first.stack, 1 - first.strand, step))

    def _fill(self, joint: _Joint, gaps: Sequence[Gap]) -> None:
        """Unpaired residues between stacked stems: half go on from the 5' stem, half lead to the 3' one."""
        for one, other in ((joint.one, joint.other), (joint.other, joint.one)):
            if Gap(one.leaving, other.entering) in gaps:
                residues = Gap(one.leaving, other.entering).residues
                num = min(len(residues), joint.num_between)
                self._follow(one.leaving, residues[: (num + 1) // 2])
                self._lead(other.entering, residues[len(residues) - num // 2 :])

    def _fill_hairpin(self, gap: Gap) -> None:
        """A long loop's ends go on with the helix, that before the 3' strand farther (Haasnoot et al. 1986)."""
        num_following, num_leading = LONG_LOOP
        self._follow(gap.before, gap.residues[:num_following])
        self._lead(gap.after, gap.residues[max(num_following, len(gap.residues) - num_leading) :])

    def _fill_tails(self, num_stacks: int) -> int:
        """Ends of strands go on as A-form strands; strands without a helix are one each. How many stacks there are."""
        for segment in np.unique(self.segments).tolist():
            places = np.flatnonzero(self.segments == segment).tolist()
            held = [place for place in places if place in self.sites]
            if not held:
                for step, residue in enumerate(places):
                    self._put(residue, Site(num_stacks, 0, step))
                num_stacks += 1
                continue
            self._lead(held[0], range(places[0], held[0]))
            self._follow(held[-1], range(held[-1] + 1, places[-1] + 1))
        return num_stacks

    def _follow(self, before: int, residues: range) -> None:
        """Residues after `before`, stacked on it one by one while there is place."""
        site = self.sites[before]
        for residue in residues:
            site = Site(site.stack, site.strand, site.step + _way(site.strand))
            if not self._put(residue, site):
                break

    def _lead(self, after: int, residues: range) -> None:
        """Residues before `after`, stacked on it from the last to the first while there is place."""
        site = self.sites[after]
        for residue in reversed(residues):
            site = Site(site.stack, site.strand, site.step - _way(site.strand))
            if not self._put(residue, site):
                break


def _way(strand: int) -> int:
    return 1 - 2 * strand


def _unbroken(stem: Pairs, segments: Int64[np.ndarray, "n"]) -> Iterator[Pairs]:
    run = stem[:1]
    for outer, inner in pairwise(stem):
        if any(segments[a] != segments[b] for a, b in zip(outer, inner, strict=True)):
            yield run
            run = []
        run.append(inner)
    yield run


def _ends(helices: Sequence[Pairs]) -> Iterator[_End]:
    for stem, helix in enumerate(helices):
        yield _End(stem, leaving=helix[0][1], entering=helix[0][0])
        yield _End(stem, leaving=helix[-1][0], entering=helix[-1][1])


def _joints(ends: Sequence[_End], gaps: Sequence[Gap]) -> Iterator[_Joint]:
    """What may stack on what: ends that a gap joins, and how far apart in steps."""
    leaving, entering = {end.leaving: end for end in ends}, {end.entering: end for end in ends}
    following = {gap.before: gap for gap in gaps}
    for gap in gaps:
        one, other = leaving.get(gap.before), entering.get(gap.after)
        if one is None or other is None or one.stem == other.stem:
            continue
        size, back = len(gap.residues), following.get(other.leaving)
        if back is not None and back.after == one.entering:
            sizes = sorted((size, len(back.residues)))
            if sizes[1] <= MAX_INTERNAL and gap.before < back.before:
                yield _Joint(one, other, sizes[0], cost=-10.0 + sizes[1])
        elif size <= MAX_LINKER:
            yield _Joint(one, other, size, cost=float(size))


def _chosen_joints(joints: Sequence[_Joint], draw: np.random.Generator | None) -> list[_Joint]:
    """Of the joints those that cost least, each end in one at most and no stack closed to a ring."""
    noise = draw.uniform(0, 2, len(joints)) if draw else np.zeros(len(joints))
    group: dict[int, int] = {}

    def root(stem: int) -> int:
        while stem in group:
            stem = group[stem]
        return stem

    used: set[_End] = set()
    chosen = []
    for index in np.argsort([joint.cost + shift for joint, shift in zip(joints, noise.tolist(), strict=True)]).tolist():
        joint = joints[index]
        first, second = root(joint.one.stem), root(joint.other.stem)
        if first != second and used.isdisjoint((joint.one, joint.other)):
            group[first] = second
            used.update((joint.one, joint.other))
            chosen.append(joint)
    return chosen
