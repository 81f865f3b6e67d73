"""C1' of a whole target in three ways: folded by the network, laid out from base pairs, or wound up as helices."""

import functools
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from monosome.errors import DataError
from monosome.hardware.limits import allowed_memory_bytes
from monosome.rna.evidence import Given
from monosome.rna.geometry import helix_frames
from monosome.rna.kaggle import Target, foldable
from monosome.rna.nucleotides import HELIX, encode
from monosome.rna.pairing import pairs_of, predict_pairing
from monosome.rna.predict import Predictor, load
from monosome.rna.start import STRAND_GAP, start_frames
from monosome.rna.submission import HIGHEST, LOWEST, NUM_STRUCTURES
from monosome.rna.templates import TemplateLibrary, Templates

MEMORY_SHARE = 0.8
"""Of the machine's memory, what folding may fill; beyond, the system would end whatever process it likes."""
COIL = 100.0
"""Radius (Å) that the axis of a long helix is wound up with: straight, 4,640 nt would be 12,600 Å long, which is more
than a submission can hold. A turn takes 231 nt; shorter helices stay straight."""

Places = Float32[np.ndarray, "s n 3"]
"""C1' of several structures (Å)."""


CUTOFF = "cutoff"


@dataclass(frozen=True)
class Network:
    """What folds: a checkpoint, the shipped one without, and a library of known structures, none without.

    Of these it takes those from `before` a day: YYYY-MM-DD, each target's own with CUTOFF, "any" takes all.
    """

    checkpoint: str | None = None
    library: Path | None = None
    before: str = CUTOFF


def fingerprint(network: Network) -> str:
    """Which network this is, in a line; this process keeps it.

    Raises CheckpointError as `predict.load`, DataError for a library that cannot be read.
    """
    predictor, library = _loaded(network)
    known = f" {network.library} {len(library.templates)} {network.before}" if library else ""
    return f"{predictor.name} {predictor.fingerprint}{known}"


def folded(target: Target, network: Network, num: int, seed: int) -> Places:
    """Candidates of the network, best first; strands are folded one by one and stand side by side.

    Raises HardwareError where memory runs out, DataError for what a submission cannot hold.
    """
    predictor, library = _loaded(network)
    before = (target.cutoff or "any") if network.before == CUTOFF else network.before
    given = Given(templates=Templates(library, before, 1.0) if library else None)
    found = {
        letters: predictor.fold(foldable(letters), num_models=num, seed=seed, given=given)
        for letters in dict.fromkeys(strand.letters for strand in target.strands)
    }
    strands = [found[strand.letters] for strand in target.strands]
    return _checked([_side_by_side([each[number].chain.atom("C1'") for each in strands]) for number in range(num)])


def laid_out(target: Target, seed: int) -> Places:
    """Five layouts of the base pairs that ViennaRNA finds: of all strands together, see `predict_pairing`.

    Raises DataError for what a submission cannot hold, as a straight strand of 4,640 nt.
    """
    parts = [foldable(strand.letters) for strand in target.strands]
    segments = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    letters = "".join(parts)
    structure = predict_pairing(letters, segments).structure
    molecule, pairs = (torch.from_numpy(segments), torch.from_numpy(encode(letters))), pairs_of(structure)
    frames = [start_frames("paired", *molecule, pairs, seed + number) for number in range(NUM_STRUCTURES)]
    return _checked([each.translations.numpy() for each in frames])


def helices(target: Target) -> Float32[np.ndarray, "n 3"]:
    """Each strand as an A-form helix, those of more than a turn wound up: what takes no time at all."""
    return _side_by_side([_helix(len(strand.letters)) for strand in target.strands])


def _helix(length: int) -> Float32[np.ndarray, "n 3"]:
    if length * HELIX.rise <= 2 * math.pi * COIL:
        return helix_frames(length).translations.numpy()
    climb = STRAND_GAP / (2 * math.pi)
    step = np.arange(length)
    angle, turn = step * HELIX.rise / math.hypot(COIL, climb), step * HELIX.twist
    cosine, sine, zero = np.cos(angle), np.sin(angle), np.zeros(length)
    axis = np.stack([COIL * cosine, COIL * sine, climb * angle], axis=-1)
    inward = np.stack([-cosine, -sine, zero], axis=-1)
    across = np.stack([climb * sine, -climb * cosine, zero + COIL], axis=-1) / math.hypot(COIL, climb)
    radius = float(np.hypot(*HELIX.origin[:2]))
    return (axis + radius * (np.cos(turn)[:, None] * inward + np.sin(turn)[:, None] * across)).astype(np.float32)


def _side_by_side(strands: Sequence[Float32[np.ndarray, "_ 3"]]) -> Float32[np.ndarray, "n 3"]:
    """All strands, centred, each in a field of a square grid."""
    field = max(np.ptp(strand, axis=0).max() for strand in strands) + STRAND_GAP
    num_columns = math.ceil(len(strands) ** 0.5)
    parts = [
        strand - strand.mean(axis=0) + field * np.array([number % num_columns, number // num_columns, 0])
        for number, strand in enumerate(strands)
    ]
    together = np.concatenate(parts)
    return np.asarray(together - together.mean(axis=0), dtype=np.float32)


def _checked(structures: Sequence[Float32[np.ndarray, "n 3"]]) -> Places:
    """The structures, moved up where they reach below what a submission can hold."""
    places = np.stack(structures).astype(np.float32)
    lowest, highest = places.min(axis=1, keepdims=True), places.max(axis=1, keepdims=True)
    if not np.isfinite(places).all() or (highest - lowest > HIGHEST - LOWEST - 1).any():
        raise DataError("coordinates that a submission cannot hold")
    return places + (LOWEST + 0.5 - lowest).clip(min=0)


@functools.cache
def _loaded(network: Network) -> tuple[Predictor, TemplateLibrary | None]:
    predictor = load(network.checkpoint)
    library = TemplateLibrary.read(network.library) if network.library else None
    if sys.platform == "linux" and next(predictor.model.parameters()).device.type == "cpu":
        import resource

        # Data alone: torch reserves more addresses than it ever fills. Beyond the limit an allocation fails.
        limit = int(MEMORY_SHARE * allowed_memory_bytes())
        resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    return predictor, library
