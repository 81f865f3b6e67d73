"""A model laid on its native, residue for residue, and every score of it once it is asked for."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from monosome.rna.chain import Chain, join
from monosome.rna.clashes import clashscore
from monosome.rna.ermsd import Ermsd, ermsd
from monosome.rna.files import read_models, read_structure
from monosome.rna.gdt import gdt_ts
from monosome.rna.inf import Fidelity, inf
from monosome.rna.interactions import Interactions, find_interactions, renumber
from monosome.rna.lddt import Contacts, Lddt, find_contacts, kept_shares, lddt
from monosome.rna.matching import Matching
from monosome.rna.motif_scores import MotifScore, score_motifs
from monosome.rna.nucleotides import ATOM_INDEX
from monosome.rna.stereochemistry import bad_atoms
from monosome.rna.superposition import MIN_POINTS, move, superpose
from monosome.rna.tm_score import TMScore, tm_score
from monosome.rna.torsions import mcq, torsion_differences


@dataclass(frozen=True, eq=False)
class Reference:
    """The chains of a structure, and what is worked out of a native once for all of its models."""

    chains: tuple[Chain, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, structure: "Reference | Chain | Path | str") -> "Reference":
        """The molecule of a file, or of one chain."""
        if isinstance(structure, Reference):
            return structure
        if isinstance(structure, Chain):
            return cls((structure,))
        reading = read_structure(structure)
        return cls(reading.chains, reading.notes)

    @classmethod
    def read_ensemble(cls, path: Path | str) -> "tuple[Reference, ...]":
        """The molecule of every model of a file, as of an NMR ensemble."""
        return tuple(cls(reading.chains, reading.notes) for reading in read_models(path))

    @cached_property
    def whole(self) -> Chain:
        """All chains as one."""
        return join(self.chains)

    @cached_property
    def contacts(self) -> Contacts:
        """Pairs of atoms that lDDT compares."""
        return find_contacts(self.whole.atoms)

    @cached_property
    def interactions(self) -> Interactions:
        """Base pairs and stacks."""
        return find_interactions(self.whole)


@dataclass(frozen=True)
class ResidueScores:
    """Scores at one residue of the native; None where the model, or what is compared, is missing.

    `distance` is that of `atom` once the model is moved as TM-score has it (Å), `mcq` the mean difference of torsions
    (degrees), `ermsd` the square root of what the residue adds to the mean of eRMSD's squares.
    """

    chain: str
    number: int
    base: str
    distance: float | None
    lddt: float | None
    mcq: float | None
    ermsd: float | None


class Comparison:
    """The scores of a model, each worked out when it is asked for; None where undefined."""

    def __init__(self, whole: Reference, reference: Reference, matching: Matching, atom: str) -> None:
        self.whole, self.reference, self.matching = whole.whole, reference, matching
        self.model, self.native = matching.model, matching.native
        self.atom = atom
        self.length = int(self.native.resolved[:, ATOM_INDEX[atom]].sum())

    @cached_property
    def points(self) -> tuple[Float32[np.ndarray, "p 3"], Float32[np.ndarray, "p 3"]]:
        """`atom` of model and native where both have it, copies of a chain in their best order."""
        return _both(self.matching.fitted.atom(self.atom), self.native.atom(self.atom))

    @cached_property
    def tm(self) -> TMScore | None:
        """TM-score with its superposition; None for fewer than three points."""
        return tm_score(*self.points, self.length) if len(self.points[0]) >= MIN_POINTS else None

    @property
    def tm_score(self) -> float | None:
        """On `atom`, normalised by the native, 0 to 1."""
        return self.tm.score if self.tm else None

    @cached_property
    def rmsd(self) -> float | None:
        """Over all heavy atoms of the same name (Å)."""
        return rmsd(*_both(self.matching.by_name.reshape(-1, 3), self.native.atoms.reshape(-1, 3)))

    @property
    def rmsd_atom(self) -> float | None:
        """Over `atom` (Å)."""
        return rmsd(*_both(self.model.atom(self.atom), self.native.atom(self.atom)))

    @cached_property
    def kept_shares(self) -> Float32[np.ndarray, "p"]:
        """How well the model keeps the native's distances."""
        return kept_shares(self.model.atoms, self.reference.contacts)

    @cached_property
    def local(self) -> Lddt:
        """lDDT, of the whole and by residue."""
        return lddt(self.kept_shares, self.reference.contacts)

    @property
    def lddt(self) -> float | None:
        """Of all heavy atoms, 0 to 1."""
        return self.local.score

    @property
    def lddt_stereo(self) -> float | None:
        """The same where atoms of the model that are ill-bonded or clash keep nothing."""
        return lddt(self.kept_shares, self.reference.contacts, bad_atoms(self.model)).score

    @property
    def gdt_ts(self) -> float | None:
        """On `atom`, 0 to 1."""
        return gdt_ts(*self.points, self.length) if len(self.points[0]) >= MIN_POINTS else None

    @cached_property
    def interactions(self) -> Interactions:
        """Base pairs and stacks of the model by the numbers of the native; mutated bases have theirs."""
        return renumber(find_interactions(self.whole), self.matching.places)

    @cached_property
    def fidelity(self) -> Fidelity:
        """What native and model have in common of them."""
        return inf(self.reference.interactions, self.interactions)

    @property
    def inf_all(self) -> float | None:
        """Interaction network fidelity of base pairs and stacks."""
        return self.fidelity.all.inf

    @property
    def inf_wc(self) -> float | None:
        """Of cis Watson–Crick pairs."""
        return self.fidelity.wc.inf

    @property
    def inf_nwc(self) -> float | None:
        """Of all other pairs."""
        return self.fidelity.nwc.inf

    @property
    def inf_stack(self) -> float | None:
        """Of stacks."""
        return self.fidelity.stack.inf

    @property
    def di(self) -> float | None:
        """Deformation index: RMSD over INF (Å)."""
        return self.rmsd / self.inf_all if self.rmsd is not None and self.inf_all else None

    @property
    def clashscore(self) -> float | None:
        """Of the model as a whole, per 1,000 atoms."""
        return clashscore(self.whole).score

    @property
    def mcq(self) -> float | None:
        """Mean of circular quantities of torsion differences (degrees)."""
        return mcq(self.native, self.model)

    @cached_property
    def bases(self) -> Ermsd:
        """eRMSD, of the whole and by residue."""
        return ermsd(self.native, self.model)

    @property
    def ermsd(self) -> float | None:
        """eRMSD."""
        return self.bases.value

    @property
    def motifs(self) -> tuple[MotifScore, ...]:
        """The scores of each motif of the native."""
        return score_motifs(
            self.native, self.model, self.reference.interactions, self.interactions, self.local.per_residue
        )

    @property
    def residues(self) -> tuple[ResidueScores, ...]:
        """The scores of each residue of the native."""
        distances = np.full(len(self.native), np.nan)
        if self.tm:
            moved = move(self.matching.fitted.atom(self.atom).astype(np.float64), self.tm.rotation, self.tm.translation)
            distances = np.linalg.norm(moved - self.native.atom(self.atom), axis=-1)
        torsion = _circular_means(np.radians(torsion_differences(self.native, self.model)))
        columns = (distances, self.local.per_residue, torsion, np.sqrt(self.bases.residues))
        numbers = zip(self.matching.chain_ids, self.native.residue_numbers.tolist(), self.native.sequence, strict=True)
        rows = np.stack(columns, axis=1).tolist()
        return tuple(
            ResidueScores(*label, *(value if math.isfinite(value) else None for value in row))
            for label, row in zip(numbers, rows, strict=True)
        )


def _both(
    model: Float32[np.ndarray, "n 3"], native: Float32[np.ndarray, "n 3"]
) -> tuple[Float32[np.ndarray, "m 3"], Float32[np.ndarray, "m 3"]]:
    """The points that both have."""
    known = np.isfinite(model).all(axis=-1) & np.isfinite(native).all(axis=-1)
    return model[known], native[known]


def _circular_means(angles: Float[np.ndarray, "n t"]) -> Float[np.ndarray, "n"]:
    """Mean of circular quantities of each row in degrees, NaN where it has none."""
    sines, cosines = (np.nansum(part, axis=1) for part in (np.sin(angles), np.cos(angles)))
    return np.where(np.isfinite(angles).any(axis=1), np.degrees(np.arctan2(sines, cosines)), np.nan)


def rmsd(model: Float[np.ndarray, "n 3"], native: Float[np.ndarray, "n 3"]) -> float | None:
    """Root-mean-square distance after the best superposition (Å); None for fewer than three points."""
    if len(model) < MIN_POINTS:
        return None
    moved = move(model.astype(np.float64), *superpose(model, native))
    return float(np.sqrt(np.square(moved - native).sum(axis=-1).mean()))
