"""Feature files beside prepared chains, in the layout that other programs read: thermodynamics and covariation."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monosome.errors import DataError
from monosome.rna.alignment import read_alignment
from monosome.rna.evidence import EvidenceSource
from monosome.rna.evolution import evolution
from monosome.rna.npz_features import COUPLING, THERMO, gathered, write_npz
from monosome.rna.pairing import predict_pairing
from monosome.rna.secondary import read_secondary
from monosome.rna.tables import Row

FOLDER = "features"


@dataclass(frozen=True)
class FeatureRequest:
    """Where feature files go, a folder of alignments named by chain, and a file of secondary structures."""

    out: Path
    msa: Path | None = None
    secondary: Path | None = None


def write_feature_files(request: FeatureRequest, rows: Sequence[Row], pool: Executor | None) -> Iterator[str]:
    """Write the files of every chain of a manifest; gives a note, empty where there is nothing to say, as each is done.

    Files that are newer than what they are made of are kept. A chain whose sequence is in no record of the secondary
    structures gets ViennaRNA's.
    """
    (request.out / FOLDER).mkdir(exist_ok=True)
    chains = [(row["id"], row["sequence"]) for row in rows]
    if pool is None:
        yield from (_write(request, *chain) for chain in chains)
        return
    for future in as_completed([pool.submit(_write, request, *chain) for chain in chains]):
        yield future.result()


def _write(request: FeatureRequest, id: str, sequence: str) -> str:
    source = EvidenceSource(("evolution",), {"evolution": request.msa} if request.msa else None)
    try:
        msa = source.file("evolution", id)
        made = [request.out / FOLDER / f"{id}_{kind}.npz" for kind in (THERMO, *([COUPLING] if msa else []))]
        if _are_newer(made, [path for path in (msa, request.secondary) if path]):
            return ""
        related = evolution(read_alignment(msa, sequence)) if msa else None
        pairing = predict_pairing(sequence, np.zeros(len(sequence), dtype=np.int64))
        if request.secondary:
            try:
                pairing = read_secondary(request.secondary, sequence)
            except DataError as error:
                write_npz(request.out / FOLDER, id, gathered(sequence, pairing, related))
                return f"{id}: {error.message}; ViennaRNA's structure was taken"
        write_npz(request.out / FOLDER, id, gathered(sequence, pairing, related))
    except DataError as error:
        return f"{id}: no features: {error.message}"
    return ""


def _are_newer(made: Sequence[Path], sources: Sequence[Path]) -> bool:
    if not all(path.is_file() for path in made):
        return False
    return min(path.stat().st_mtime for path in made) >= max((path.stat().st_mtime for path in sources), default=0.0)
