"""Where proteins come from: files or the package, split, chosen, tokenised once and kept in a cache."""

import gzip
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from monosome.atomic import replacing, write_text
from monosome.errors import DataError
from monosome.protein.natural import NATURAL, family_of
from monosome.protein.packing import PackedCorpus, Protein, write_corpus
from monosome.protein.recipe import ProteinDataConfig
from monosome.protein.tokens import AMINO_ACIDS, ProteinTokenizer, load_tokenizer, parse_protein, train_tokenizer
from monosome.sequences.clusters import SPLIT_SEED, cluster, split_by_cluster
from monosome.sequences.fasta import Record, iter_fasta

CACHE_FORMAT = 1
KMER = 6
MIN_SHARED = 0.05
"""Proteins that share 5 % of their 6-mers are relatives: about 60 % identity, since .6^6 = .047."""


def cache_folder() -> Path:
    """Where tokenised corpora are kept: $MONOSOME_CACHE, else ~/.cache/monosome."""
    return Path(os.environ.get("MONOSOME_CACHE", "") or Path.home() / ".cache" / "monosome").expanduser()


class ProteinSource:
    """The proteins that a recipe names, split into "train" and "valid", with letters checked and shares drawn."""

    def __init__(self, config: ProteinDataConfig) -> None:
        self.config = config
        self._noted: set[Path] = set()
        self.path = Path(config.path).expanduser() if config.path else NATURAL
        if not self.path.exists():
            raise DataError(f"{self.path} is not there", "data.path is a FASTA file, or a folder with train and valid")

    def content_hash(self, split: str) -> str:
        """Hexadecimal digest of the file that the split is made of, the same for plain and gzipped text."""
        path, digest = self._file(split), hashlib.sha256()
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            while piece := stream.read(2**20):
                digest.update(piece)
        return digest.hexdigest()

    def proteins(self, split: str) -> Iterator[Protein]:
        """The proteins of a split: of "train" the recipe's proportion, of "valid" at most `max_valid`.

        Both are drawn by each sequence's digest: a smaller share lies within a larger one, whatever the file's order.
        """
        if split == "train":
            found = (p for p in self._train() if _digest(p.sequence) < self.config.proportion * 2**64)
            yield from _at_least_one(found, f"{self.path}: no training protein is left")
        else:
            chosen = sorted(self._valid(), key=lambda p: _digest(p.sequence))[: self.config.max_valid]
            yield from _at_least_one(iter(chosen), f"{self.path}: no held-out protein is left")

    def _train(self) -> Iterator[Protein]:
        if self.path.is_dir():
            return (Protein(record.id, record.sequence) for record in self._records("train"))
        return (protein for protein, split in self._assigned if split == "train")

    def _valid(self) -> Sequence[Protein]:
        if not self.path.is_dir():
            return [protein for protein, split in self._assigned if split == "valid"]
        records = list(self._records("valid"))
        groups = cluster([record.sequence for record in records], KMER, MIN_SHARED)
        return [Protein(r.id, r.sequence, str(group)) for r, group in zip(records, groups, strict=True)]

    @cached_property
    def _assigned(self) -> list[tuple[Protein, str]]:
        records = list(self._records("train"))
        if self.path == NATURAL:
            groups = [family_of(record) for record in records]
        else:
            groups = [str(number) for number in cluster([r.sequence for r in records], KMER, MIN_SHARED)]
        splits = split_by_cluster(groups, self.config.valid_share, SPLIT_SEED)
        return [(Protein(r.id, r.sequence, g), s) for r, g, s in zip(records, groups, splits, strict=True)]

    def _records(self, split: str) -> Iterator[Record]:
        path = self._file(split)
        keep_other = self.config.other_letters == "keep"
        num_skipped = 0
        for record in iter_fasta(path):
            if self.config.other_letters == "skip" and record.sequence.upper().removesuffix("*").strip(AMINO_ACIDS):
                num_skipped += 1
                continue
            sequence = parse_protein(record.sequence, f"{path}, record {record.id}", other_letters=keep_other)
            yield Record(record.id, record.description, sequence)
        if num_skipped and path not in self._noted:
            self._noted.add(path)
            print(f"note: {num_skipped} proteins of {path} left out, with letters beyond the 20", file=sys.stderr)

    def _file(self, split: str) -> Path:
        if not self.path.is_dir():
            return self.path
        for name in (f"{split}.fasta", f"{split}.fasta.gz"):
            if (self.path / name).is_file():
                return self.path / name
        raise DataError(
            f"there is no {split}.fasta or {split}.fasta.gz in {self.path}",
            "give a folder with both train and valid, or one FASTA file, which is split by clusters",
        )


def _at_least_one(proteins: Iterator[Protein], message: str) -> Iterator[Protein]:
    first = next(proteins, None)
    if first is None:
        raise DataError(message, "raise data.proportion, or add proteins")
    yield first
    yield from proteins


def _digest(sequence: str) -> int:
    return int.from_bytes(hashlib.sha256(sequence.encode()).digest()[:8], "big")


def trained_tokenizer(source: ProteinSource) -> ProteinTokenizer:
    """The tokenizer of the source's training proteins, from the cache where it was trained before."""
    config = source.config
    key = _key([source.content_hash("train"), config.proportion, config.valid_share, config.other_letters])
    folder = cache_folder() / "tokenizers" / f"{key[:16]}-{config.vocab_size}"
    if not (folder / "tokenizer.json").is_file():
        sequences = (protein.sequence for protein in source.proteins("train"))
        tokenizer = train_tokenizer(sequences, config.vocab_size)
        write_text(folder / "tokenizer.json", tokenizer.backend.to_str())
    return load_tokenizer(str(folder))


def corpus(source: ProteinSource, split: str, tokenizer: ProteinTokenizer, samples: Sequence[str] = ()) -> PackedCorpus:
    """The split as blocks: "train" packed, with `samples` added; "valid" one protein a block, labelled.

    Tokenised once: the cache knows it by the content of the proteins and of the tokenizer. Samples do not enter
    `content_hash`: what draws them does.
    """
    config = source.config
    settings = config.model_dump(include={"proportion", "valid_share", "max_valid", "block_length", "other_letters"})
    content_hash = _key([source.content_hash(split), split, tokenizer.content_hash, settings])
    folder = cache_folder() / "corpora" / _key([content_hash, list(samples)])[:32]
    if not folder.is_dir():
        proteins = _with_samples(source.proteins(split), samples)
        with replacing(folder) as temporary:
            write_corpus(temporary, proteins, tokenizer, config.block_length, packed=split == "train")
    return PackedCorpus(folder, content_hash)


def _with_samples(proteins: Iterator[Protein], samples: Sequence[str]) -> Iterator[Protein]:
    yield from proteins
    yield from (Protein(f"sample_{number}", sequence) for number, sequence in enumerate(samples, start=1))


def _key(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps([CACHE_FORMAT, *parts], sort_keys=True).encode()).hexdigest()
