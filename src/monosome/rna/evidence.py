"""Where what is known of a chain besides its sequence comes from: ViennaRNA, and files."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from monosome.errors import DataError
from monosome.rna.alignment import read_alignment
from monosome.rna.embeddings import read_embedding
from monosome.rna.evolution import evolution
from monosome.rna.features import Evidence, Source
from monosome.rna.pairing import predict_local_energies, predict_pairing
from monosome.rna.probing import read_reactivities
from monosome.rna.secondary import read_secondary

FOLDERS: Mapping[Source, str] = {"evolution": "msa", "probing": "probing", "embedding": "embeddings"}
"""Sources that are read from files, and the setting of `data` that names their folder."""


@dataclass(frozen=True)
class EvidenceSource:
    """What to gather for each chain; `folders` holds the files of the sources that have some.

    A file is of the chain whose name its own begins with, up to the first dot: R1107.MSA.fasta, R1107.npz.
    """

    sources: Sequence[Source] = ()
    folders: Mapping[Source, Path] | None = None

    def gather(self, id: str, sequence: str, segments: Int64[np.ndarray, "n"]) -> Evidence:
        """What is known of a chain; coordinates have no part in it. Raises DataError for a file that cannot be read."""
        probing, msa, embedding = (self.file(source, id) for source in ("probing", "evolution", "embedding"))
        reactivities = read_reactivities(probing, sequence) if probing else None
        has_energies = "thermodynamics" in self.sources
        return Evidence(
            pairing=predict_pairing(sequence, segments, reactivities=reactivities),
            energies=predict_local_energies(sequence, segments, reactivities=reactivities) if has_energies else None,
            evolution=evolution(read_alignment(msa, sequence)) if msa else None,
            reactivities=reactivities,
            embedding=read_embedding(embedding, sequence).values if embedding else None,
        )

    def file(self, source: Source, id: str) -> Path | None:
        """The file of a chain, if the source is wanted and has one. Raises DataError where there are several."""
        folder = (self.folders or {}).get(source)
        if source not in self.sources or folder is None:
            return None
        found = sorted(path for path in folder.glob(f"{id}.*") if path.name.partition(".")[0] == id.partition(".")[0])
        if len(found) > 1:
            raise DataError(f"{folder} has several files of {id}: {', '.join(path.name for path in found)}")
        return found[0] if found else None

    def digest(self, ids: Sequence[str]) -> str:
        """Hexadecimal digest of the files of these chains, wherever they lie."""
        digest = hashlib.sha256()
        for id in ids:
            for source in FOLDERS:
                if path := self.file(source, id):
                    digest.update(f"{source} {id} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class Given:
    """Files that a user gives for one RNA: a secondary structure, an alignment, reactivities."""

    secondary: Path | None = None
    msa: Path | None = None
    shape: Path | None = None

    def evidence(self, sequence: str, sources: Sequence[Source]) -> Evidence:
        """What they tell of the sequence, ViennaRNA filling in for a structure that is not given.

        Raises DataError for a file that cannot be read, is of another sequence, or that the network has no input for.
        """
        if self.msa and "evolution" not in sources:
            raise DataError("this checkpoint has no input for an alignment", "leave out --msa, or name another one")
        segments = np.zeros(len(sequence), dtype=np.int64)
        reactivities = read_reactivities(self.shape, sequence) if self.shape else None
        has_energies = "thermodynamics" in sources
        pairing = read_secondary(self.secondary, sequence) if self.secondary else None
        return Evidence(
            pairing=pairing or predict_pairing(sequence, segments, reactivities=reactivities),
            energies=predict_local_energies(sequence, segments, reactivities=reactivities) if has_energies else None,
            evolution=evolution(read_alignment(self.msa, sequence)) if self.msa else None,
            reactivities=reactivities,
        )
