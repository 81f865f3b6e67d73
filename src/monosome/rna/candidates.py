"""What each candidate of a prediction is made from, so that five of them differ on purpose."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from monosome.rna.chain import Chain
from monosome.rna.features import Evidence
from monosome.rna.pairing import (
    LONGEST_WHOLE,
    Pairing,
    Pairs,
    most_accurate,
    pairs_of,
    predict_pairing,
    sample_structures,
)
from monosome.rna.templates import GATE, Hit

SAMPLE_WEIGHT = 0.5
"""Share of another secondary structure in a candidate's pair probabilities; the rest is the ensemble's."""
TRUSTED, OWN, DOUBTED = 0, 1, 2
"""A template above the gate; what the network finds; a less likely secondary structure, or a template below the gate.
The network likes long stacks, also where few believe in them (docs/log.md)."""
MOST_TEMPLATES = 2
"""Trusted templates that candidates are made from."""
NUM_SAMPLES = 100
"""Structures that are drawn from the ensemble to choose from."""
DIFFERING = 0.2
"""Share of the pairs of two structures that only one of them has, at least, to make candidates of both."""


@dataclass(frozen=True, eq=False)
class Told:
    """What the network is told for a candidate, whether its pairs are where to start, and the same in words."""

    evidence: Evidence
    is_certain: bool
    origin: str
    rank: int = OWN
    hit: Hit | None = None


def plan(chain: Chain, evidence: Evidence, num: int, seed: int, *, is_certain: bool, hits: Sequence[Hit]) -> list[Told]:
    """What each of so many candidates is made from; `is_certain` where the secondary structure was given."""
    trusted = [hit for hit in hits if hit.expected_tm >= GATE][: min(MOST_TEMPLATES, num)]
    first = [Told(evidence, True, hit.words, TRUSTED, hit) for hit in trusted]
    last = [Told(evidence, True, hit.words, DOUBTED, hit) for hit in hits[:1] if not trusted and num > 2]
    left = num - len(first) - len(last)
    if is_certain:
        origin = "the secondary structure that was given"
        own = [Told(evidence, True, origin), *[Told(evidence, True, f"{origin}, another start")] * (left - 1)]
        return [*first, *own[:left], *last]
    own = [
        Told(evidence, False, "ensemble pair probabilities"),
        Told(evidence, True, "ensemble pair probabilities, start from ViennaRNA's structure"),
    ]
    others = _others(chain, evidence, seed) if left > len(own) else iter(())
    own += [
        Told(replace(evidence, pairing=_leaning(evidence.pairing, structure)), False, origin, DOUBTED)
        for _, (structure, origin) in zip(range(left - len(own)), others, strict=False)
    ]
    again = (replace(own[1], origin=f"{own[1].origin}, layout {number}", rank=DOUBTED) for number in count(2))
    own += [each for _, each in zip(range(left - len(own)), again, strict=False)]
    return [*first, *own[:left], *last]


def _others(chain: Chain, evidence: Evidence, seed: int) -> Iterator[tuple[str, str]]:
    """Other secondary structures in dot-bracket form, each unlike those before and ViennaRNA's; and what they are."""
    known = [pairs_of(evidence.pairing.structure)]
    for structure, origin in _possible(chain, evidence, seed):
        pairs = pairs_of(structure)
        if all(_difference(pairs, other) >= DIFFERING for other in known):
            known.append(pairs)
            yield structure, origin


def _possible(chain: Chain, evidence: Evidence, seed: int) -> Iterator[tuple[str, str]]:
    """Structures of the ensemble, the likeliest first. Only one strand, and no long one, is drawn from in seconds."""
    pairing = evidence.pairing
    if not chain.segments.any() and len(chain) <= LONGEST_WHOLE:
        drawn = sample_structures(chain.sequence, NUM_SAMPLES, seed, pairing.conditions, evidence.reactivities)
        for structure, times in Counter(drawn).most_common():
            yield structure, f"another structure of the ensemble, drawn {times} times of {NUM_SAMPLES}"
        return
    if chain.segments.any():
        yield _apart(chain, pairing), "each strand paired by itself"
    yield pairing.mea, "structure of maximum expected accuracy"
    yield pairing.centroid, "centroid of the ensemble"
    yield most_accurate(pairing.probabilities, 1e-4, 4.0), "structure with every likely pair"


def _apart(chain: Chain, pairing: Pairing) -> str:
    strands = np.split(np.arange(len(chain)), np.flatnonzero(np.diff(chain.segments)) + 1)
    parts = [chain.sequence[strand[0] : strand[-1] + 1] for strand in strands]
    return "".join(
        predict_pairing(part, np.zeros(len(part), dtype=np.int64), pairing.conditions).structure for part in parts
    )


def _difference(one: Pairs, other: Pairs) -> float:
    """Share of all pairs that one of two structures has and the other has not."""
    ours, theirs = set(one), set(other)
    return len(ours ^ theirs) / max(1, len(ours | theirs))


def _leaning(ensemble: Pairing, structure: str) -> Pairing:
    """The ensemble with SAMPLE_WEIGHT of it replaced by one structure."""
    certain = ensemble.holding(structure).probabilities
    mixed = (1 - SAMPLE_WEIGHT) * ensemble.probabilities + SAMPLE_WEIGHT * certain
    return replace(ensemble, structure=structure, probabilities=mixed)
