"""Base pairs and energies from the sequence alone: ViennaRNA's partition function, cached on disk."""

import hashlib
import math
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import metadata
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from monosome.errors import ConfigError, DataError
from monosome.rna.cache import Values, cached
from monosome.rna.nucleotides import encode

Pairs = list[tuple[int, int]]
_OPENING, _CLOSING = "([{<" + string.ascii_uppercase, ")]}>" + string.ascii_lowercase

LONGEST_WHOLE = 1000
"""Longer strands (nt) are folded in windows. Three ribosomal RNAs (1,494 to 1,608) take 3 to 4 s, not 11 to 14, and
their MEA structures agree better with those in 3D: F1 .55, .38 and .42 instead of .50, .33 and .38."""
WINDOW, SPAN = 400, 300
"""Length (nt) of a window, and how far apart partners in it can be, as 87 to 95 % of the pairs of four ribosomal RNAs
are; windows of 200, 400 and 600 found theirs with mean F1 of .48, .47 and .49."""
STRETCH = 5
"""A residue's opening energy is that of this many residues around it: those that a short oligomer would need."""
_PAIR_TYPES = np.array([[0, 0, 0, 5], [0, 0, 1, 0], [0, 2, 0, 3], [6, 0, 4, 0]])
"""Row and column of two bases (A, C, G, U) in ViennaRNA's table of stacks; 0 for those that do not pair."""


@dataclass(frozen=True)
class Conditions:
    """What a molecule folds in, and how measured reactivities count; the defaults are those of the Turner 2004 model.

    Raises ConfigError for what water does not allow.
    """

    temperature_celsius: float = 37.0
    salt_molar: float = 1.021
    """Concentration of monovalent salt; Turner's energies were measured at 1.021 mol/l."""
    reactivity_slope: float = 1.8
    """m of m ln(reactivity + 1) + b, in kcal/mol for each residue of a stack (Deigan et al. 2009)."""
    reactivity_intercept: float = -0.6
    """b of the same; both as refitted by Hajdin et al. 2013, and as ViennaRNA has them."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature_celsius <= 100:
            raise ConfigError(f"no RNA folds at {self.temperature_celsius} °C", "give a temperature from 0 to 100 °C")
        if not 0 < self.salt_molar < math.inf:
            raise ConfigError(f"{self.salt_molar} mol/l is no concentration", "give one above 0; the standard is 1.021")
        if not math.isfinite(self.reactivity_slope + self.reactivity_intercept):
            raise ConfigError("slope and intercept of reactivities must be finite", "the usual ones are 1.8 and -0.6")

    @property
    def thermal_energy(self) -> float:
        """RT in kcal/mol, with the gas constant that ViennaRNA has."""
        return 1.98717e-3 * (self.temperature_celsius + 273.15)


STANDARD = Conditions()


@dataclass(frozen=True, eq=False)
class Pairing:
    """What ViennaRNA says of a sequence, without any coordinates; energies in kcal/mol.

    `structure` is the one of minimum free energy in dot-bracket form, strands written on end; `probabilities` is the
    symmetric matrix of base-pair probabilities. `ensemble_energy` is NaN where the sequence was folded in windows,
    which have no ensemble in common.
    """

    structure: str
    mfe: float
    ensemble_energy: float
    probabilities: Float32[np.ndarray, "n n"]
    conditions: Conditions = STANDARD

    @property
    def mfe_probability(self) -> float:
        """Boltzmann weight of the structure of minimum free energy."""
        return math.exp((self.ensemble_energy - self.mfe) / self.conditions.thermal_energy)

    @property
    def unpaired(self) -> Float32[np.ndarray, "n"]:
        """Probability of each residue to be unpaired: its accessibility."""
        return (1 - self.probabilities.sum(axis=1)).clip(0, 1).astype(np.float32)

    @property
    def positional_entropy(self) -> Float32[np.ndarray, "n"]:
        """Entropy in bits of each residue's state: its partners, and being unpaired."""
        states = np.concatenate([self.probabilities, self.unpaired[:, None]], axis=1).astype(np.float64)
        return -(states * np.log2(states.clip(1e-300))).sum(axis=1).astype(np.float32)

    @property
    def diversity(self) -> float:
        """Mean number of pairs in which two structures of the ensemble differ."""
        probabilities = self.probabilities.astype(np.float64)
        return float((probabilities * (1 - probabilities)).sum())

    @cached_property
    def centroid(self) -> str:
        """The structure with the least mean distance to the ensemble: of the pairs more probable than not."""
        return most_accurate(self.probabilities, 0.5)

    @cached_property
    def mea(self) -> str:
        """The structure of maximum expected accuracy (Do et al. 2006, γ = 1 as in ViennaRNA)."""
        return most_accurate(self.probabilities, 1e-4)

    def holding(self, structure: str) -> "Pairing":
        """This pairing with one structure for certain in place of the probabilities."""
        certain = np.zeros_like(self.probabilities)
        for i, j in pairs_of(structure):
            certain[i, j] = certain[j, i] = 1
        return replace(self, structure=structure, probabilities=certain)


@dataclass(frozen=True, eq=False)
class LocalEnergies:
    """Energies of each residue in kcal/mol.

    `stacking`: its share, a quarter, of the stacks of base pairs that it takes part in, each weighted with the
    smaller probability of its two pairs; the sum over residues is what stacking gives to the ensemble (0.1 % above
    the exact value for CASP15's R1107). `opening`: what it takes to unpair the STRETCH of residues around it.
    """

    stacking: Float32[np.ndarray, "n"]
    opening: Float32[np.ndarray, "n"]


def predict_pairing(
    sequence: str,
    segments: Int64[np.ndarray, "n"],
    conditions: Conditions = STANDARD,
    reactivities: Float[np.ndarray, "m"] | None = None,
) -> Pairing:
    """Minimum-free-energy structure and base-pair probabilities of one strand or of several together.

    ViennaRNA (Lorenz et al. 2011), Turner 2004 energies. Reactivities (NaN where not measured) favour structures that
    agree with them, and count in the energies (Deigan et al. 2009). A single strand above LONGEST_WHOLE is folded in
    windows: probabilities are means over those that hold the pair (Bernhart et al. 2006), brought down to sums of 1
    where windows disagree, and `structure` is the best one without partners farther apart than SPAN. Several strands
    that are longer together are folded each by itself. The result is cached in the folder MONOSOME_CACHE, or
    ~/.cache/monosome, where that can be written. Raises DataError for reactivities that do not fit the sequence.
    """
    query = _query(sequence, segments, conditions, reactivities)
    values = cached("pairing", query.digest(), {"probabilities": (len(sequence), len(sequence))}, lambda: _fold(query))
    mfe, ensemble_energy = values["energies"].tolist()
    return Pairing(str(values["structure"]), mfe, ensemble_energy, values["probabilities"], conditions)


def predict_local_energies(
    sequence: str,
    segments: Int64[np.ndarray, "n"],
    conditions: Conditions = STANDARD,
    reactivities: Float[np.ndarray, "m"] | None = None,
) -> LocalEnergies:
    """Stacking and opening energy of each residue; cached, with the errors of `predict_pairing`.

    Opening energies are −RT ln of the probability that the stretch is unpaired, in windows of WINDOW (Bernhart et al.
    2011), each strand by itself: what it takes before another strand can bind.
    """
    pairing = predict_pairing(sequence, segments, conditions, reactivities)
    query = _query(sequence, segments, conditions, reactivities)

    def energies() -> Values:
        opening = np.concatenate([_opening(strand) for strand in query.each_strand()])
        return {"stacking": _stacking(query, pairing.probabilities), "opening": opening}

    shapes = {"stacking": (len(sequence),), "opening": (len(sequence),)}
    return LocalEnergies(**cached("energies", query.digest(), shapes, energies))


def most_accurate(probabilities: Float32[np.ndarray, "n n"], threshold: float, gamma: float = 1.0) -> str:
    """What of the pairs above a threshold makes the sum of probabilities largest, those of pairs counted γ-fold.

    Of pairs and of unpaired residues. From one half up that is every pair, unless some cross. Partners nearer than 3,
    as strands may have where they meet, are left out: ViennaRNA's search goes wrong on them.
    """
    import RNA

    rows, columns = np.nonzero(np.triu(probabilities, 3) > threshold)
    places = zip((rows + 1).tolist(), (columns + 1).tolist(), probabilities[rows, columns].tolist(), strict=True)
    pairs = [RNA.ep(i, j, chance, 0) for i, j, chance in places]
    structure, _ = RNA.MEA_from_plist(pairs, "N" * len(probabilities), gamma)
    return str(structure)


def unknown_pairing(length: int) -> Pairing:
    """A pairing that says of no residue that it pairs."""
    return Pairing("." * length, 0.0, 0.0, np.zeros((length, length), dtype=np.float32))


def sample_structures(
    sequence: str,
    num: int,
    seed: int,
    conditions: Conditions = STANDARD,
    reactivities: Float[np.ndarray, "m"] | None = None,
) -> list[str]:
    """Secondary structures of a single strand drawn from ViennaRNA's Boltzmann ensemble, the same for the same seed.

    The strand is folded whole however long. Raises the errors of `predict_pairing`.
    """
    import RNA

    # A seed as small as 0 makes ViennaRNA's first draw 0 too: a hairpin's open form, of probability 2e-5.
    RNA.init_rand(int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:4], "little"))
    query = _query(sequence, np.zeros(len(sequence), dtype=np.int64), conditions, reactivities)
    compound = query.compound(uniq_ML=1, compute_bpp=0)
    _, energy = compound.mfe()
    compound.exp_params_rescale(energy)
    compound.pf()
    return list(compound.pbacktrack(num))


def pairs_of(structure: str) -> Pairs:
    """Pairs (i, j), i < j, from 0, of a dot-bracket string; the further kinds of brackets are pseudoknots.

    Raises DataError for a bracket without its partner.
    """
    waiting: dict[str, list[int]] = {opening: [] for opening in _OPENING}
    found: Pairs = []
    for place, letter in enumerate(structure):
        if letter in _OPENING:
            waiting[letter].append(place)
        elif letter in _CLOSING:
            partners = waiting[_OPENING[_CLOSING.index(letter)]]
            if not partners:
                raise DataError(f"{letter!r} at position {place + 1} closes no pair", "every bracket needs a partner")
            found.append((partners.pop(), place))
    alone = [place for places in waiting.values() for place in places]
    if alone:
        letter = structure[min(alone)]
        raise DataError(f"{letter!r} at position {min(alone) + 1} is never closed", "every bracket needs a partner")
    return sorted(found)


def at_most_certain(probabilities: Float32[np.ndarray, "n n"]) -> Float32[np.ndarray, "n n"]:
    """Symmetric pair probabilities, each divided by the larger sum of its two residues where that is above 1."""
    excess = np.maximum(1, probabilities.sum(axis=1))
    return probabilities / np.maximum(excess[:, None], excess[None, :])


"""Arrays by name."""


@dataclass(frozen=True, eq=False)
class _Query:
    """All that an answer of ViennaRNA depends on."""

    strands: tuple[str, ...]
    conditions: Conditions
    reactivities: Float64[np.ndarray, "n"] | None

    @property
    def is_windowed(self) -> bool:
        return len(self.strands) == 1 and len(self.strands[0]) > LONGEST_WHOLE

    def compound(self, *, in_windows: bool = False, **settings: int) -> Any:
        """ViennaRNA's compound with these settings of its model."""
        import RNA

        model = RNA.md()
        model.temperature, model.salt = self.conditions.temperature_celsius, self.conditions.salt_molar
        for name, value in settings.items():
            setattr(model, name, value)
        options = RNA.OPTION_WINDOW if in_windows else RNA.OPTION_DEFAULT
        compound = RNA.fold_compound("&".join(self.strands), model, options)
        if self.reactivities is not None:
            known = np.where(np.isnan(self.reactivities), -1, self.reactivities.clip(min=0))  # below 0: not measured
            slope, intercept = self.conditions.reactivity_slope, self.conditions.reactivity_intercept
            compound.sc_add_SHAPE_deigan([-1.0, *known.tolist()], slope, intercept, options)  # counted from 1
        return compound

    def slide(self, option: int, stretch: int, take: Callable[..., None]) -> None:
        """Call `take` with what ViennaRNA finds in windows along the only strand."""
        sizes = {"window_size": min(WINDOW, len(self.strands[0])), "max_bp_span": min(SPAN, len(self.strands[0]))}
        self.compound(in_windows=True, **sizes).probs_window(stretch, option, take, None)

    def each_strand(self) -> list["_Query"]:
        ends = np.cumsum([len(strand) for strand in self.strands])[:-1]
        measured = [None] * len(self.strands) if self.reactivities is None else np.split(self.reactivities, ends)
        return [_Query((strand,), self.conditions, one) for strand, one in zip(self.strands, measured, strict=True)]

    def digest(self) -> str:
        told = "" if self.reactivities is None else self.reactivities.tobytes().hex()
        rules = (LONGEST_WHOLE, WINDOW, SPAN, STRETCH, metadata.version("ViennaRNA"))
        return hashlib.sha256(repr((self.strands, self.conditions, told, rules)).encode()).hexdigest()[:32]


def _query(
    sequence: str,
    segments: Int64[np.ndarray, "n"],
    conditions: Conditions,
    reactivities: Float[np.ndarray, "m"] | None,
) -> _Query:
    cuts = [0, *(np.flatnonzero(np.diff(segments)) + 1).tolist(), len(sequence)]
    strands = tuple(sequence[start:end] for start, end in pairwise(cuts))
    if reactivities is None:
        return _Query(strands, conditions, None)
    if len(reactivities) != len(sequence) or np.isinf(reactivities).any():
        infinite = "one is infinite" if len(reactivities) == len(sequence) else ""
        fault = infinite or f"{len(reactivities)} for {len(sequence)} residues"
        raise DataError(f"the reactivities do not fit the sequence: {fault}", "give one a residue, NaN where unknown")
    return _Query(strands, conditions, None if np.isnan(reactivities).all() else reactivities.astype(np.float64))


def _fold(query: _Query) -> Values:
    if len(query.strands) > 1 and sum(map(len, query.strands)) > LONGEST_WHOLE:
        return _apart([_fold(strand) for strand in query.each_strand()])
    compound = query.compound(max_bp_span=SPAN if query.is_windowed else -1)
    structure, mfe = compound.mfe()
    if query.is_windowed:
        upper, ensemble_energy = _windowed_means(query), math.nan
    else:
        compound.exp_params_rescale(mfe)
        _, ensemble_energy = compound.pf()
        upper = np.array(compound.bpp(), dtype=np.float32)[1:, 1:]
    probabilities = upper + upper.T
    return {
        "structure": np.array(structure.replace("&", "")),
        "energies": np.array([mfe, ensemble_energy]),
        "probabilities": at_most_certain(probabilities) if query.is_windowed else probabilities,
    }


def _apart(strands: Sequence[Values]) -> Values:
    """Of strands that do not meet."""
    lengths = [len(strand["probabilities"]) for strand in strands]
    probabilities = np.zeros((sum(lengths), sum(lengths)), dtype=np.float32)
    for strand, end, length in zip(strands, np.cumsum(lengths).tolist(), lengths, strict=True):
        probabilities[end - length : end, end - length : end] = strand["probabilities"]
    return {
        "structure": np.array("".join(str(strand["structure"]) for strand in strands)),
        "energies": np.sum([strand["energies"] for strand in strands], axis=0),
        "probabilities": probabilities,
    }


def _windowed_means(query: _Query) -> Float32[np.ndarray, "n n"]:
    """Means of the probability of each pair i < j over the windows that hold it."""
    import RNA

    length = len(query.strands[0])
    upper = np.zeros((length, length), dtype=np.float32)

    def take(values: Sequence[Any], num: int, place: int, most: int, kind: int, data: object) -> None:
        upper[place - 1, place : len(values) - 1] = values[place + 1 :]  # both counted from 1

    query.slide(RNA.PROBS_WINDOW_BPP, 0, take)
    return upper


def _opening(strand: _Query) -> Float32[np.ndarray, "n"]:
    import RNA

    length = len(strand.strands[0])
    unpaired = np.ones((length, STRETCH + 1))  # at [i, u] of u residues, the last of which is i

    def take(values: Sequence[Any], num: int, place: int, most: int, kind: int, data: object) -> None:
        unpaired[place - 1, 1 : num + 1] = values[1 : num + 1]

    strand.slide(RNA.PROBS_WINDOW_UP, STRETCH, take)
    places = np.arange(length)
    first, last = (places - STRETCH // 2).clip(min=0), (places + STRETCH // 2).clip(max=length - 1)
    chance = unpaired[last, last - first + 1].clip(1e-30, 1)
    return (-strand.conditions.thermal_energy * np.log(chance)).astype(np.float32)


def _stacking(query: _Query, probabilities: Float32[np.ndarray, "n n"]) -> Float32[np.ndarray, "n"]:
    """The energy of each stack (i, j), (i+1, j-1), a quarter to each of its residues."""
    bases = encode("".join(query.strands))
    table = np.array(query.compound().params.stack, dtype=np.float64) / 100  # in hundredths of kcal/mol
    strand = np.repeat(np.arange(len(query.strands)), [len(one) for one in query.strands])
    both = np.triu(np.minimum(probabilities[:-1, 1:], probabilities[1:, :-1]), 1)  # at [i, j - 1]
    unbroken = strand[:-1] == strand[1:]
    i, j = np.nonzero((both > 0) & unbroken[:, None] & unbroken[None, :])
    j = j + 1
    stack = table[_PAIR_TYPES[bases[i], bases[j]], _PAIR_TYPES[bases[j - 1], bases[i + 1]]]
    share = np.minimum(probabilities[i, j], probabilities[i + 1, j - 1]) * stack / 4
    total = np.zeros(len(bases))
    for place in (i, i + 1, j - 1, j):
        np.add.at(total, place, share)
    return total.astype(np.float32)
