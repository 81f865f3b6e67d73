"""Where what is known of a chain besides its sequence comes from: ViennaRNA, and files."""

import glob
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from monosome.errors import DataError
from monosome.rna.alignment import read_alignment
from monosome.rna.embeddings import read_embedding
from monosome.rna.evolution import evolution
from monosome.rna.features import Evidence, Source
from monosome.rna.pairing import (
    LONGEST_WHOLE,
    STANDARD,
    Conditions,
    Pairing,
    predict_local_energies,
    predict_pairing,
    sample_structures,
)
from monosome.rna.probing import read_reactivities
from monosome.rna.secondary import read_secondary
from monosome.rna.templates import Templates

FOLDERS: Mapping[Source, str] = {"evolution": "msa", "probing": "probing", "embedding": "embeddings"}
"""Sources that are read from files, and the setting of `data` that names their folder."""
NUM_SAMPLES = 50
"""Structures that are sampled of a chain: a pair of probability one half is told as 0.5 ± 0.07."""


@dataclass(frozen=True)
class EvidenceSource:
    """What to gather for each chain; `folders` holds the files of the sources that have some.

    A file is of the chain whose name its own begins with, up to the first dot: R1107.MSA.fasta, R1107.npz.
    """

    sources: Sequence[Source] = ()
    folders: Mapping[Source, Path] | None = None
    conditions: Conditions = STANDARD

    def gather(self, id: str, sequence: str, segments: Int64[np.ndarray, "n"]) -> Evidence:
        """What is known of a chain; coordinates have no part in it. Raises DataError for a file that cannot be read."""
        probing, msa, embedding = (self.file(source, id) for source in ("probing", "evolution", "embedding"))
        reactivities = read_reactivities(probing, sequence) if probing else None
        folded = _folded(sequence, segments, self.conditions, reactivities, self.sources)
        return replace(
            folded,
            evolution=evolution(read_alignment(msa, sequence)) if msa else None,
            embedding=read_embedding(embedding, sequence).values if embedding else None,
        )

    def file(self, source: Source, id: str) -> Path | None:
        """The file of a chain, if the source is wanted and has one. Raises DataError where there are several."""
        folder = (self.folders or {}).get(source)
        if source not in self.sources or folder is None:
            return None
        found = sorted(
            path for path in folder.glob(f"{glob.escape(id)}.*") if path.name.partition(".")[0] == id.partition(".")[0]
        )
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
class Use:
    """What became of something that was given: `why` says what it is used for, or why it is not."""

    what: str
    is_used: bool
    why: str


@dataclass(frozen=True)
class Given:
    """What a user gives: files of one RNA, and known structures.

    The files are a secondary structure, an alignment, reactivities, an embedding.
    """

    secondary: Path | None = None
    msa: Path | None = None
    shape: Path | None = None
    embedding: Path | None = None
    templates: Templates | None = None

    def evidence(
        self,
        sequence: str,
        sources: Sequence[Source],
        conditions: Conditions = STANDARD,
        segments: Int64[np.ndarray, "n"] | None = None,
    ) -> Evidence:
        """What they tell of the sequence, ViennaRNA filling in for a structure that is not given.

        What the network has no input for is checked and left out, see `uses`. Raises DataError for a file that cannot
        be read or is of another sequence.
        """
        segments = np.zeros(len(sequence), dtype=np.int64) if segments is None else segments
        reactivities = read_reactivities(self.shape, sequence) if self.shape else None
        pairing = read_secondary(self.secondary, sequence) if self.secondary else None
        alignment = read_alignment(self.msa, sequence) if self.msa else None
        embedding = read_embedding(self.embedding, sequence).values if self.embedding else None
        folded = _folded(sequence, segments, conditions, reactivities, sources, pairing)
        return replace(
            folded,
            evolution=evolution(alignment) if alignment and "evolution" in sources else None,
            embedding=embedding if "embedding" in sources else None,
        )

    def uses(self, sources: Sequence[Source]) -> list[Use]:
        """What a network with these inputs makes of each thing that was given."""
        found = []
        if self.secondary:
            found.append(Use(str(self.secondary), True, "base pairs to start from, in place of ViennaRNA's"))
        if self.shape:
            beside = ", and an input of the network" if "probing" in sources else ""
            found.append(Use(str(self.shape), True, f"reactivities count in ViennaRNA's energies{beside}"))
        inputs: tuple[tuple[Path | None, Source, str], ...] = (
            (self.msa, "evolution", "an alignment"),
            (self.embedding, "embedding", "an embedding"),
        )
        for file, source, name in inputs:
            if file:
                is_used = source in sources
                why = "an input of the network" if is_used else f"this checkpoint has no input for {name}"
                found.append(Use(str(file), is_used, why))
        if self.templates:
            limits = f"known before {self.templates.before}, at most {self.templates.max_identity:.0%} identical"
            found.append(Use(f"{len(self.templates.library.templates)} known structures", True, f"templates {limits}"))
        return found


def _folded(
    sequence: str,
    segments: Int64[np.ndarray, "n"],
    conditions: Conditions,
    reactivities: Float32[np.ndarray, "n"] | None,
    sources: Sequence[Source],
    own: Pairing | None = None,
) -> Evidence:
    """What ViennaRNA says that the sources want, with `own` pairs instead of its own where there are some."""
    told = (conditions, reactivities)
    return Evidence(
        pairing=own or predict_pairing(sequence, segments, *told),
        energies=predict_local_energies(sequence, segments, *told) if "thermodynamics" in sources else None,
        reactivities=reactivities,
        samples=_samples(sequence, segments, conditions, reactivities) if "samples" in sources else (),
    )


def _samples(
    sequence: str,
    segments: Int64[np.ndarray, "n"],
    conditions: Conditions,
    reactivities: Float32[np.ndarray, "n"] | None,
) -> Sequence[str]:
    """NUM_SAMPLES structures, each strand by itself, the same for the same sequence; unpaired above LONGEST_WHOLE."""
    drawn = []
    for strand in np.split(np.arange(len(sequence)), np.flatnonzero(np.diff(segments)) + 1):
        if len(strand) > LONGEST_WHOLE:
            drawn.append(["." * len(strand)] * NUM_SAMPLES)
            continue
        letters = sequence[strand[0] : strand[-1] + 1]
        own = None if reactivities is None else reactivities[strand]
        drawn.append(sample_structures(letters, NUM_SAMPLES, 0, conditions, own))
    return ["".join(parts) for parts in zip(*drawn, strict=True)]
