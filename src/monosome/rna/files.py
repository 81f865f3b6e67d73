"""Structure files: RNA chains read from PDB and mmCIF, and written to them, through gemmi."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gemmi
import numpy as np
from jaxtyping import Bool, Float, Float32

from monosome.atomic import write_text
from monosome.errors import DataError
from monosome.rna.chain import Chain, find_segments
from monosome.rna.nucleotides import ATOM_INDEX, ATOM_NAMES, BASES
from monosome.rna.residues import Residues, read_residues

COINCIDENT = 0.1
"""Two atoms of a residue closer than this (Å) are one atom written twice; no two heavy atoms come within 1 Å."""

INSERTION_CODES = " ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What tells residues of one number apart in a file."""

MIN_ORDERED = 4
"""Chains up to this length are left in the order of the file."""


SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif")
"""Names of structure files end so, or so and .gz."""


def is_structure(path: Path) -> bool:
    """Whether the name is that of a structure file."""
    return path.name.removesuffix(".gz").lower().endswith(SUFFIXES) and not path.name.startswith(".")


@dataclass(frozen=True)
class Reading:
    """The RNA chains of a file in its order, and notes on what was left out or changed.

    `date` is the day of deposition (YYYY-MM-DD, empty if unknown), `resolution` is in Å.
    """

    chains: tuple[Chain, ...]
    notes: tuple[str, ...]
    date: str
    resolution: float | None


def read_structure(path: Path | str) -> Reading:
    """The RNA chains of the first model of a PDB or mmCIF file (.gz too).

    Chains are named and residues numbered as the authors did (PDB numbering; an inserted residue repeats its number).
    Only residues with coordinates are there. Of alternative locations the one with the highest occupancy is taken.
    Modified residues become their parent by the file's own records, then gemmi's table, else by the base's atoms; DNA,
    proteins and ligands are left out. Raises DataError where nothing can be read or there is no RNA.
    """
    structure = _parse(Path(path))
    num_others = len(structure) - 1
    del structure[1:]
    return _read_model(Path(path), structure, [f"{num_others} further models left out"] if num_others else [])


def read_models(path: Path | str) -> tuple[Reading, ...]:
    """Every model of a file, as of an NMR ensemble, each as `read_structure` gives the first. Raises as it does."""
    structure = _parse(Path(path))
    readings = []
    for index in range(len(structure)):
        alone = structure.clone()
        del alone[index + 1 :]
        del alone[:index]
        readings.append(_read_model(Path(path), alone, []))
    return tuple(readings)


def read_b_factors(path: Path | str) -> dict[tuple[str, int], float]:
    """Mean B factor of each residue of the first model, by chain and number: where models keep their confidence.

    Raises as `read_structure`.
    """
    return {
        (chain.name, residue.seqid.num): sum(atom.b_iso for atom in residue) / len(residue)
        for chain in _parse(Path(path))[0]
        for residue in chain
        if len(residue)
    }


def _parse(path: Path) -> Any:
    if not path.is_file():
        raise DataError(f"there is no file {path}", "give PDB or mmCIF, also .gz")
    if not path.stat().st_size:
        raise DataError(f"{path} is empty", "give PDB or mmCIF, also .gz")
    try:
        structure = gemmi.read_structure(str(path), format=gemmi.CoorFormat.Detect)
        _ = [chain.name for model in structure for chain in model], dict(structure.info.items())  # decodes all bytes
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is not a structure file: {reason}", "give PDB or mmCIF, also .gz") from error
    if not len(structure) or not len(structure[0]):
        raise DataError(f"{path} has no atoms", "give PDB or mmCIF, also .gz")
    structure.setup_entities()
    return structure


def _flatten(path: Path, structure: Any) -> tuple[Residues, list[str]]:
    """The residues of the first model, and the names of its chains."""
    names = [chain.name for chain in structure[0]]
    try:
        return read_residues(structure), names
    except RuntimeError:  # gemmi's arrays hold names of seven letters
        for index, chain in enumerate(structure[0]):
            chain.name = str(index)
            for residue in chain:
                residue.subchain = ""
    try:
        return read_residues(structure), names
    except RuntimeError as error:
        raise DataError(f"{path} is not a structure file: {error}", "give PDB or mmCIF, also .gz") from error


def _read_model(path: Path, structure: Any, notes: list[str]) -> Reading:
    residues, names = _flatten(path, structure)
    chains, without = [], []
    for index, name in enumerate(names):
        found = residues.select(residues.chain == index)
        strand = found.select(found.base >= 0)
        strand = strand.select(strand.in_polymer | strand.is_bonded())  # a ligand is neither
        if not len(strand) or _is_dna(strand):
            without.append(name)
            continue
        remarks = list(_remarks(found, strand))
        if _is_shuffled(strand):
            strand = strand.select(np.lexsort((strand.code, strand.number)))
            remarks.append("put residues into the order of their numbers")
        coincident = _coincident(strand.atoms)
        if coincident.any():
            strand.atoms[coincident] = np.nan
            remarks.append(f"left out {coincident.sum()} atoms that lay on another of their residue")
        chains.append(_chain(name, strand))
        notes = [*notes, *(f"chain {name}: {remark}" for remark in remarks)]
    if not chains:
        raise DataError(f"{path}: there is no RNA in it", "give a PDB or mmCIF file with an RNA chain")
    if without:
        notes = [*notes, f"left out, not RNA: chains {', '.join(without)}"]
    date = dict(structure.info.items()).get("_pdbx_database_status.recvd_initial_deposition_date", "")
    return Reading(tuple(chains), tuple(notes), date, structure.resolution or None)


def _remarks(found: Residues, strand: Residues) -> Iterator[str]:
    """What was changed in a strand, and what was left out of its chain."""
    names = [(name.decode(errors="replace"), BASES[base]) for name, base in zip(strand.name, strand.base, strict=True)]
    modified = sorted({f"{name} as {base}" for name, base in names if name not in BASES})
    if modified:
        yield f"read {', '.join(modified)}"
    unknown = found.name[(found.base < 0) & found.in_polymer]
    if len(unknown):
        kinds = sorted({name.decode(errors="replace") for name in unknown})
        yield f"left out {len(unknown)} residues of unknown base ({', '.join(kinds)})"
    if strand.num_repeated.any():
        yield f"left out {strand.num_repeated.sum()} atoms given again"


def _is_dna(strand: Residues) -> bool:
    """Whether most sugars lack O2'; where any A, C, G or U has it, the others of these names have lost theirs."""
    by_name = np.isin(strand.name, [base.encode() for base in BASES])
    has_hydroxyl = np.isfinite(strand.atoms[:, ATOM_INDEX["O2'"], 0])
    lost = by_name & bool((by_name & has_hydroxyl).any())
    return bool((strand.is_deoxy & ~lost).mean() > 0.5)


def _is_shuffled(strand: Residues) -> bool:
    """Whether more than a quarter of the steps go down in number: in files as deposited next to none do."""
    return bool(np.mean(np.diff(strand.number) < 0) > 0.25) if len(strand) > MIN_ORDERED else False


def _chain(name: str, strand: Residues) -> Chain:
    return Chain(
        id=name,
        sequence="".join(BASES[base] for base in strand.base),
        atoms=strand.atoms,
        residue_numbers=strand.number,
        segments=find_segments(strand.atoms),
    )


def _coincident(atoms: Float32[np.ndarray, "n 27 3"]) -> Bool[np.ndarray, "n 27"]:
    """Which atoms lie on an atom before them in their residue; a NaN is nowhere."""
    first, second = np.triu_indices(atoms.shape[1], k=1)
    rows, pairs = np.nonzero(np.abs(atoms[:, first, 0] - atoms[:, second, 0]) < COINCIDENT)  # few pass on x alone
    near = np.linalg.norm(atoms[rows, first[pairs]] - atoms[rows, second[pairs]], axis=-1) < COINCIDENT
    found = np.zeros(atoms.shape[:2], dtype=bool)
    found[rows[near], second[pairs[near]]] = True
    return found


def write_structure(
    chain: Chain | Sequence[Chain],
    path: Path | str,
    *,
    b_factors: Float[np.ndarray, "n"] | None = None,
    format: Literal["cif", "pdb"] = "cif",
    name: str = "",
) -> None:
    """Write `chain` as an mmCIF or PDB file with its polymer records; `b_factors` (pLDDT) has one value a residue.

    One chain is called A whatever its id; several keep their ids. The entry is called `name`, or by the id of the first
    chain. Raises DataError for coordinates, numbers or ids that do not fit the columns of PDB, and for a number that
    comes more than 27 times.
    """
    chains = [chain] if isinstance(chain, Chain) else list(chain)
    for one in chains:
        if max((repeat for _, repeat in one.labels), default=0) >= len(INSERTION_CODES):
            raise DataError(
                f"a residue number comes more than {len(INSERTION_CODES)} times", "number the residues anew"
            )
        if format == "pdb":
            _check_columns(one)
            if len(chains) > 1 and len(one.id) > 1:
                raise DataError(f"{len(chains)} chains do not fit PDB's one letter for each", "write mmCIF")
    ends = np.cumsum([len(one) for one in chains])
    values = np.split(np.zeros(ends[-1]) if b_factors is None else b_factors, ends[:-1])
    structure = _structure(chains, values, name or chains[0].id)
    text = structure.make_pdb_string(_pdb_options()) if format == "pdb" else _mmcif(structure).as_string()
    write_text(Path(path), text)


def write_moved(
    source: Path | str,
    path: Path | str,
    rotation: Float[np.ndarray, "3 3"],
    translation: Float[np.ndarray, "3"],
) -> None:
    """Write the structure file `source` with all its atoms moved, R·x + t; mmCIF unless `path` ends in .pdb."""
    structure = _parse(Path(source))
    transform = gemmi.Transform(gemmi.Mat33(rotation.tolist()), gemmi.Vec3(*translation.tolist()))
    for model in structure:
        model.transform_pos_and_adp(transform)
    as_pdb = Path(path).suffix.lower() in (".pdb", ".ent")
    text = structure.make_pdb_string(_pdb_options()) if as_pdb else structure.make_mmcif_document().as_string()
    write_text(Path(path), text)


def _structure(chains: Sequence[Chain], b_factors: Sequence[Float[np.ndarray, "_"]], title: str) -> Any:
    structure = gemmi.Structure()
    structure.name = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in title) or "RNA"
    structure.info["_struct.title"] = title
    model = gemmi.Model(1)
    for number, (chain, values) in enumerate(zip(chains, b_factors, strict=True), start=1):
        strand = gemmi.Chain("A" if len(chains) == 1 else chain.id)
        for index, label in enumerate(chain.labels):
            residue = _residue(chain, index, label, float(values[index]))
            residue.entity_id, residue.subchain = str(number), strand.name
            strand.add_residue(residue)
        model.add_chain(strand)
        entity = gemmi.Entity(str(number))
        entity.entity_type, entity.polymer_type = gemmi.EntityType.Polymer, gemmi.PolymerType.Rna
        entity.subchains, entity.full_sequence = [strand.name], list(chain.sequence)
        structure.entities.append(entity)
    structure.add_model(model)
    structure.assign_serial_numbers()
    return structure


def _residue(chain: Chain, index: int, label: tuple[int, int], b_factor: float) -> Any:
    residue = gemmi.Residue()
    residue.name = chain.sequence[index]
    residue.seqid = gemmi.SeqId(label[0], INSERTION_CODES[label[1]])
    residue.entity_type = gemmi.EntityType.Polymer
    residue.label_seq = index + 1
    for slot in np.flatnonzero(chain.resolved[index]):
        atom = gemmi.Atom()
        atom.name = ATOM_NAMES[slot]
        atom.element = gemmi.Element(atom.name[0])
        atom.pos = gemmi.Position(*(round(float(value), 3) for value in chain.atoms[index, slot]))
        atom.b_iso = b_factor
        residue.add_atom(atom)
    return residue


def _pdb_options() -> Any:
    options = gemmi.PdbWriteOptions()
    options.cryst1_record = False
    return options


def _mmcif(structure: Any) -> Any:
    groups = gemmi.MmcifOutputGroups(True)
    groups.cell = groups.symmetry = False  # a molecule, not a crystal
    document = structure.make_mmcif_document(groups)
    kinds = document.sole_block().find_loop("_chem_comp.type")
    for row in range(len(kinds)):
        kinds[row] = gemmi.cif.quote("RNA linking")
    return document


def _check_columns(chain: Chain) -> None:
    known = chain.atoms[chain.resolved]
    numbers = chain.residue_numbers
    if known.size and (known.min() <= -999.9995 or known.max() >= 9999.9995):
        raise DataError("coordinates beyond -999.999 to 9999.999 Å do not fit PDB's columns", "write mmCIF")
    if len(numbers) and (numbers.min() < -999 or numbers.max() > 9999):
        raise DataError("residue numbers beyond -999 to 9999 do not fit PDB's columns", "write mmCIF")
