"""Structure files: RNA chains read from PDB and mmCIF, and written to them, through gemmi."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gemmi
import numpy as np
from jaxtyping import Bool, Float, Float32

from monosome.atomic import write_text
from monosome.errors import DataError
from monosome.rna.chain import LINK_LIMIT, Chain, empty_atoms, find_segments
from monosome.rna.nucleotides import ATOM_INDEX, ATOM_MASK, ATOM_NAMES, BASE_INDEX, BASES

_SLOTS = {
    base: {name: index for name, index in ATOM_INDEX.items() if ATOM_MASK[row, index]} for row, base in enumerate(BASES)
}
"""Places on the atom axis of the atoms of each base."""
COINCIDENT = 0.1
"""Two atoms of a residue closer than this (Å) are one atom written twice; no two heavy atoms come within 1 Å."""

INSERTION_CODES = " ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What tells residues of one number apart in a file."""

_OLD_NAMES = {"O1P": "OP1", "O2P": "OP2"}
_FEATURES = {"N6": "A", "N4": "C", "O6": "G", "O4": "U"}
"""The exocyclic atom that tells the bases apart."""
_PSEUDOURIDINE = {"C5": "N1", "N1": "C5", "C2": "C4", "C4": "C2", "O2": "O4", "O4": "O2"}
"""Pseudouridine is uridine with its ring turned over and joined through C5: its atoms by their place in uridine."""


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
    notes = [f"{len(structure) - 1} further models left out"] if len(structure) > 1 else []
    parents = {str(record.res_id): record.parent_comp_id for record in structure.mod_residues}
    chains, without = [], []
    for chain in structure[0]:
        groups = list(_positions(chain))
        read = [_read_residue(group, parents) for group in groups]
        residues = [residue for residue in read if residue]
        strand = [residue for residue, kept in zip(residues, _in_strand(residues), strict=True) if kept]
        if not strand or np.mean([residue.is_deoxy for residue in strand]) > 0.5:
            without.append(chain.name)
            continue
        atoms = np.stack([residue.atoms for residue in strand])
        coincident = _coincident(atoms)
        atoms[coincident] = np.nan
        chains.append(_chain(chain.name, strand, atoms))
        unread = [group[0] for group, residue in zip(groups, read, strict=True) if residue is None]
        remarks = _remarks(strand, unread, int(coincident.sum()))
        notes.extend(f"chain {chain.name}: {remark}" for remark in remarks)
    if not chains:
        raise DataError(f"{path}: there is no RNA in it", "give a PDB or mmCIF file with an RNA chain")
    if without:
        notes.append(f"left out, not RNA: chains {', '.join(without)}")
    date = dict(structure.info.items()).get("_pdbx_database_status.recvd_initial_deposition_date", "")
    return Reading(tuple(chains), tuple(notes), date, structure.resolution or None)


def _parse(path: Path) -> Any:
    if not path.is_file():
        raise DataError(f"there is no file {path}", "give PDB or mmCIF, also .gz")
    if not path.stat().st_size:
        raise DataError(f"{path} is empty", "give PDB or mmCIF, also .gz")
    try:
        structure = gemmi.read_structure(str(path), format=gemmi.CoorFormat.Detect)
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is not a structure file: {reason}", "give PDB or mmCIF, also .gz") from error
    if not len(structure) or not len(structure[0]):
        raise DataError(f"{path} has no atoms", "give PDB or mmCIF, also .gz")
    structure.setup_entities()
    return structure


@dataclass(frozen=True)
class _Residue:
    name: str
    base: str
    number: int
    atoms: Float32[np.ndarray, "27 3"]
    in_polymer: bool
    is_deoxy: bool


def _positions(chain: Any) -> Iterator[list[Any]]:
    """Residues grouped by their place in the chain: one, or several where the residue itself is ambiguous."""
    group: list[Any] = []
    for residue in chain:
        if group and residue.seqid != group[0].seqid:
            yield group
            group = []
        group.append(residue)
    if group:
        yield group


def _read_residue(group: list[Any], parents: Mapping[str, str]) -> _Residue | None:
    residue = group[0] if len(group) == 1 else max(group, key=lambda one: max((atom.occ for atom in one), default=0.0))
    positions = _chosen_atoms(residue)
    base = _base_of(residue.name, parents.get(str(residue.seqid) + f"({residue.name})", ""), positions)
    if base is None:
        return None
    if residue.name == "PSU":
        positions = {_PSEUDOURIDINE.get(name, name): position for name, position in positions.items()}
    slots = {_SLOTS[base][atom]: position for atom, position in positions.items() if atom in _SLOTS[base]}
    if not slots:
        return None
    atoms = empty_atoms(1)[0]
    atoms[list(slots)] = list(slots.values())
    return _Residue(
        name=residue.name,
        base=base,
        number=residue.seqid.num,
        atoms=atoms,
        in_polymer=residue.entity_type == gemmi.EntityType.Polymer,
        is_deoxy="C2'" in positions and "O2'" not in positions,
    )


def _chosen_atoms(residue: Any) -> dict[str, list[float]]:
    """Coordinates by name in the alternative location of highest occupancy, the first of equals."""
    occupancy: dict[str, float] = {}
    for atom in residue:
        if atom.has_altloc():
            occupancy[atom.altloc] = occupancy.get(atom.altloc, 0.0) + atom.occ
    chosen = max(occupancy, key=lambda label: occupancy[label], default="")
    positions: dict[str, list[float]] = {}
    for atom in residue:
        name = atom.name.replace("*", "'")
        if not atom.has_altloc() or atom.altloc == chosen:
            positions.setdefault(_OLD_NAMES.get(name, name), atom.pos.tolist())
    return positions


def _base_of(name: str, parent: str, positions: Mapping[str, list[float]]) -> str | None:
    if "C1'" not in positions and "P" not in positions:
        return None
    for candidate in (name, parent):
        if candidate in BASE_INDEX:
            return candidate
    table = gemmi.find_tabulated_residue(name)
    letter = table.one_letter_code.upper().replace("T", "U") if table.is_nucleic_acid() else ""
    if letter in BASE_INDEX:
        return letter
    if "C1'" not in positions:
        return None
    return next((base for atom, base in _FEATURES.items() if atom in positions), None)


def _in_strand(residues: list[_Residue]) -> list[bool]:
    """Which residues are part of a strand: polymer by the file, or bonded to a neighbour (a ligand is neither)."""
    bonded = [False] * len(residues)
    for index in range(len(residues) - 1):
        link = residues[index].atoms[ATOM_INDEX["O3'"]] - residues[index + 1].atoms[ATOM_INDEX["P"]]
        if np.linalg.norm(link) < LINK_LIMIT:
            bonded[index] = bonded[index + 1] = True
    return [residue.in_polymer or linked for residue, linked in zip(residues, bonded, strict=True)]


def _chain(name: str, strand: list[_Residue], atoms: Float32[np.ndarray, "n 27 3"]) -> Chain:
    return Chain(
        id=name,
        sequence="".join(residue.base for residue in strand),
        atoms=atoms,
        residue_numbers=np.array([residue.number for residue in strand], dtype=np.int64),
        segments=find_segments(atoms),
    )


def _coincident(atoms: Float32[np.ndarray, "n 27 3"]) -> Bool[np.ndarray, "n 27"]:
    """Which atoms lie on an atom before them in their residue; a NaN is nowhere."""
    squared = np.square(atoms[:, :, None] - atoms[:, None]).sum(axis=-1)
    return np.asarray(np.tril(squared < COINCIDENT**2, k=-1).any(axis=-1))


def _remarks(strand: list[_Residue], unread: list[Any], num_coincident: int) -> Iterator[str]:
    modified = sorted({f"{residue.name} as {residue.base}" for residue in strand if residue.name not in BASES})
    if modified:
        yield f"read {', '.join(modified)}"
    unknown = [residue.name for residue in unread if residue.entity_type == gemmi.EntityType.Polymer]
    if unknown:
        yield f"left out {len(unknown)} residues of unknown base ({', '.join(sorted(set(unknown)))})"
    if num_coincident:
        yield f"left out {num_coincident} atoms that lay on another of their residue"


def write_structure(
    chain: Chain,
    path: Path | str,
    *,
    b_factors: Float[np.ndarray, "n"] | None = None,
    format: Literal["cif", "pdb"] = "cif",
) -> None:
    """Write `chain` as an mmCIF or PDB file with its polymer records; `b_factors` (pLDDT) has one value a residue.

    The chain is called A whatever its id, which names the entry. Raises DataError for coordinates or numbers that do
    not fit the columns of PDB, and for a number that comes more than 27 times.
    """
    if max((repeat for _, repeat in chain.labels), default=0) >= len(INSERTION_CODES):
        raise DataError(f"a residue number comes more than {len(INSERTION_CODES)} times", "number the residues anew")
    if format == "pdb":
        _check_columns(chain)
    structure = _structure(chain, np.zeros(len(chain)) if b_factors is None else b_factors)
    text = structure.make_pdb_string(_pdb_options()) if format == "pdb" else _mmcif(structure).as_string()
    write_text(Path(path), text)


def _structure(chain: Chain, b_factors: Float[np.ndarray, "n"]) -> Any:
    structure = gemmi.Structure()
    structure.name = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in chain.id) or "RNA"
    structure.info["_struct.title"] = chain.id
    model, strand = gemmi.Model(1), gemmi.Chain("A")
    for index, label in enumerate(chain.labels):
        strand.add_residue(_residue(chain, index, label, float(b_factors[index])))
    model.add_chain(strand)
    structure.add_model(model)
    entity = gemmi.Entity("1")
    entity.entity_type, entity.polymer_type = gemmi.EntityType.Polymer, gemmi.PolymerType.Rna
    entity.subchains, entity.full_sequence = ["A"], list(chain.sequence)
    structure.entities.append(entity)
    structure.assign_serial_numbers()
    return structure


def _residue(chain: Chain, index: int, label: tuple[int, int], b_factor: float) -> Any:
    residue = gemmi.Residue()
    residue.name = chain.sequence[index]
    residue.seqid = gemmi.SeqId(label[0], INSERTION_CODES[label[1]])
    residue.entity_type, residue.entity_id, residue.subchain = gemmi.EntityType.Polymer, "1", "A"
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
