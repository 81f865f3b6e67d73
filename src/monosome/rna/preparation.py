"""A collection turned into a prepared folder: every chain with its features; what was prepared before is kept."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TypeVar

from monosome.atomic import replacing
from monosome.errors import DataError
from monosome.processes import num_processors, worker_pool
from monosome.rna import prepared, rcsb
from monosome.rna.dataset import find_clusters
from monosome.rna.feature_files import FeatureRequest, write_feature_files
from monosome.rna.holdout import find_overlaps, read_held_out
from monosome.rna.ledger import Ledger, SourceRecord
from monosome.rna.pairing import predict_pairing
from monosome.rna.prepared import Entry
from monosome.rna.sources import Source, Watch, is_list, listed_sources, read_source, sources
from monosome.rna.tables import Row, read_table
from monosome.sequences.fasta import Record
from monosome.sequences.leakage import Leak

LEDGER, LEAKS, DOWNLOADS = "progress.jsonl", "leakage.csv", "downloads"
SOURCES_AT_ONCE = 256
"""Sources whose chains are in memory together: a chain takes 324 bytes a residue."""

ItemT = TypeVar("ItemT")
DoneT = TypeVar("DoneT")


@dataclass(frozen=True)
class Request:
    """What is prepared from where to where; relatives of the sequences at `held_out` are left out.

    With a folder of alignments, or a file of secondary structures, feature files are written too.
    """

    source: Path
    out: Path
    num_workers: int = 1
    held_out: Path | None = None
    msa: Path | None = None
    secondary: Path | None = None
    archive: str = rcsb.ADDRESS


@dataclass(frozen=True)
class Preparation:
    """The manifest's rows, how many of them were there before, what was left out and why, and what leaked."""

    rows: tuple[Row, ...]
    num_kept: int
    notes: tuple[str, ...]
    leaks: tuple[Leak, ...]


def prepare(request: Request, watch: Watch) -> Preparation:
    """Write one NPZ per chain, its features and a manifest; `watch` is told of chains done, and of all known so far.

    A chain whose source and files are those of an earlier run is not made again, so a run that was killed goes on.
    Raises DataError when nothing is usable, or when the folder holds a manifest of another kind.
    """
    out = request.out
    if (out / prepared.MANIFEST).exists() and not prepared.is_prepared(out):
        raise DataError(f"{out} holds another {prepared.MANIFEST}", "choose an empty folder")
    for path in (request.msa, request.secondary):
        if path is not None and not path.exists():
            raise DataError(f"there is no {path}", "--msa takes a folder of alignments, --ss a file of structures")
    held_out = read_held_out(request.held_out) if request.held_out else []
    for left in prepared.unfinished(out):
        left.unlink()
    found, notes = _sources(request, watch)
    ledger = Ledger(out / LEDGER)
    try:
        with _workers(request.num_workers) as pool:
            work = _Work(out, ledger, pool, held_out)
            for start in range(0, len(found), SOURCES_AT_ONCE):
                work.add(found[start : start + SOURCES_AT_ONCE], len(found) - start, watch)
    finally:
        ledger.close()
    notes += work.notes
    if not work.rows:
        raise DataError(f"{request.source}: no usable RNA chain", notes[0] if notes else "")
    clusters, remarks = _clusters(request, work.rows)
    rows = tuple(row | {"cluster": name} for row, name in zip(work.rows, clusters, strict=True))
    if request.held_out:
        _write_leaks(out / LEAKS, work.leaks)
    prepared.write_manifest(out / prepared.MANIFEST, rows)
    if request.msa or request.secondary:
        remarks = [*remarks, *_features(request, rows, watch)]
    return Preparation(rows, work.num_kept, (*notes, *remarks), tuple(work.leaks))


def _features(request: Request, rows: Sequence[Row], watch: Watch) -> list[str]:
    """Notes on the feature files of all chains."""
    notes: list[str] = []
    wanted = FeatureRequest(request.out, request.msa, request.secondary)
    with _workers(request.num_workers) as pool:
        for number, note in enumerate(write_feature_files(wanted, rows, pool), start=1):
            notes += [note] if note else []
            watch(number, len(rows))
    return notes


def _sources(request: Request, watch: Watch) -> tuple[list[Source], list[str]]:
    if is_list(request.source):
        return listed_sources(request.source, request.out / DOWNLOADS, watch, request.archive)
    return sources(request.source), []


def _clusters(request: Request, rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Clusters and notes; the same chains keep the clusters that an earlier manifest gives them."""
    if prepared.is_prepared(request.out) and not (request.source / "rna_clusters.csv").is_file():
        before = list(read_table(request.out / prepared.MANIFEST, prepared.COLUMNS))
        if [(row["id"], row["sequence"]) for row in before] == [(row["id"], row["sequence"]) for row in rows]:
            return [row["cluster"] for row in before], []
    return find_clusters(request.source, [(row["id"], row["sequence"]) for row in rows])


@contextmanager
def _workers(num: int) -> Iterator[Executor | None]:
    """Processes that share the work, or None where one is enough; when it is broken off nothing more is begun."""
    num = num or num_processors()
    if num == 1:
        yield None
        return
    with worker_pool(num, __name__) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


class _Work:
    """The chains that are done, in the order of their sources."""

    def __init__(self, out: Path, ledger: Ledger, pool: Executor | None, held_out: Sequence[Record]) -> None:
        self.out, self.ledger, self.pool, self.held_out = out, ledger, pool, held_out
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self.leaks: list[Leak] = []
        self.num_kept = 0
        self._taken: set[str] = set()

    def add(self, found: Sequence[Source], num_left: int, watch: Watch) -> None:
        """Prepare the chains of these sources, the first of `num_left`."""
        digests = [source.sha256() for source in found]
        before = [self._finished(source.name, digest) for source, digest in zip(found, digests, strict=True)]
        todo = [place for place, record in enumerate(before) if record is None]
        reading = dict(_each(self.pool, read_source, {place: (found[place],) for place in todo}))
        entries: dict[str, Entry] = {}
        records = []
        for place, (source, digest) in enumerate(zip(found, digests, strict=True)):
            record = before[place]
            if record is None:
                usable, notes = reading[place]
                record = SourceRecord(source.name, digest, {e.chain.id: e.chain.sequence for e in usable}, notes)
                self.ledger.add(record)
                entries |= {entry.chain.id: entry for entry in usable if entry.chain.id not in entries}
            records.append(record)
        wanted = self._wanted(records)
        missing = {name: entries[name] for name in wanted if self._row(name, wanted[name].sha256) is None}
        self.num_kept += len(wanted) - len(missing)
        self._make(missing, wanted, num_left - len(found), watch)
        self.rows += [row for name, record in wanted.items() if (row := self._row(name, record.sha256))]

    def _finished(self, name: str, digest: str) -> SourceRecord | None:
        """The record of a source none of whose chains has to be made."""
        record = self.ledger.source(name, digest)
        whole = record and all(self._row(chain, digest) for chain in record.sequences)
        return record if whole else None

    def _row(self, name: str, source_sha256: str) -> Row | None:
        """The row of a chain if it is of this source and its files are whole."""
        row = self.ledger.chain(name)
        if row is None or row["source_sha256"] != source_sha256 or not prepared.is_whole(self.out, row):
            return None
        return row

    def _wanted(self, records: Sequence[SourceRecord]) -> dict[str, SourceRecord]:
        """The record of each chain that is neither there already nor a relative of what is held out."""
        wanted: dict[str, SourceRecord] = {}
        for record in records:
            self.notes += record.notes
            for name in record.sequences:
                if name in self._taken:
                    self.notes.append(f"{record.name}: there is a chain {name} already")
                else:
                    self._taken.add(name)
                    wanted[name] = record
        overlaps = find_overlaps({name: record.sequences[name] for name, record in wanted.items()}, self.held_out)
        notes = overlaps.notes
        self.notes += notes.values()
        self.leaks += overlaps.leaks
        return {name: record for name, record in wanted.items() if name not in notes}

    def _make(
        self, entries: Mapping[str, Entry], wanted: Mapping[str, SourceRecord], num_unread: int, watch: Watch
    ) -> None:
        """Write the chains' files, the longest first, and note each one as it is done."""
        order = sorted(entries, key=lambda name: -len(entries[name].chain))
        tasks = {name: (self.out, entries[name], wanted[name].sha256) for name in order}
        num_done = len(self.rows) + len(wanted) - len(entries)
        total = len(self.rows) + len(wanted) + num_unread
        watch(num_done, total)
        for number, (_, row) in enumerate(_each(self.pool, _write, tasks), start=num_done + 1):
            self.ledger.add(row)
            watch(number, total)


def _write(out: Path, entry: Entry, source_sha256: str) -> Row:
    """The row of a chain whose NPZ is written and whose base-pair probabilities are in the cache."""
    predict_pairing(entry.chain.sequence, entry.chain.as_one_strand().segments)
    return prepared.write_entry(out, entry, source_sha256)


def _each(
    pool: Executor | None, function: Callable[..., DoneT], tasks: Mapping[ItemT, tuple[object, ...]]
) -> Iterator[tuple[ItemT, DoneT]]:
    """What the function makes of each task, as it is done."""
    if pool is None:
        yield from ((name, function(*words)) for name, words in tasks.items())
        return
    waiting = {pool.submit(function, *words): name for name, words in tasks.items()}
    for done in as_completed(waiting):
        yield waiting[done], done.result()


def _write_leaks(path: Path, leaks: Iterable[Leak]) -> None:
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Leak)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(leak) for leak in leaks)
