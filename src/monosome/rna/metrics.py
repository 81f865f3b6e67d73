"""How close a model is to the native structure: the scores that CASP, RNA-Puzzles and Kaggle report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from monosome.errors import ConfigError, nearest
from monosome.rna.chain import Chain
from monosome.rna.comparison import Comparison, Reference, ResidueScores
from monosome.rna.matching import PairedBy, match, match_structures
from monosome.rna.motif_scores import MotifScore
from monosome.rna.nucleotides import ATOM_NAMES

Mode = Literal["residue", "sequence"]
Detail = Literal["residues", "motifs"]
Structure = Reference | Chain | Path | str
METRICS = (
    *("tm_score", "rmsd", "rmsd_atom", "lddt", "lddt_stereo", "gdt_ts", "inf_all", "inf_wc", "inf_nwc", "inf_stack"),
    *("di", "clashscore", "mcq", "ermsd"),
)
"""All there are, in the order they are reported in."""


@dataclass(frozen=True)
class Assessment:
    """Scores of a model; None where undefined or not asked for.

    `length` counts the residues of the native that have `atom`, `num_common` those that the model has too,
    `num_differing` residues in common with another base. `rotation` and `translation` (Å) bring the model onto the
    native as TM-score has it: R·x + t.
    """

    length: int
    mode: Mode
    atom: str
    paired_by: PairedBy
    num_common: int
    num_differing: int
    tm_score: float | None = None
    """On `atom`, 0 to 1."""
    rmsd: float | None = None
    """Over all heavy atoms in common after the best superposition (Å)."""
    rmsd_atom: float | None = None
    """The same over `atom` alone."""
    lddt: float | None = None
    """All heavy atoms, 0 to 1, without a check of stereochemistry."""
    lddt_stereo: float | None = None
    """The same without the model's atoms that are ill-bonded or clash."""
    gdt_ts: float | None = None
    """On `atom`, 0 to 1."""
    inf_all: float | None = None
    """Interaction network fidelity of all base pairs and stacks, 0 to 1."""
    inf_wc: float | None = None
    inf_nwc: float | None = None
    inf_stack: float | None = None
    di: float | None = None
    """Deformation index: rmsd / inf_all (Å)."""
    clashscore: float | None = None
    """Overlaps of 0.4 Å and more per 1,000 atoms of the model, see rna.clashes."""
    mcq: float | None = None
    """Mean of circular quantities of torsion differences (degrees)."""
    ermsd: float | None = None
    rotation: tuple[tuple[float, ...], ...] | None = None
    translation: tuple[float, ...] | None = None
    residues: tuple[ResidueScores, ...] | None = None
    motifs: tuple[MotifScore, ...] | None = None
    notes: tuple[str, ...] = ()


def assess(
    model: Structure,
    native: Structure | Sequence[Structure],
    atom: str = "C1'",
    *,
    mode: Mode | None = None,
    metrics: Sequence[str] = METRICS,
    details: Sequence[Detail] = (),
) -> Assessment:
    """Scores of a model against a native; both are chains, or PDB or mmCIF files.

    Residues are paired by number, or by their sequences where numbers differ; mode "residue" insists on numbers, mode
    "sequence" pairs them by structure alone, as US-align does. Of several natives the one with the highest TM-score
    counts. `details` add the scores of each residue or motif. Raises DataError for files that cannot be read or
    molecules that are not related, ConfigError for a metric or an atom that does not exist.
    """
    natives = [native] if isinstance(native, Structure) else list(native)
    references, ours = [Reference.read(each) for each in natives], Reference.read(model)
    wanted = tuple(metrics) if len(natives) == 1 else ("tm_score", *metrics)
    found = [score(ours, each, atom, mode=mode, metrics=wanted, details=details) for each in references]
    return max(found, key=lambda one: one.tm_score or 0.0)


def score(
    model: Reference,
    native: Reference,
    atom: str = "C1'",
    *,
    mode: Mode | None = None,
    metrics: Sequence[str] = METRICS,
    details: Sequence[Detail] = (),
) -> Assessment:
    """The same of structures that are read. Raises as `assess`."""
    for name in metrics:
        if name not in METRICS:
            raise ConfigError(f"there is no metric {name!r}", nearest(name, METRICS))
    if atom not in ATOM_NAMES:
        raise ConfigError(f"RNA has no atom {atom!r}", nearest(atom, ATOM_NAMES))
    if mode == "sequence":
        matching = match_structures(model.chains, native.chains, atom)
    else:
        matching = match(model.chains, native.chains, by_number_only=mode == "residue")
    comparison = Comparison(model, native, matching, atom)
    motion = comparison.tm if "tm_score" in metrics else None
    return Assessment(
        length=comparison.length,
        mode=mode or "residue",
        atom=atom,
        paired_by=matching.paired_by,
        num_common=len(comparison.points[0]),
        num_differing=matching.num_differing,
        **{name: getattr(comparison, name) for name in METRICS if name in metrics},
        rotation=tuple(tuple(row) for row in motion.rotation.tolist()) if motion else None,
        translation=tuple(motion.translation.tolist()) if motion else None,
        residues=comparison.residues if "residues" in details else None,
        motifs=comparison.motifs if "motifs" in details else None,
        notes=(*model.notes, *matching.notes),
    )
