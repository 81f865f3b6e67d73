import gzip
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna.chain import Chain
from monosome.rna.files import read_models, read_structure, write_moved, write_structure
from monosome.rna.geometry import duplex, hairpin
from monosome.rna.nucleotides import ATOM_INDEX

HAIRPIN = replace(hairpin("GGCGAAAGCC", 3), id="a hairpin", residue_numbers=np.arange(-3, 7))


def pdb_text(chain: Chain = HAIRPIN) -> str:
    """The chain as PDB text, to be edited line by line."""
    lines = []
    for row, base in enumerate(chain.sequence):
        for slot in np.flatnonzero(chain.resolved[row]):
            name = list(ATOM_INDEX)[slot]
            lines.append(atom_line(name, base, int(chain.residue_numbers[row]), chain.atoms[row, slot]))
    return "\n".join([*lines, "TER", "END", ""])


def atom_line(
    name: str, residue: str, number: int, place: np.ndarray, chain: str = "A", altloc: str = " ", occupancy: float = 1.0
) -> str:
    x, y, z = place
    return (
        f"ATOM      1  {name:<3}{altloc}{residue:>3} {chain}{number:>4}    {x:8.3f}{y:8.3f}{z:8.3f}"
        f"{occupancy:6.2f}  0.00          {name[0]:>2}"
    )


def read_text(folder: Path, text: str) -> tuple[Chain, tuple[str, ...]]:
    path = folder / "x.pdb"
    path.write_text(text)
    reading = read_structure(path)
    assert len(reading.chains) == 1
    return reading.chains[0], reading.notes


@pytest.mark.parametrize("format", ["cif", "pdb"])
def test_what_is_written_is_read_again(tmp_path: Path, format: str):
    path = tmp_path / f"x.{format}"
    confidence = np.linspace(10, 99, len(HAIRPIN))
    write_structure(HAIRPIN, path, b_factors=confidence, format=format)
    (chain,) = read_structure(path).chains
    assert chain.id == "A"
    assert chain.sequence == HAIRPIN.sequence
    assert np.array_equal(chain.residue_numbers, HAIRPIN.residue_numbers)
    assert np.array_equal(chain.resolved, HAIRPIN.resolved)
    assert np.nanmax(np.abs(chain.atoms - HAIRPIN.atoms)) < 0.001
    assert not chain.segments.any()
    # As another program sees it: a polymer of that sequence, and the confidence in the B-factor.
    structure = gemmi.read_structure(str(path))
    assert structure.entities[0].full_sequence == list(HAIRPIN.sequence)
    assert structure[0][0].get_polymer().check_polymer_type() == gemmi.PolymerType.Rna
    assert [residue[0].b_iso for residue in structure[0][0]] == pytest.approx(confidence.tolist(), abs=0.01)
    assert [path.name for path in tmp_path.iterdir()] == [path.name]


def test_gzipped_files_are_read(tmp_path: Path):
    path = tmp_path / "x.pdb.gz"
    path.write_bytes(gzip.compress(pdb_text().encode()))
    assert read_structure(path).chains[0].sequence == HAIRPIN.sequence


def test_pdb_columns_have_bounds(tmp_path: Path):
    with pytest.raises(DataError, match="coordinates"):
        write_structure(replace(HAIRPIN, atoms=HAIRPIN.atoms - 2000), tmp_path / "x.pdb", format="pdb")
    with pytest.raises(DataError, match="numbers"):
        write_structure(
            replace(HAIRPIN, residue_numbers=HAIRPIN.residue_numbers + 9999), tmp_path / "x.pdb", format="pdb"
        )
    write_structure(replace(HAIRPIN, atoms=HAIRPIN.atoms - 2000), tmp_path / "x.cif")


@pytest.mark.parametrize("format", ["cif", "pdb"])
def test_residues_of_one_number_stay_apart(tmp_path: Path, format: str):
    numbers = np.array([1, 2, 2, 2, 3, 4, 5, 6, 7, 8])
    write_structure(replace(HAIRPIN, residue_numbers=numbers), tmp_path / "x", format=format)
    chain = read_structure(tmp_path / "x").chains[0]
    assert chain.sequence == HAIRPIN.sequence
    assert chain.residue_numbers.tolist() == numbers.tolist()
    many = replace(HAIRPIN.subset([0] * 30), residue_numbers=np.ones(30, dtype=np.int64))
    with pytest.raises(DataError, match="more than 27 times"):
        write_structure(many, tmp_path / "x", format=format)


def test_strands_of_one_chain_are_found_again(tmp_path: Path):
    write_structure(duplex("GGAC"), tmp_path / "x.cif")
    assert read_structure(tmp_path / "x.cif").chains[0].segments.tolist() == [0] * 4 + [1] * 4


def test_the_likelier_alternative_is_taken(tmp_path: Path):
    lines = pdb_text().splitlines()
    first = next(number for number, line in enumerate(lines) if " C1' " in line)
    place = HAIRPIN.atoms[0, ATOM_INDEX["C1'"]]
    lines[first : first + 1] = [
        atom_line("C1'", "G", -3, place + 1, altloc="A", occupancy=0.4),
        atom_line("C1'", "G", -3, place, altloc="B", occupancy=0.6),
    ]
    chain, _ = read_text(tmp_path, "\n".join(lines))
    assert np.allclose(chain.atom("C1'")[0], place, atol=0.001)


def test_two_atoms_at_one_place_leave_one(tmp_path: Path):
    atoms = HAIRPIN.atoms.copy()
    atoms[4, ATOM_INDEX["N9"]] = atoms[4, ATOM_INDEX["C1'"]]
    chain, notes = read_text(tmp_path, pdb_text(replace(HAIRPIN, atoms=atoms)))
    assert np.flatnonzero(~chain.has_frame).tolist() == [4]
    assert notes == ("chain A: left out 1 atoms that lay on another of their residue",)


def test_modified_bases_are_read_as_their_parents(tmp_path: Path):
    text = pdb_text()
    # By the file's record, by gemmi's table, by the base's atoms; and an old atom name.
    text = text.replace("  G A  -3", "XYZ A  -3").replace("  C A  -1", "OMC A  -1").replace("  A A   1", "QQQ A   1")
    text = text.replace(" OP1 ", " O1P ").replace("C1' ", "C1* ")
    header = "MODRES 1ABC XYZ A   -3    G  SOMETHING\n"
    chain, notes = read_text(tmp_path, header + text)
    assert chain.sequence == HAIRPIN.sequence
    assert notes == ("chain A: read OMC as C, QQQ as A, XYZ as G",)
    assert np.array_equal(chain.resolved, HAIRPIN.resolved)


def test_pseudouridine_takes_the_places_of_uridine(tmp_path: Path):
    uridines = hairpin("GGCUUUUGCC", 3)
    turned = {"N1": "C5", "C5": "N1", "C2": "C4", "C4": "C2", "O2": "O4", "O4": "O2"}
    lines = []
    for line in pdb_text(uridines).splitlines():
        if line[17:26] == "  U A   5":
            name = turned.get(line[13:16].strip(), line[13:16].strip())
            line = f"{line[:13]}{name:<3}{line[16:17]}PSU{line[20:76]} {name[0]}"
        lines.append(line)
    chain, _ = read_text(tmp_path, "\n".join(lines))
    assert chain.sequence == uridines.sequence
    assert np.allclose(chain.atoms, uridines.atoms, atol=0.001, equal_nan=True)


def test_only_strands_of_rna_are_read(tmp_path: Path):
    rna = pdb_text().replace("END\n", "")
    dna = pdb_text(replace(HAIRPIN, atoms=HAIRPIN.atoms + 50)).splitlines()
    deoxy = [line[:21] + "B" + line[22:] for line in dna if line.startswith("ATOM") and " O2' " not in line]
    ligand = [line.replace("  G A  -3", "SAM A 900") for line in rna.splitlines() if "  G A  -3" in line]
    far = [line[:30] + f"{float(line[30:38]) + 90:8.3f}" + line[38:] for line in ligand]
    path = tmp_path / "x.pdb"
    path.write_text("\n".join([rna, *far, "TER", *deoxy]))
    reading = read_structure(path)
    assert [(chain.id, chain.sequence) for chain in reading.chains] == [("A", HAIRPIN.sequence)]
    assert "left out, not RNA: chains B" in reading.notes


def test_long_chain_names_are_kept(tmp_path: Path):
    path = tmp_path / "x.cif"
    write_structure(HAIRPIN, path)
    structure = gemmi.read_structure(str(path))
    structure[0][0].name = "the first of two chains"
    for residue in structure[0][0]:
        residue.subchain = "the first of two chains"
    path.write_text(structure.make_mmcif_document().as_string())
    (chain,) = read_structure(path).chains
    assert (chain.id, chain.sequence) == ("the first of two chains", HAIRPIN.sequence)


def test_residues_out_of_order_are_put_in_order(tmp_path: Path):
    lines = [line for line in pdb_text().splitlines() if line.startswith("ATOM")]
    order = np.random.default_rng(0).permutation(len(lines))
    chain, notes = read_text(tmp_path, "\n".join(lines[place] for place in order))
    assert chain.sequence == HAIRPIN.sequence
    assert np.allclose(chain.atoms, HAIRPIN.atoms, atol=0.001, equal_nan=True)
    assert notes == ("chain A: put residues into the order of their numbers",)


def test_atoms_given_twice_are_read_once_and_said(tmp_path: Path):
    body = pdb_text().replace("END\n", "").replace("TER\n", "")
    chain, notes = read_text(tmp_path, body + body)
    assert np.allclose(chain.atoms, HAIRPIN.atoms, atol=0.001, equal_nan=True)
    assert notes == (f"chain A: left out {HAIRPIN.resolved.sum()} atoms given again",)


def test_every_model_of_an_ensemble_can_be_read(tmp_path: Path):
    bodies = [pdb_text(replace(HAIRPIN, atoms=HAIRPIN.atoms + shift)).replace("END\n", "") for shift in (0, 9)]
    models = [f"MODEL {number:>8}\n{body}ENDMDL\n" for number, body in enumerate(bodies, start=1)]
    (tmp_path / "x.pdb").write_text("".join(models))
    readings = read_models(tmp_path / "x.pdb")
    assert [reading.chains[0].sequence for reading in readings] == [HAIRPIN.sequence] * 2
    assert np.nanmean(readings[1].chains[0].atoms - readings[0].chains[0].atoms) == pytest.approx(9, abs=1e-3)


def test_a_structure_is_moved_with_all_its_atoms(tmp_path: Path):
    write_structure(HAIRPIN, tmp_path / "x.cif")
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    write_moved(tmp_path / "x.cif", tmp_path / "y.pdb", turn, np.array([1.0, 2.0, 3.0]))
    moved = read_structure(tmp_path / "y.pdb").chains[0]
    assert np.allclose(moved.atoms, HAIRPIN.atoms @ turn.T + [1, 2, 3], atol=0.002, equal_nan=True)


def test_only_the_first_model_is_read(tmp_path: Path):
    body = pdb_text().replace("END\n", "")
    chain, notes = read_text(tmp_path, f"MODEL        1\n{body}ENDMDL\nMODEL        2\n{body}ENDMDL\n")
    assert len(chain) == 10
    assert notes == ("1 further models left out",)


def test_date_and_resolution_are_known_where_the_file_says(tmp_path: Path):
    header = "HEADER    RNA                                     12-MAR-04   1ABC\n"
    path = tmp_path / "x.pdb"
    path.write_text(header + "REMARK   2 RESOLUTION.    1.95 ANGSTROMS.\n" + pdb_text())
    reading = read_structure(path)
    assert (reading.date, reading.resolution) == ("2004-03-12", 1.95)
    path.write_text(pdb_text())
    assert (read_structure(path).date, read_structure(path).resolution) == ("", None)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.pdb", b"", "is empty"),
        ("x.cif", b"data_x\n", "not a structure file"),
        ("x.cif", b"loop_\n_atom_site.id\n1\n", "no atoms"),
        ("x.pdb", bytes(range(256)) * 20, ""),
        ("x.pdb.gz", b"not gzip", ""),
        ("x.pdb.gz", gzip.compress(b"ATOM" * 1000, mtime=0)[:30], ""),
        ("x.pdb", atom_line("CA", "ALA", 1, np.zeros(3)).encode(), "no RNA"),
    ],
)
def test_what_cannot_be_read_is_an_error_for_people(tmp_path: Path, name: str, content: bytes, says: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_structure(tmp_path / name)
    assert says in caught.value.message
    assert "\n" not in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(DataError, match="there is no file"):
        read_structure(tmp_path / "gone.pdb")
