"""Where proteins come from: files or the package, split, chosen, tokenised once and kept in a cache."""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from heapq import nsmallest
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt

from monosome.atomic import replacing, write_text
from monosome.errors import DataError
from monosome.places import cache_folder
from monosome.protein.formats import Reading, locate
from monosome.protein.natural import family_of
from monosome.protein.packing import PackedCorpus, Protein, write_corpus
from monosome.protein.recipe import ProteinDataConfig
from monosome.protein.tokens import AMINO_ACIDS, ProteinTokenizer, load_tokenizer, parse_protein, train_tokenizer
from monosome.sequences.clusters import SPLIT_SEED, cluster, representatives, split_by_cluster
from monosome.sequences.fasta import Record

CACHE_FORMAT = 1
KMER = 6
MIN_SHARED = 0.05
"""Proteins that share 5 % of their 6-mers are relatives: about 60 % identity, since .6^6 = .047."""
FILTERS = {"column", "min_length", "max_length", "duplicates", "max_identity"}
"""Settings that say which proteins of a file are taken."""

Bools = npt.NDArray[np.bool_]


class ProteinSource:
    """The proteins that a recipe names, split into "train" and "valid", with letters checked and shares drawn."""

    def __init__(self, config: ProteinDataConfig) -> None:
        self.config = config
        self.place = locate(config.path)
        self._reading = Reading(config.column, config.tokenizer)
        self._unsuitable: dict[str, Counter[str]] = {}
        self._kept: dict[str, Bools] = {}
        self._noted: set[str] = set()

    def content_hash(self, split: str) -> str:
        """What names the content of the file that the split is made of, wherever it lies."""
        return self.place.content_hash(split)

    @property
    def filters(self) -> dict[str, Any]:
        """The settings that leave proteins out, those that are set: the others are in no key of a cache."""
        return self.config.model_dump(include=FILTERS, exclude_defaults=True)

    def proteins(self, split: str) -> Iterator[Protein]:
        """The proteins of a split: of "train" the recipe's proportion, of "valid" at most `max_valid`.

        Both are drawn by each sequence's digest: a smaller share lies within a larger one, whatever the file's order.
        """
        if split == "train":
            found = (p for p in self._train() if _digest(p.sequence) < self.config.proportion * 2**64)
            yield from _at_least_one(found, f"{self.place}: no training protein is left")
        else:
            yield from _at_least_one(iter(self._valid()), f"{self.place}: no held-out protein is left")

    def _train(self) -> Iterator[Protein]:
        if self.place.has_splits:
            return (Protein(record.id, record.sequence) for record in self._records("train"))
        return (protein for protein, split in self._assigned if split == "train")

    def _valid(self) -> Sequence[Protein]:
        if not self.place.has_splits:
            return self._drawn(protein for protein, split in self._assigned if split == "valid")
        chosen = self._drawn(Protein(record.id, record.sequence) for record in self._records("valid"))
        groups = cluster([protein.sequence for protein in chosen], KMER, MIN_SHARED)
        return [replace(protein, group=str(group)) for protein, group in zip(chosen, groups, strict=True)]

    def _drawn(self, proteins: Iterable[Protein]) -> list[Protein]:
        return nsmallest(self.config.max_valid, proteins, key=lambda protein: _digest(protein.sequence))

    @cached_property
    def _assigned(self) -> list[tuple[Protein, str]]:
        records = list(self._records("train"))
        if not self.config.path:
            groups = [family_of(record) for record in records]
        else:
            groups = [str(number) for number in cluster([r.sequence for r in records], KMER, MIN_SHARED)]
        splits = split_by_cluster(groups, self.config.valid_share, SPLIT_SEED)
        return [(Protein(r.id, r.sequence, g), s) for r, g, s in zip(records, groups, splits, strict=True)]

    def _records(self, split: str) -> Iterator[Record]:
        """The records that stay, and once a note on those that do not."""
        records = self._suitable(split)
        if {"duplicates", "max_identity"} & self.filters.keys():
            if split not in self._kept:
                self._kept[split] = self._distinct(split)
            records = compress(records, self._kept[split].tolist())
        yield from records
        if split not in self._noted:
            self._noted.add(split)
            counts = {**self._unsuitable[split], "like others": int((~self._kept.get(split, np.ones(1, bool))).sum())}
            words = [f"{number:,} {why}" for why, number in counts.items() if number]
            if words:
                print(f"note: proteins of {self.place.name(split)} left out: {', '.join(words)}", file=sys.stderr)

    def _distinct(self, split: str) -> Bools:
        """Which of the suitable records stay; to find duplicates only 8 bytes of each are held."""
        suitable = (record.sequence for record in self._suitable(split))
        if self.config.max_identity < 1:
            sequences = list(suitable)
            kept: Any = representatives(sequences, KMER, self.config.max_identity**KMER)
            mask = np.zeros(len(sequences), dtype=bool)
        else:
            digests = np.fromiter(map(_digest, suitable), dtype=np.uint64)
            kept = np.unique(digests, return_index=True)[1]
            mask = np.zeros(len(digests), dtype=bool)
        mask[kept] = True
        return mask

    def _suitable(self, split: str) -> Iterator[Record]:
        """The records with letters and lengths that the recipe takes, in capital letters."""
        config, name = self.config, self.place.name(split)
        counts = self._unsuitable[split] = Counter()
        for record in self.place.records(split, self._reading):
            if config.other_letters == "skip" and record.sequence.upper().removesuffix("*").strip(AMINO_ACIDS):
                counts["with letters beyond the 20"] += 1
                continue
            keep_other = config.other_letters == "keep"
            sequence = parse_protein(record.sequence, f"{name}, record {record.id}", other_letters=keep_other)
            if len(sequence) < config.min_length:
                counts[f"of fewer than {config.min_length} residues"] += 1
            elif config.max_length and len(sequence) > config.max_length:
                counts[f"of more than {config.max_length} residues"] += 1
            else:
                yield Record(record.id, record.description, sequence)


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
    filters = [source.filters] if source.filters else []
    key = _key([source.content_hash("train"), config.proportion, config.valid_share, config.other_letters, *filters])
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
    settings |= source.filters
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
