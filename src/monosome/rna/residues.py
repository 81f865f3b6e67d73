"""The residues of a structure file as arrays: which nucleotide each one is, and where its atoms are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import gemmi
import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, Shaped

from monosome.rna.chain import LINK_LIMIT
from monosome.rna.nucleotides import ATOM_INDEX, ATOM_MASK, BASE_INDEX, NUM_ATOMS

Names = Int64[np.ndarray, "a"]
"""Names of at most eight letters, their bytes as one integer: compared ten times as fast."""

UNTOLD = -2
FARTHEST = 1e5
"""Coordinates (Å) beyond which an atom is taken as missing: PDB's columns end at 9,999."""
_FEATURES = {"N6": "A", "N4": "C", "O6": "G", "O4": "U"}
"""The exocyclic atom that tells the bases apart."""
_PSEUDOURIDINE = {"C5": "N1", "N1": "C5", "C2": "C4", "C4": "C2", "O2": "O4", "O4": "O2"}
"""Pseudouridine is uridine with its ring turned over and joined through C5: its atoms by their place in uridine."""
_TURNED = np.array([ATOM_INDEX[_PSEUDOURIDINE.get(name, name)] for name in ATOM_INDEX])


def _known_names() -> tuple[Names, Int64[np.ndarray, "k"]]:
    slots = dict(ATOM_INDEX) | {"O1P": ATOM_INDEX["OP1"], "O2P": ATOM_INDEX["OP2"]}
    slots |= {name.replace("'", "*"): slot for name, slot in ATOM_INDEX.items()}  # names before 2007
    names = np.array([_code(name) for name in slots])
    order = np.argsort(names)
    return names[order], np.array(list(slots.values()))[order]


def _code(name: str) -> int:
    return int(np.array(name, dtype="S8").view(np.int64))


_NAMES, _SLOTS = _known_names()
_PSU = _code("PSU")


@dataclass(frozen=True, eq=False)
class Residues:
    """Residues of a model in the order of the file, one row each; of several at one place the likeliest."""

    chain: Int64[np.ndarray, "n"]
    number: Int64[np.ndarray, "n"]
    code: Int64[np.ndarray, "n"]
    name: Shaped[np.ndarray, "n"]
    base: Int64[np.ndarray, "n"]
    """Index in BASES; −1 for what is no nucleotide."""
    atoms: Float32[np.ndarray, "n 27 3"]
    in_polymer: Bool[np.ndarray, "n"]
    is_deoxy: Bool[np.ndarray, "n"]
    num_repeated: Int64[np.ndarray, "n"]
    """Atoms whose name the residue had already; the first stands."""

    def __len__(self) -> int:
        return len(self.number)

    def select(self, rows: Bool[np.ndarray, "n"] | Int64[np.ndarray, "m"]) -> "Residues":
        """The residues at `rows`."""
        return Residues(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def is_bonded(self) -> Bool[np.ndarray, "n"]:
        """Which residues are bonded to the one before or after."""
        step = self.atoms[:-1, ATOM_INDEX["O3'"]] - self.atoms[1:, ATOM_INDEX["P"]]
        linked = np.linalg.norm(step, axis=-1) < LINK_LIMIT
        return np.concatenate([linked, [False]])[: len(self)] | np.concatenate([[False], linked])[: len(self)]


def read_residues(structure: Any) -> Residues:
    """The residues of a gemmi structure of one model."""
    table = _read_atoms(structure)
    table = _select(table, (np.abs(table.position) < FARTHEST).all(axis=-1))  # NaN is not
    table = _select(table, _is_likeliest_residue(table))
    table = _select(table, _is_likeliest_location(table))
    first, residue = _runs(table.chain, table.number, table.code, table.residue_name)
    name = table.residue_name[first].view("S8")
    slot = _slots(table.atom_name)
    slot = np.where((table.residue_name == _PSU) & (slot >= 0), _TURNED[slot], slot)
    base = _bases(name, _parents(structure), lambda row: table.atom_name[residue == row].view("S8").tolist())
    base = np.where(_has(residue, slot, "C1'", len(first)) | _has(residue, slot, "P", len(first)), base, -1)
    placed = (slot >= 0) & (base[residue] >= 0) & ATOM_MASK[base[residue], slot]
    key = (residue * NUM_ATOMS + slot)[placed]
    atoms = np.full((len(first), NUM_ATOMS, 3), np.nan, dtype=np.float32)
    atoms.reshape(-1, 3)[key[::-1]] = table.position[placed][::-1]  # the first of an atom given twice is written last
    num_placed = np.bincount(key // NUM_ATOMS, minlength=len(first))
    return Residues(
        chain=table.chain[first],
        number=table.number[first],
        code=table.code[first],
        name=name,
        base=base,
        atoms=atoms,
        in_polymer=table.in_polymer[first],
        is_deoxy=_has(residue, slot, "C2'", len(first)) & ~_has(residue, slot, "O2'", len(first)),
        num_repeated=num_placed - np.isfinite(atoms[..., 0]).sum(axis=1),
    )


@dataclass(frozen=True, eq=False)
class _Atoms:
    chain: Int64[np.ndarray, "a"]
    number: Int64[np.ndarray, "a"]
    code: Int64[np.ndarray, "a"]
    residue_name: Names
    atom_name: Names
    location: Int64[np.ndarray, "a"]
    occupancy: Float32[np.ndarray, "a"]
    position: Float[np.ndarray, "a 3"]
    in_polymer: Bool[np.ndarray, "a"]


def _read_atoms(structure: Any) -> _Atoms:
    flat = gemmi.FlatStructure(structure)
    counts = [chain.count_atom_sites() for chain in structure[0]]
    return _Atoms(
        chain=np.repeat(np.arange(len(counts)), counts),
        number=flat.resnums.astype(np.int64),
        code=flat.icodes.astype(np.int64),
        residue_name=np.ascontiguousarray(flat.residue_names).view(np.int64).ravel(),
        atom_name=np.ascontiguousarray(flat.atom_names).view(np.int64).ravel(),
        location=flat.altlocs.astype(np.int64),
        occupancy=flat.occ,
        position=flat.pos,
        in_polymer=flat.entity_type == int(gemmi.EntityType.Polymer.value),
    )


def _select(table: _Atoms, rows: Bool[np.ndarray, "a"]) -> _Atoms:
    if rows.all():
        return table
    return _Atoms(**{field.name: getattr(table, field.name)[rows] for field in fields(table)})


def _runs(*keys: Shaped[np.ndarray, "a"]) -> tuple[Int64[np.ndarray, "n"], Int64[np.ndarray, "a"]]:
    """Where runs of equal keys begin, and the run of each atom."""
    begins = np.ones(len(keys[0]), dtype=bool)
    begins[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return np.flatnonzero(begins), np.cumsum(begins) - 1


def _is_likeliest_residue(table: _Atoms) -> Bool[np.ndarray, "a"]:
    """Of several residues at one place, the atoms of the one with the highest occupancy, the first of equals."""
    places, place = _runs(table.chain, table.number, table.code)
    first, residue = _runs(table.chain, table.number, table.code, table.residue_name)
    if len(first) == len(places):
        return np.ones(len(place), dtype=bool)
    occupancy = np.maximum.reduceat(table.occupancy, first)
    order = np.lexsort((np.arange(len(first)), -occupancy, place[first]))
    is_best = np.zeros(len(first), dtype=bool)
    is_best[order[np.unique(place[first][order], return_index=True)[1]]] = True
    return np.asarray(is_best[residue])


def _is_likeliest_location(table: _Atoms) -> Bool[np.ndarray, "a"]:
    """Atoms without alternatives, and those of their residue's location of highest occupancy, the first of equals."""
    kept = table.location == 0
    if kept.all():
        return np.asarray(kept)
    _, residue = _runs(table.chain, table.number, table.code, table.residue_name)
    occupancy: dict[int, dict[int, float]] = {}
    for row in np.flatnonzero(~kept).tolist():
        total = occupancy.setdefault(int(residue[row]), {})
        location = int(table.location[row])
        total[location] = total.get(location, 0.0) + float(table.occupancy[row])
    best = {row: max(total, key=lambda location: total[location]) for row, total in occupancy.items()}
    for row in np.flatnonzero(~kept).tolist():
        kept[row] = table.location[row] == best[int(residue[row])]
    return np.asarray(kept)


def _slots(names: Names) -> Int64[np.ndarray, "a"]:
    """Places on the atom axis by name, −1 for others."""
    found = np.searchsorted(_NAMES, names).clip(max=len(_NAMES) - 1)
    return np.where(_NAMES[found] == names, _SLOTS[found], -1)


def _has(residue: Int64[np.ndarray, "a"], slot: Int64[np.ndarray, "a"], name: str, num: int) -> Bool[np.ndarray, "n"]:
    found = np.zeros(num, dtype=bool)
    found[residue[slot == ATOM_INDEX[name]]] = True
    return found


def _parents(structure: Any) -> dict[str, str]:
    """Parent of each modified residue by name, as the file's own records say."""
    return {record.res_id.name: record.parent_comp_id for record in structure.mod_residues}


def _bases(
    names: Shaped[np.ndarray, "n"], parents: Mapping[str, str], atom_names: Callable[[int], list[bytes]]
) -> Int64[np.ndarray, "n"]:
    """Index in BASES of each residue by its name, else by its atoms, −1 where neither tells."""
    known = {name: _base_of(name.decode(errors="replace"), parents) for name in set(names.tolist())}
    bases = np.array([known[name] for name in names.tolist()], dtype=np.int64)
    for row in np.flatnonzero(bases == UNTOLD):
        present = [name.decode(errors="replace").replace("*", "'") for name in atom_names(int(row))]
        letters = [base for atom, base in _FEATURES.items() if atom in present and "C1'" in present]
        bases[row] = BASE_INDEX[letters[0]] if letters else -1
    return bases


def _base_of(name: str, parents: Mapping[str, str]) -> int:
    """Index in BASES by the residue's name; −1 for what is no nucleotide, UNTOLD where the name does not tell."""
    for candidate in (name, parents.get(name, "")):
        if candidate in BASE_INDEX:
            return BASE_INDEX[candidate]
    table = gemmi.find_tabulated_residue(name)
    if table.is_water() or table.is_amino_acid():
        return -1
    letter = table.one_letter_code.upper().replace("T", "U") if table.is_nucleic_acid() else ""
    return BASE_INDEX.get(letter, UNTOLD)
