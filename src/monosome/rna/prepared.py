"""The folder that `monosome prepare rna` writes: one NPZ per chain, and manifest.csv."""

import csv
import hashlib
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from jaxtyping import Float32

from monosome.atomic import replacing
from monosome.errors import DataError
from monosome.rna.chain import Chain
from monosome.rna.nucleotides import ATOM_INDEX
from monosome.rna.tables import Row, has_columns, read_table

MANIFEST = "manifest.csv"
FACTS = ("id", "sequence", "length", "num_resolved", "date", "resolution", "cluster", "source")
COLUMNS = (*FACTS, "source_sha256", "sha256")
"""Columns of the manifest; `num_resolved` counts residues with C1', the digests are of the source and of the NPZ."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A chain and what is known of it: its cluster, when it became known, its resolution in Å, where it was read.

    `models` are the coordinates of the further models of an ensemble, in Å, where there are some.
    """

    chain: Chain
    cluster: str = ""
    date: str = ""
    resolution: float | None = None
    source: str = ""
    models: Float32[np.ndarray, "m n 27 3"] | None = None

    @property
    def num_resolved(self) -> int:
        """Residues with C1'."""
        return int(self.chain.resolved[:, ATOM_INDEX["C1'"]].sum())


def is_prepared(folder: Path) -> bool:
    """Whether `folder` has a manifest of this kind."""
    return has_columns(folder / MANIFEST, COLUMNS)


def chain_path(folder: Path, name: str) -> Path:
    """Where the NPZ of a chain lies."""
    return folder / "chains" / f"{quote(name, safe='')}.npz"


def unfinished(folder: Path) -> list[Path]:
    """Files that a killed process left half-written, under names that nothing reads."""
    return list(chain_path(folder, "x").parent.glob(".*.tmp"))


def write_entry(folder: Path, entry: Entry, source_sha256: str) -> Row:
    """The manifest's row of a chain whose NPZ this writes; equal chains give equal files."""
    chain = entry.chain
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {
        "sequence": np.array(chain.sequence),
        "atoms": chain.atoms,
        "residue_numbers": chain.residue_numbers,
        "segments": chain.segments,
    }
    if entry.models is not None:
        arrays["models"] = entry.models
    np.savez_compressed(buffer, **arrays)
    with replacing(chain_path(folder, chain.id)) as temporary:
        temporary.write_bytes(buffer.getvalue())
    return {
        "id": chain.id,
        "sequence": chain.sequence,
        "length": str(len(chain)),
        "num_resolved": str(entry.num_resolved),
        "date": entry.date,
        "resolution": "" if entry.resolution is None else f"{entry.resolution:g}",
        "cluster": entry.cluster,
        "source": entry.source,
        "source_sha256": source_sha256,
        "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
    }


def is_whole(folder: Path, row: Row) -> bool:
    """Whether the NPZ of a manifest's row is there and has its digest."""
    path = chain_path(folder, row["id"])
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"]


def write_manifest(path: Path, rows: Iterable[Row]) -> None:
    """Write the rows as a manifest, whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def read_prepared(folder: Path) -> list[Entry]:
    """The chains of a prepared folder. Raises DataError naming a chain that is missing or damaged."""
    return [_read_entry(folder, row) for row in read_table(folder / MANIFEST, COLUMNS)]


def _read_entry(folder: Path, row: Row) -> Entry:
    path = chain_path(folder, row["id"])
    try:
        if not is_whole(folder, row):
            raise DataError(
                f"{path} is not what {MANIFEST} says", "run `monosome prepare rna` again: it keeps the rest"
            )
        with np.load(path, allow_pickle=False) as values:
            chain = Chain(
                row["id"], str(values["sequence"]), values["atoms"], values["residue_numbers"], values["segments"]
            )
            models = values["models"] if "models" in values.files else None
        resolution = float(row["resolution"]) if row["resolution"] else None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read: {error}", "run `monosome prepare rna` again") from error
    return Entry(chain, row["cluster"], row["date"], resolution, row["source"], models)
