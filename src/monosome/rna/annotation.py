"""All that is read off one structure: base pairs, stacking, secondary structure, torsions, puckers, motifs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from monosome.rna.chain import Chain, join
from monosome.rna.clashes import Clashscore, clashscore
from monosome.rna.dotbracket import dot_bracket, with_breaks
from monosome.rna.files import INSERTION_CODES, read_structure
from monosome.rna.interactions import Interactions, find_interactions
from monosome.rna.motifs import Motifs, find_motifs
from monosome.rna.stereochemistry import Stereochemistry, stereochemistry
from monosome.rna.torsions import TORSION_NAMES, Torsions, torsions


@dataclass(frozen=True, eq=False)
class Annotation:
    """What is there in a molecule of one or more chains; residues are counted from 0 through all of them.

    `structure` is the dot-bracket form, pseudoknots included, a letter for each residue. `notes` say what reading the
    file left out.
    """

    chains: tuple[Chain, ...]
    molecule: Chain
    names: tuple[str, ...]
    interactions: Interactions
    structure: str
    torsions: Torsions
    motifs: Motifs
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values, residues by name; undefined angles are None, and `&` ends a strand."""
        return {
            "length": len(self.molecule),
            "sequence": with_breaks(self.molecule.sequence, self.molecule.segments),
            "dot_bracket": with_breaks(self.structure, self.molecule.segments),
            "chains": _chains(self),
            "pairs": [
                {"residues": self._named((pair.i, pair.j)), "kind": pair.kind, "canonical": pair.is_canonical}
                for pair in self.interactions.pairs
            ],
            "stacks": [
                {"residues": self._named((stack.i, stack.j)), "kind": stack.kind} for stack in self.interactions.stacks
            ],
            "motifs": _motifs(self),
            "geometry": _geometry(self),
            "residues": _residues(self),
            "notes": list(self.notes),
        }

    def _named(self, residues: Sequence[int]) -> list[str]:
        return [self.names[residue] for residue in residues]

    @cached_property
    def stereochemistry(self) -> Stereochemistry:
        """Bonds, angles, chiral centres and links that are off."""
        return stereochemistry(self.molecule)

    @cached_property
    def clashes(self) -> Clashscore:
        """How many atoms lie inside each other."""
        return clashscore(self.molecule)


def annotate(structure: Sequence[Chain] | Path | str) -> Annotation:
    """The annotation of chains together, or of all RNA chains of a PDB or mmCIF file (its first model).

    Raises DataError where the file cannot be read or holds no RNA.
    """
    if isinstance(structure, Path | str):
        reading = read_structure(structure)
        chains, notes = reading.chains, reading.notes
    else:
        chains, notes = tuple(structure), ()
    molecule = join(chains)
    interactions = find_interactions(molecule)
    return Annotation(
        chains=chains,
        molecule=molecule,
        names=tuple(name for chain in chains for name in residue_names(chain)),
        interactions=interactions,
        structure=dot_bracket(len(molecule), [(pair.i, pair.j) for pair in interactions.pairs if pair.is_canonical]),
        torsions=torsions(molecule),
        motifs=find_motifs(molecule, interactions),
        notes=notes,
    )


def residue_names(chain: Chain) -> list[str]:
    """Names such as A.G15, and A.G15^B for a second residue of number 15."""
    return [
        f"{chain.id}.{base}{number}" + (f"^{INSERTION_CODES[repeat % len(INSERTION_CODES)]}" if repeat else "")
        for base, (number, repeat) in zip(chain.sequence, chain.labels, strict=True)
    ]


def _chains(annotation: Annotation) -> list[dict[str, Any]]:
    """Each chain with its part of the sequence and of the structure, a letter for each residue."""
    ends = np.cumsum([len(chain) for chain in annotation.chains]).tolist()
    return [
        {
            "id": chain.id,
            "length": len(chain),
            "sequence": chain.sequence,
            "dot_bracket": annotation.structure[end - len(chain) : end],
        }
        for chain, end in zip(annotation.chains, ends, strict=True)
    ]


def _residues(annotation: Annotation) -> list[dict[str, Any]]:
    found = annotation.torsions
    angles = {name: getattr(found, name).tolist() for name in (*TORSION_NAMES, "phase", "amplitude")}
    numbers, puckers = annotation.molecule.residue_numbers.tolist(), found.puckers
    return [
        {
            "name": annotation.names[index],
            "base": base,
            "number": numbers[index],
            **{name: _degrees(values[index]) for name, values in angles.items()},
            "pucker": puckers[index],
        }
        for index, base in enumerate(annotation.molecule.sequence)
    ]


def _degrees(angle: float) -> float | None:
    return None if np.isnan(angle) else round(angle, 2)


def _geometry(annotation: Annotation) -> dict[str, Any]:
    found, clashes = annotation.stereochemistry, annotation.clashes
    checks = {"bonds": found.bonds, "angles": found.angles, "chiral_centres": found.centres, "links": found.links}
    return {
        name: {
            "num": check.num,
            "within": check.within,
            "outliers": [
                {
                    "residue": annotation.names[one.residue],
                    "atoms": one.atoms,
                    "value": round(one.value, 3),
                    "deviations": round(one.deviations, 1) if np.isfinite(one.deviations) else None,
                }
                for one in check.outliers
            ],
        }
        for name, check in checks.items()
    } | {
        "clashscore": clashes.score,
        "num_clashes": clashes.num_clashes,
        "num_atoms": clashes.num_atoms,
        "num_hydrogens": clashes.num_hydrogens,
    }


def _motifs(annotation: Annotation) -> dict[str, Any]:
    named = annotation._named
    motifs = annotation.motifs
    return {
        "helices": [{"pairs": [named(pair) for pair in helix.pairs]} for helix in motifs.helices],
        "loops": [
            {
                "kind": loop.kind,
                "name": loop.name,
                "sizes": list(loop.sizes),
                "tetraloop": loop.tetraloop or None,
                "closing": [named(pair) for pair in loop.closing],
                "strands": [named(strand) for strand in loop.strands],
            }
            for loop in motifs.loops
        ],
        "isolated": [named(pair) for pair in motifs.isolated],
        "pseudoknots": [
            {"pairs": [named(pair) for pair in knot.pairs], "loops": list(knot.loops), "kissing": knot.is_kissing}
            for knot in motifs.pseudoknots
        ],
        "triples": [
            {"residues": named(triple.residues), "kinds": [pair.kind for pair in triple.pairs]}
            for triple in motifs.triples
        ],
        "a_minors": [
            {"adenine": annotation.names[contact.adenine], "pair": named(contact.pair)} for contact in motifs.a_minors
        ],
    }
