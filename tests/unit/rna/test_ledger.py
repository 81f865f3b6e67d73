from pathlib import Path

from monosome.rna.ledger import Ledger, SourceRecord

RECORD = SourceRecord("one.cif", "00ff", {"one": "GGACC"}, ["one.cif: a note"])
ROW = {"id": "one", "sequence": "GGACC", "sha256": "77"}


def reopened(path: Path) -> Ledger:
    ledger = Ledger(path)
    ledger.close()
    return ledger


def test_what_was_noted_is_there_when_it_is_opened_again(tmp_path: Path):
    ledger = Ledger(tmp_path / "out" / "progress.jsonl")
    ledger.add(RECORD)
    ledger.add(ROW)
    ledger.close()
    for each in (ledger, reopened(tmp_path / "out" / "progress.jsonl")):
        assert each.source("one.cif", "00ff") == RECORD
        assert each.source("one.cif", "changed") is None
        assert each.chain("one") == ROW
        assert each.chain("two") is None


def test_the_last_line_of_a_name_counts(tmp_path: Path):
    ledger = Ledger(tmp_path / "progress.jsonl")
    ledger.add(ROW)
    ledger.add({**ROW, "sha256": "88"})
    ledger.close()
    assert reopened(tmp_path / "progress.jsonl").chain("one") == {**ROW, "sha256": "88"}


def test_every_cut_of_the_file_is_read_up_to_its_last_whole_line(tmp_path: Path):
    """A process can be killed at any byte: what is noted next must not join the torn line."""
    path = tmp_path / "progress.jsonl"
    ledger = Ledger(path)
    ledger.add(ROW)
    first = path.stat().st_size
    ledger.add({**ROW, "id": "zwei ä"})
    ledger.close()
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        torn = Ledger(path)
        assert (torn.chain("one") is not None) == (size >= first)
        torn.add({**ROW, "id": "next"})
        torn.close()
        after = reopened(path)
        assert after.chain("next") is not None
        assert (after.chain("one") is not None) == (size >= first)
