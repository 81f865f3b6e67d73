"""Secondary structures from files: each format, real files, and errors that name file and line."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from monosome.errors import DataError
from monosome.rna.pairing import pairs_of, predict_pairing
from monosome.rna.secondary import read_secondary

SEQUENCE = "GGGCAAAGCCCAUUUGGG"
STRUCTURE = "(((.[[[.)))....]]]"
PAIRS = [(0, 10), (1, 9), (2, 8), (4, 17), (5, 16), (6, 15)]
PARTNERS = [11, 10, 9, 0, 18, 17, 16, 0, 3, 2, 1, 0, 0, 0, 0, 7, 6, 5]
BPSEQ = "".join(f"{k} {base} {j}\n" for k, (base, j) in enumerate(zip(SEQUENCE, PARTNERS, strict=True), start=1))
CT = f"{len(SEQUENCE)} ENERGY = -1.2 a title\n" + "".join(
    f"{k} {base} {k - 1} {(k + 1) % 19} {j} {k}\n"
    for k, (base, j) in enumerate(zip(SEQUENCE, PARTNERS, strict=True), start=1)
)


def _file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bare.db", STRUCTURE + "\n"),
        ("plain.dbn", f"{SEQUENCE}\n{STRUCTURE}\n"),
        ("dna.txt", f"{SEQUENCE.lower().replace('u', 't')}\n{STRUCTURE} (-3.40)\n"),
        ("like_fasta.fa", f"# a comment\n>name some words\n{SEQUENCE}\n{STRUCTURE}\n"),
        ("wrapped.fa", f">name\n{SEQUENCE[:10]}\n{SEQUENCE[10:]}\n{STRUCTURE[:10]}\n{STRUCTURE[10:]}\n"),
        ("suboptimal.fa", f">name\n{SEQUENCE}\n{STRUCTURE}\n{'.' * 18}\n"),
        ("strands.db", f"{SEQUENCE[:9]}&{SEQUENCE[9:]}\n{STRUCTURE[:9]}&{STRUCTURE[9:]}\n"),
        ("others.db", f">one\nGGGAAACCC\n(((...)))\n>two\n{SEQUENCE}\n{STRUCTURE}\n>three\nAA\n..\n"),
        ("packed.db.gz", f">name\n{SEQUENCE}\n{STRUCTURE}\n"),
        ("windows.db", f"\ufeff>name\r\n{SEQUENCE}\r\n{STRUCTURE}\r\n"),
        ("letters.db", f"{SEQUENCE}\n{STRUCTURE.replace('[', 'F').replace(']', 'f')}\n"),
        ("unknown.bpseq", BPSEQ.replace("4 C 0", "4 N 0")),
        ("headed.bpseq", "Filename: x\nOrganism: y\n# z\n" + BPSEQ),
        ("one.ct", CT),
        ("two.CT", CT + f"{len(SEQUENCE)} another\n" + CT.split("\n", 1)[1].replace(" 11 ", " 0 ")),
        ("packed.ct.gz", CT),
    ],
)
def test_formats_agree(name: str, text: str, tmp_path: Path) -> None:
    found = read_secondary(_file(tmp_path, name, text), SEQUENCE)
    assert pairs_of(found.structure) == PAIRS
    assert found.structure.replace("[", "(").replace("]", ")") == STRUCTURE.replace("[", "(").replace("]", ")")
    assert found.probabilities.sum() == 2 * len(PAIRS)
    assert found.unpaired.tolist() == [float(partner == 0) for partner in PARTNERS]
    assert np.isnan(found.mfe)


def _matrix() -> np.ndarray:
    matrix = np.zeros((18, 18))
    for rank, (i, j) in enumerate(PAIRS):
        matrix[i, j] = matrix[j, i] = 0.9 - 0.05 * rank
    matrix[3, 7] = matrix[7, 3] = 0.3
    return matrix


@pytest.mark.parametrize("part", [np.asarray, np.triu, np.tril])
def test_matrices_agree(part: object, tmp_path: Path) -> None:
    matrix = part(_matrix()) + np.eye(18)  # type: ignore[operator]
    np.savez(tmp_path / "named.npz", pairing_probs=matrix, mfe=np.zeros(()))
    np.savez(tmp_path / "alone.npz", anything=matrix)
    np.save(tmp_path / "array.npy", matrix.astype(np.float32))
    np.savetxt(tmp_path / "table.csv", matrix, delimiter=",")
    np.savetxt(tmp_path / "table.tsv.gz", matrix, delimiter="\t")
    for path in tmp_path.iterdir():
        found = read_secondary(path, SEQUENCE)
        assert found.probabilities == pytest.approx(_matrix(), abs=1e-6)
        assert pairs_of(found.structure) == PAIRS


def test_scores_that_sum_past_one_become_probabilities(tmp_path: Path) -> None:
    matrix = _matrix()
    matrix[0, 11] = matrix[11, 0] = 0.8
    np.save(tmp_path / "scores.npy", matrix)
    found = read_secondary(tmp_path / "scores.npy", SEQUENCE)
    assert found.probabilities.sum(axis=1).max() <= 1 + 1e-6
    assert found.probabilities[0, 10] == pytest.approx(0.9 / 1.7)
    assert found.probabilities[1] == pytest.approx(_matrix()[1])


def test_a_dot_plot_of_viennarna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RNA = pytest.importorskip("RNA")
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))
    sequence = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA"
    compound = RNA.fold_compound(sequence)
    structure, _ = compound.mfe()
    compound.pf()
    path = tmp_path / "trna_dp.ps"
    RNA.plot_dp_EPS(str(path), sequence, compound.plist_from_probs(1e-5), RNA.plist(structure, 0.95**2), None, 0)
    expected = predict_pairing(sequence, np.zeros(76, dtype=np.int64))
    assert read_secondary(path, sequence).probabilities == pytest.approx(expected.probabilities, abs=1e-4)
    with pytest.raises(DataError, match="residue 1 is G, but A"):
        read_secondary(path, "A" + sequence[1:])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("empty.db", "", "is empty"),
        ("names.db", ">one\n>two\n", "has names only"),
        ("short.db", f"{SEQUENCE}\n{STRUCTURE[:-1]}\n", "line 2: 17 dots and brackets for 18 residues"),
        ("open.db", f">x\n{SEQUENCE}\n{STRUCTURE.replace(']', '.')}\n", r"line 3: '\[' at position 5 is never closed"),
        ("closed.db", f"{SEQUENCE}\n){STRUCTURE[1:]}\n", r"line 2: '\)' at position 1 closes no pair"),
        ("odd.db", f"{SEQUENCE}\n?{STRUCTURE[1:]}\n", r"line 2: '\?' at position 1 is neither dot nor bracket"),
        ("other.db", f"{SEQUENCE[:5]}G{SEQUENCE[6:]}\n{STRUCTURE}\n", "line 1: residue 6 is G, but A in the sequence"),
        ("others.db", "GG\n..\nAA\n..\n", "none of the 2 records"),
        ("lone.db", f">x\n{SEQUENCE}\n", "line 2: there is no structure below"),
        ("long.db", f"A{SEQUENCE}\n.{STRUCTURE}\n", "has 19 residues where the sequence has 18"),
        ("base.bpseq", BPSEQ.replace("3 G 9", "3 A 9"), "line 3: residue 3 is A, but G"),
        ("columns.bpseq", BPSEQ.replace("3 G 9", "3 G"), "line 3: this is not a place"),
        ("order.bpseq", BPSEQ.replace("3 G 9", "4 G 9"), "line 3: place 4 where 3 should be"),
        ("mutual.bpseq", BPSEQ.replace("3 G 9", "3 G 0"), "line 9: residue 9 has partner 3"),
        ("self.bpseq", BPSEQ.replace("4 C 0", "4 C 4"), "line 4: 4 is no partner of residue 4"),
        ("beyond.bpseq", BPSEQ.replace("4 C 0", "4 C 99"), "line 4: 99 is no partner"),
        ("headless.ct", CT.split("\n", 1)[1], "has 1 residues|begins with the number|fewer than six"),
        ("words.ct", "a title\n" + CT, "line 1: a ct file begins"),
        ("columns.ct", CT.replace("3 G 2 4 9 3", "3 G 2"), "line 4: fewer than six"),
        ("header.csv", "a,b\n1,2\n", "line 1: could not convert"),
        ("ragged.csv", "0,1\n1\n", "line 2: 1 numbers, but 2 above"),
        ("small.csv", "0,1\n1,0\n", "holds 2 × 2 numbers for 18 residues"),
        ("plot.ps", "%!PS\n", "is no dot plot"),
        ("array.npz", "no zip", "is not an array"),
        ("damaged.db", "\x1f\x8bnothing", "cannot read"),
    ],
)
def test_errors_name_file_and_line(name: str, text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=words) as caught:
        read_secondary(path, SEQUENCE)
    assert str(path) in caught.value.message
    with pytest.raises(DataError, match="cannot read"):
        read_secondary(tmp_path / "absent.db", SEQUENCE)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [((0, 10), 1.2, "1.2 between residues 1 and 11"), ((0, 10), np.nan, "nan between"), ((2, 12), 0.4, "one way and")],
)
def test_matrices_that_are_no_probabilities(place: tuple[int, int], value: float, words: str, tmp_path: Path) -> None:
    matrix = _matrix()
    matrix[place] = value
    np.save(tmp_path / "wrong.npy", matrix)
    with pytest.raises(DataError, match=words):
        read_secondary(tmp_path / "wrong.npy", SEQUENCE)


def test_a_damaged_header_of_an_array_is_said(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(3))
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes().replace(b"(3, 3)", b"(3, 3 "))
    with pytest.raises(DataError, match="is not an array"):
        read_secondary(tmp_path / "x.npy", "ACG")


def test_arrays_without_a_known_name_are_asked_for(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", one=_matrix(), two=_matrix())
    with pytest.raises(DataError, match="has no array 'probabilities'"):
        read_secondary(tmp_path / "two.npz", SEQUENCE)
    np.savez(tmp_path / "pickled.npz", probabilities=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="is not an array"):
        read_secondary(tmp_path / "pickled.npz", SEQUENCE)


@pytest.mark.data
@pytest.mark.parametrize("name", ["pseudoknots", "pseudobase_short"])
def test_pseudoknots_of_real_files_are_kept(name: str, data_folder: Path) -> None:
    path = data_folder / "rna_2d" / f"{name}.dbn.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    records = {seq: text for seq, text in zip(lines[1::3], lines[2::3], strict=True) if set(seq) <= set("ACGU")}
    once = [seq for seq in records if lines.count(seq) == 1][::10]
    assert len(once) > 20
    for sequence in once:
        found = read_secondary(path, sequence)
        assert pairs_of(found.structure) == pairs_of(records[sequence])


@pytest.mark.data
def test_real_structures_survive_every_format(data_folder: Path, tmp_path: Path) -> None:
    with gzip.open(data_folder / "rna_2d" / "archiveII.csv.gz", "rt") as file:
        rows = [row for row in csv.DictReader(file) if set(row["sequence"]) <= set("ACGU")][::200]
    assert len(rows) > 10
    for row in rows:
        sequence, pairs = row["sequence"], pairs_of(row["structure"])
        partner = dict(pairs) | {j: i for i, j in pairs}
        numbers = [partner.get(k, -1) + 1 for k in range(len(sequence))]
        bpseq = "".join(f"{k + 1} {base} {numbers[k]}\n" for k, base in enumerate(sequence))
        for path in (
            _file(tmp_path, "x.db", f">{row['id']}\n{sequence}\n{row['structure']}\n"),
            _file(tmp_path, "x.bpseq.gz", bpseq),
        ):
            assert pairs_of(read_secondary(path, sequence).structure) == pairs
