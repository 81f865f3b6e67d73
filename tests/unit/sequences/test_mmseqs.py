"""How MMseqs2 is called and read, with a program of that name that only writes a table: the real one is not here."""

import sys
from pathlib import Path

import pytest

from monosome.errors import DataError
from monosome.rna.dataset import find_clusters
from monosome.sequences import mmseqs
from monosome.sequences.relatives import PROTEIN, RNA

FAKE = """#!{python}
import sys
from pathlib import Path
verb, source, out, work, *options = sys.argv[1:]
Path({log!r}).write_text(" ".join([verb, *options]) + "\\n" + Path(source).read_text())
{act}
"""
TABLE = """Path(out + "_cluster.tsv").write_text("2\\t2\\n2\\t0\\n1\\t1\\n")"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder / "mmseqs"


def write(program: Path, act: str) -> None:
    program.write_text(FAKE.format(python=sys.executable, log=str(program.with_suffix(".log")), act=act))
    program.chmod(0o755)


def test_without_the_program_there_is_none(program: Path):
    assert mmseqs.find() is None


def test_the_call_and_the_table(program: Path):
    write(program, TABLE)
    assert mmseqs.find() == str(program)
    assert mmseqs.cluster(["ACGU", "GGGG", "ACGUU"], RNA, str(program)) == [0, 1, 0]
    words, *fasta = program.with_suffix(".log").read_text().splitlines()
    assert words == ("easy-cluster --min-seq-id 0.8 -c 0.8 --cov-mode 1 --cluster-mode 2 --dbtype 2 -v 1")
    assert fasta == [">0", "ACGT", ">1", "GGGG", ">2", "ACGTT"]
    mmseqs.cluster(["MKU", "MM", "W"], PROTEIN, str(program))
    assert "--dbtype 1" in program.with_suffix(".log").read_text()
    assert "MKU" in program.with_suffix(".log").read_text()


def test_a_failure_is_said_in_its_own_words(program: Path):
    write(program, "sys.exit('cannot allocate memory')")
    with pytest.raises(DataError, match="cannot allocate memory"):
        mmseqs.cluster(["ACGU"], RNA, str(program))
    write(program, TABLE)
    with pytest.raises(DataError, match="left out 1 of 4"):
        mmseqs.cluster(["ACGU"] * 4, RNA, str(program))


def test_the_split_does_not_depend_on_what_is_installed(program: Path, tmp_path: Path):
    chains = [("a", "ACGU"), ("b", "GGGG"), ("c", "ACGUU")]
    without = find_clusters(tmp_path, chains)
    write(program, TABLE)
    assert find_clusters(tmp_path, chains) == without
