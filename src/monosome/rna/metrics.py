"""How close a model is to the native structure: TM-score and RMSD over residues paired by number."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32

from monosome.config import nearest
from monosome.errors import ConfigError, DataError
from monosome.rna.chain import Chain
from monosome.rna.files import read_structure
from monosome.rna.nucleotides import ATOM_NAMES, BACKBONE
from monosome.rna.superposition import move, superpose
from monosome.rna.tm_score import tm_score

MIN_POINTS = 3
"""Fewer points than this superpose in more than one way: what depends on it is undefined."""
MAX_DIFFERING = 0.1
"""Share of paired residues that may differ in base, as in a mutant; of 353 published model and native pairs 18 differ
in a third to nine tenths, having lost their numbering, and the others in 4 % at most."""


@dataclass(frozen=True, eq=False)
class Pairing:
    """The residues that model and native have in common, and the native as a whole (Å, NaN where missing).

    Where the bases differ (`num_differing`) the model's base is left out: the names of its atoms mean other places.
    """

    model: Float32[np.ndarray, "n 27 3"]
    common: Float32[np.ndarray, "n 27 3"]
    native: Float32[np.ndarray, "m 27 3"]
    num_differing: int


@dataclass(frozen=True)
class Assessment:
    """Scores of a model; None where undefined (fewer than three points).

    `length` counts the residues of the native that have `atom`, `num_common` those that both have; `rmsd` runs over all
    heavy atoms in common, `rmsd_atom` over `atom` alone, both after their own best superposition (Å). `num_differing`
    residues in common have another base in the model.
    """

    length: int
    mode: Literal["residue"]
    atom: str
    tm_score: float | None
    rmsd: float | None
    rmsd_atom: float | None
    num_common: int
    num_differing: int


def assess(model: Chain | Path | str, native: Chain | Path | str, atom: str = "C1'") -> Assessment:
    """TM-score and RMSD of a model, residues paired by number; both are chains or PDB or mmCIF files.

    Raises DataError where they do not fit together or cannot be read.
    """
    return score(pair(_chains(model), _chains(native)), atom)


def _chains(structure: Chain | Path | str) -> Sequence[Chain]:
    return [structure] if isinstance(structure, Chain) else read_structure(structure).chains


def pair(models: Sequence[Chain], natives: Sequence[Chain]) -> Pairing:
    """Residues of the same number in each chain of the model and of the native, chains taken in order.

    Inserted residues, which repeat a number, are told apart by their order. Raises DataError when the numbers of
    chains differ, no residue is in common, or more than MAX_DIFFERING of those in common differ in base.
    """
    if len(models) != len(natives):
        raise DataError(
            f"the model has {len(models)} RNA chains, the native {len(natives)}", "give files with the same chains"
        )
    places = [_places(model, native) for model, native in zip(models, natives, strict=True)]
    model, common = (_joined(chains, [part[side] for part in places]) for side, chains in enumerate((models, natives)))
    if not len(model):
        raise DataError(f"no residue number is in common: model {_range(models)}, native {_range(natives)}")
    differing = [index for index, letter in enumerate(model.sequence) if letter != common.sequence[index]]
    if len(differing) > MAX_DIFFERING * len(model):
        first = differing[0]
        letters = f"{model.sequence[first]} in the model, {common.sequence[first]} in the native"
        raise DataError(
            f"{len(differing)} of {len(model)} residues in common differ in base, the first is number "
            f"{common.residue_numbers[first]}: {letters}",
            "number both alike; residues are paired by number",
        )
    atoms = model.atoms.copy()
    atoms[differing, len(BACKBONE) :] = np.nan
    return Pairing(atoms, common.atoms, np.concatenate([native.atoms for native in natives]), len(differing))


def _places(model: Chain, native: Chain) -> tuple[list[int], list[int]]:
    """Places in both of the residues with the same number."""
    places = {label: index for index, label in enumerate(model.labels)}
    pairs = [(places[label], index) for index, label in enumerate(native.labels) if label in places]
    return [first for first, _ in pairs], [second for _, second in pairs]


def _joined(chains: Sequence[Chain], places: Sequence[list[int]]) -> Chain:
    parts = [chain.subset(np.array(chosen, dtype=np.int64)) for chain, chosen in zip(chains, places, strict=True)]
    return Chain(
        id=parts[0].id,
        sequence="".join(part.sequence for part in parts),
        atoms=np.concatenate([part.atoms for part in parts]),
        residue_numbers=np.concatenate([part.residue_numbers for part in parts]),
        segments=np.concatenate([part.segments for part in parts]),
    )


def _range(chains: Sequence[Chain]) -> str:
    return ", ".join(f"{chain.residue_numbers.min()} to {chain.residue_numbers.max()}" for chain in chains)


def score(pairing: Pairing, atom: str = "C1'") -> Assessment:
    """The scores of residues that are paired. Raises ConfigError for an atom that RNA does not have."""
    if atom not in ATOM_NAMES:
        raise ConfigError(f"RNA has no atom {atom!r}", nearest(atom, ATOM_NAMES))
    slot = ATOM_NAMES.index(atom)
    length = int(np.isfinite(pairing.native[:, slot]).all(axis=-1).sum())
    model, native = _both(pairing.model[:, slot], pairing.common[:, slot])
    defined = len(model) >= MIN_POINTS
    found = tm_score(model, native, length) if defined else None
    return Assessment(
        length=length,
        mode="residue",
        atom=atom,
        tm_score=found.score if found else None,
        rmsd=rmsd(*_both(pairing.model.reshape(-1, 3), pairing.common.reshape(-1, 3))),
        rmsd_atom=rmsd(model, native),
        num_common=len(model),
        num_differing=pairing.num_differing,
    )


def _both(
    model: Float32[np.ndarray, "n 3"], native: Float32[np.ndarray, "n 3"]
) -> tuple[Float32[np.ndarray, "m 3"], Float32[np.ndarray, "m 3"]]:
    """The points that both have."""
    known = np.isfinite(model).all(axis=-1) & np.isfinite(native).all(axis=-1)
    return model[known], native[known]


def rmsd(model: Float[np.ndarray, "n 3"], native: Float[np.ndarray, "n 3"]) -> float | None:
    """Root-mean-square distance after the best superposition (Å); None for fewer than three points."""
    if len(model) < MIN_POINTS:
        return None
    moved = move(model.astype(np.float64), *superpose(model, native))
    return float(np.sqrt(np.square(moved - native).sum(axis=-1).mean()))
