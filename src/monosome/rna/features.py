"""What the network is told of a chain: its sequence, its strands, and what is known besides. Never coordinates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Int64

from monosome.errors import DataError
from monosome.rna.evolution import Evolution
from monosome.rna.nucleotides import BASES, CAN_PAIR, encode
from monosome.rna.pairing import LocalEnergies, Pairing, pairs_of

MAX_OFFSET = 32
"""Residues further apart than this along a strand look the same (Jumper et al. 2021, Suppl. Alg. 4)."""
NUM_OFFSETS = 2 * MAX_OFFSET + 2
"""Clipped offsets, and one more for two residues on different strands."""
WINDOW = (-2, -1, 1, 2)
"""Neighbours along the strand whose bases a residue knows: a window of five."""
ENERGY_UNIT = 5.0
"""kcal/mol per unit of an energy channel; a stack gives about 2, opening a stem 5 to 20."""

Source = Literal["context", "thermodynamics", "structures", "samples", "evolution", "probing", "embedding"]


@dataclass(frozen=True)
class Input:
    """Where an input lies in the features: its channels (first, and one after the last), and the value of none."""

    where: Literal["single", "pair", "offsets"]
    channels: tuple[int, int] = (0, 0)
    unknown: int = 0


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of a chain besides its sequence; None where it is not, NaN where it is not of one residue.

    `samples` are structures drawn from ViennaRNA's ensemble, in dot-bracket form.
    """

    pairing: Pairing
    energies: LocalEnergies | None = None
    evolution: Evolution | None = None
    reactivities: Float32[np.ndarray, "n"] | None = None
    embedding: Float32[np.ndarray, "n c"] | None = None
    samples: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Features:
    """Inputs of the network for one chain; which channel is what is told by `layout`.

    `offsets`: clipped distance along the strand, as a class.
    """

    single: Float32[np.ndarray, "n f"]
    pair: Float32[np.ndarray, "n n g"]
    offsets: Int64[np.ndarray, "n n"]

    def crop(self, residues: Int64[np.ndarray, "m"]) -> "Features":
        """The features of some residues, as the whole chain gave them."""
        square = np.ix_(residues, residues)
        return Features(self.single[residues], self.pair[square], self.offsets[square])

    def disturbed(self, wanted: Input, seed: int | None) -> "Features":
        """These with one input shuffled over residues (rows and columns of pairs alike); unknown without a seed."""
        values = getattr(self, wanted.where).copy()
        part = values if wanted.where == "offsets" else values[..., slice(*wanted.channels)]
        if seed is None:
            part[...] = wanted.unknown
        else:
            order = np.random.default_rng(seed).permutation(len(part))
            part[...] = part[order] if wanted.where == "single" else part[order][:, order]
        return replace(self, **{wanted.where: values})


_Part = tuple[Literal["single", "pair"], str, int]
"""Where an input lies, its name and its channels."""
_ALWAYS: Sequence[_Part] = (
    ("single", "bases", len(BASES)),
    ("single", "unpaired probability", 1),
    ("single", "strand ends", 2),
    ("pair", "pair probabilities", 1),
    ("pair", "complementary bases", 1),
)
_FURTHER: Mapping[Source, Sequence[_Part]] = {
    "context": [("single", "neighbouring bases", len(WINDOW) * len(BASES))],
    "thermodynamics": [
        ("single", "positional entropy", 1),
        ("single", "stacking energy", 1),
        ("single", "opening energy", 1),
        ("single", "ensemble", 4),
    ],
    "structures": [("pair", "secondary structures", 3)],
    "samples": [("pair", "sampled structures", 1)],
    "evolution": [
        ("single", "conservation", 1),
        ("single", "gap share", 1),
        ("single", "alignment depth", 1),
        ("pair", "covariation", 1),
    ],
    "probing": [("single", "reactivity", 2)],
    "embedding": [("single", "embedding", 0)],
}
"""Inputs of each source with their channels; an embedding has as many as its language model."""


def layout(sources: Sequence[Source], embedding_channels: int) -> dict[str, Input]:
    """The network's inputs by name, in the order of their channels: those it always has, then those of the sources."""
    found: dict[str, Input] = {}
    ends = {"single": 0, "pair": 0}
    for where, name, width in (*_ALWAYS, *(part for source in sources for part in _FURTHER[source])):
        width = embedding_channels if name == "embedding" else width
        found[name] = Input(where, (ends[where], ends[where] + width))
        ends[where] += width
    return found | {"distance along the strand": Input("offsets", unknown=NUM_OFFSETS - 1)}


def num_channels(inputs: Mapping[str, Input], where: Literal["single", "pair"]) -> int:
    """Channels of all inputs of a residue, or of a pair of residues."""
    return max(each.channels[1] for each in inputs.values() if each.where == where)


def featurise(
    sequence: str, segments: Int64[np.ndarray, "n"], evidence: Evidence, inputs: Mapping[str, Input]
) -> Features:
    """The features of a chain from its sequence and what is known of it; what is not known is zero.

    Raises DataError for an embedding that has not the channels of its input.
    """
    length = len(sequence)
    single = np.zeros((length, num_channels(inputs, "single")), dtype=np.float32)
    pair = np.zeros((length, length, num_channels(inputs, "pair")), dtype=np.float32)
    for name, each in inputs.items():
        if each.where != "offsets":
            values = _values(name, sequence, segments, evidence)
            if values is not None:
                width = each.channels[1] - each.channels[0]
                if values.shape[-1] != width:  # all others have theirs by construction
                    fault = f"the embedding has {values.shape[-1]} channels, the recipe {width}"
                    raise DataError(fault, f"model.embedding_channels={values.shape[-1]}")
                (single if each.where == "single" else pair)[..., slice(*each.channels)] = values
    return Features(single, pair, _offsets(segments))


def _values(
    name: str, sequence: str, segments: Int64[np.ndarray, "n"], evidence: Evidence
) -> Float[np.ndarray, "n ..."] | None:
    """One input of a chain, its channels last."""
    bases, pairing, energies, evolution = encode(sequence), evidence.pairing, evidence.energies, evidence.evolution
    match name:
        case "bases":
            return _ONE_HOT[bases]
        case "unpaired probability":
            return pairing.unpaired[:, None]
        case "strand ends":
            breaks = np.diff(segments, prepend=-1, append=segments[-1] + 1) != 0
            return np.stack([breaks[:-1], breaks[1:]], axis=1).astype(np.float32)
        case "pair probabilities":
            return pairing.probabilities[..., None]
        case "complementary bases":
            return CAN_PAIR[bases[:, None], bases[None, :], None].astype(np.float32)
        case "neighbouring bases":
            return _neighbours(bases, segments)
        case "positional entropy":
            return pairing.positional_entropy[:, None]
        case "stacking energy":
            return energies.stacking[:, None] / ENERGY_UNIT if energies else None
        case "opening energy":
            return energies.opening[:, None] / ENERGY_UNIT if energies else None
        case "ensemble":
            return np.tile(_ensemble(pairing), (len(bases), 1))
        case "secondary structures":
            kinds = (pairing.structure, pairing.centroid, pairing.mea)
            return np.stack([_contacts([structure]) for structure in kinds], axis=-1)
        case "sampled structures":
            return _contacts(evidence.samples)[..., None] if evidence.samples else None
        case "conservation":
            return evolution.conservation[:, None] if evolution else None
        case "gap share":
            return evolution.gap_share[:, None] if evolution else None
        case "alignment depth":
            return np.full((len(bases), 1), np.log10(evolution.effective_depth + 1)) if evolution else None
        case "covariation":
            return _standardised(evolution.coupling)[..., None] if evolution else None
        case "reactivity":
            return _with_flag(evidence.reactivities) if evidence.reactivities is not None else None
        case "embedding":
            return evidence.embedding
    raise KeyError(name)


def _neighbours(bases: Int64[np.ndarray, "n"], segments: Int64[np.ndarray, "n"]) -> Float32[np.ndarray, "n c"]:
    """The bases at WINDOW along the same strand, one-hot, nothing where the strand has ended."""
    places = np.arange(len(bases))[:, None] + np.array(WINDOW)
    inside = (places >= 0) & (places < len(bases))
    places = places.clip(0, len(bases) - 1)
    same = inside & (segments[places] == segments[:, None])
    return (_ONE_HOT[bases[places]] * same[..., None]).reshape(len(bases), -1)


def _ensemble(pairing: Pairing) -> Float32[np.ndarray, "4"]:
    """Of the molecule: MFE, ensemble energy (kcal/mol) and diversity per residue, and P(MFE); 0 where none is known."""
    per_residue = np.array([pairing.mfe, pairing.ensemble_energy, pairing.diversity])
    return np.nan_to_num([*(per_residue / len(pairing.structure)), pairing.mfe_probability]).astype(np.float32)


def _contacts(structures: Sequence[str]) -> Float32[np.ndarray, "n n"]:
    """Share of the structures that have a pair."""
    length = len(structures[0])
    counts = np.zeros((length, length), dtype=np.float32)
    for structure in structures:
        for i, j in pairs_of(structure):
            counts[i, j] = counts[j, i] = counts[i, j] + 1
    return counts / np.float32(len(structures))


def _standardised(coupling: Float32[np.ndarray, "n n"]) -> Float32[np.ndarray, "n n"]:
    """Couplings in standard deviations of the chain's own, so that alignments of any depth look alike."""
    return np.asarray(coupling / max(float(coupling.std()), 1e-6), dtype=np.float32)


def _with_flag(values: Float32[np.ndarray, "n"]) -> Float32[np.ndarray, "n 2"]:
    """The values, 0 where they are missing, and whether they are there."""
    known = np.isfinite(values)
    return np.stack([np.where(known, values, 0), known], axis=1).astype(np.float32)


_ONE_HOT = np.eye(len(BASES), dtype=np.float32)


def _offsets(segments: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n n"]:
    places = np.arange(len(segments))
    clipped = np.clip(places[:, None] - places[None, :], -MAX_OFFSET, MAX_OFFSET) + MAX_OFFSET
    return np.where(segments[:, None] == segments[None, :], clipped, NUM_OFFSETS - 1)
