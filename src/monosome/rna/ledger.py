"""What a preparation has done so far, a line for each piece of work: one that is killed goes on from there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monosome.rna.tables import Row


@dataclass(frozen=True)
class SourceRecord:
    """A source as it was read: the digest of its files, the sequence of each usable chain, notes on the others."""

    name: str
    sha256: str
    sequences: Mapping[str, str]
    notes: Sequence[str]


class Ledger:
    """The lines of a file, the last of each name; new ones are written at once.

    A line that a killed process left half-written is taken away.
    """

    def __init__(self, path: Path) -> None:
        self._sources: dict[tuple[str, str], SourceRecord] = {}
        self._chains: dict[str, Row] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab+")
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._file.truncate(len(whole))
        for line in whole.decode().splitlines():
            self._take(json.loads(line))

    def source(self, name: str, sha256: str) -> SourceRecord | None:
        """The record of a source with this content."""
        return self._sources.get((name, sha256))

    def chain(self, name: str) -> Row | None:
        """The manifest's row of a chain whose files were written, still without its cluster."""
        return self._chains.get(name)

    def add(self, what: SourceRecord | Row) -> None:
        """Note a source that was read, or a chain whose files are written."""
        line = {"source": asdict(what)} if isinstance(what, SourceRecord) else {"chain": what}
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        self._take(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _take(self, line: Mapping[str, Any]) -> None:
        if "chain" in line:
            self._chains[line["chain"]["id"]] = line["chain"]
        else:
            record = SourceRecord(**line["source"])
            self._sources[record.name, record.sha256] = record
