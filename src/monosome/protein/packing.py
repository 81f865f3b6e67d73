"""Blocks of tokens that hold whole proteins, kept on disk and mapped into memory."""

import json
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Int32, Int64

from monosome.protein.tokens import ProteinTokenizer

Array = np.ndarray
BATCH = 4096
"""Proteins tokenised at a time: enough to keep every core of the tokenizer busy, few enough to forget quickly."""


@dataclass(frozen=True)
class Protein:
    """A named sequence; `group` is its cluster or family, empty where it is not known."""

    id: str
    sequence: str
    group: str = ""


@dataclass(frozen=True)
class Label:
    """Which protein a held-out block holds."""

    id: str
    group: str
    num_residues: int


@dataclass(frozen=True)
class Block:
    """An example: tokens of one or more proteins; `segments` numbers them from 1, in order. No padding."""

    tokens: Int32[Array, "t"]
    segments: Int32[Array, "t"]
    label: Label | None = None


class PackedCorpus:
    """Blocks that `write_corpus` left in a folder, memory-mapped; `content_hash` names what they were made of."""

    def __init__(self, folder: Path, content_hash: str) -> None:
        self.content_hash = content_hash
        self.tokens = np.load(folder / "tokens.npy", mmap_mode="r", allow_pickle=False)
        self.pieces = np.load(folder / "pieces.npy", allow_pickle=False)
        self._blocks = np.load(folder / "blocks.npy", allow_pickle=False)
        facts = json.loads((folder / "facts.json").read_text())
        self.num_proteins: int = facts["num_proteins"]
        self.residues: Mapping[str, int] = facts["residues"]
        self._labels = [Label(**label) for label in facts["labels"]]

    def __len__(self) -> int:
        return len(self._blocks) - 1

    def __getitem__(self, index: int) -> Block:
        first, last = self._blocks[index], self._blocks[index + 1]
        bounds = self.pieces[first : last + 1]
        segments = np.repeat(np.arange(1, last - first + 1, dtype=np.int32), np.diff(bounds))
        label = self._labels[index] if self._labels else None
        return Block(np.array(self.tokens[bounds[0] : bounds[-1]]), segments, label)


def write_corpus(
    folder: Path, proteins: Iterable[Protein], tokenizer: ProteinTokenizer, block_length: int, *, packed: bool
) -> None:
    """Tokenise the proteins into blocks of at most `block_length` tokens and write them below `folder`.

    Packed: proteins are placed whole, best fit, and those longer than a block are cut at its length. Otherwise every
    protein is a block of its own, in order, with a label; a long one has several segments.
    """
    folder.mkdir(parents=True)
    lengths, residues, labels = list[int](), Counter[str](), list[Label]()
    scratch = folder / "scratch"
    with scratch.open("wb") as stream:
        for batch in _batches(iter(proteins)):
            for protein, tokens in zip(batch, tokenizer.encode([p.sequence for p in batch]), strict=True):
                stream.write(tokens.tobytes())
                lengths.append(len(tokens))
                residues.update(protein.sequence)
                if not packed:
                    labels.append(Label(protein.id, protein.group, len(protein.sequence)))
    starts, sizes, owners = _cut(np.array(lengths, dtype=np.int64), block_length)
    groups = best_fit(sizes, block_length) if packed else _by_owner(owners)
    _write_tokens(folder, np.memmap(scratch, dtype=np.int32, mode="r"), starts, sizes, groups)
    scratch.unlink()
    facts = {"num_proteins": len(lengths), "residues": dict(residues), "labels": [asdict(label) for label in labels]}
    (folder / "facts.json").write_text(json.dumps(facts))


def _batches(proteins: Iterator[Protein]) -> Iterator[list[Protein]]:
    while batch := list(islice(proteins, BATCH)):
        yield batch


def _cut(
    lengths: Int64[Array, "n"], block_length: int
) -> tuple[Int64[Array, "p"], Int64[Array, "p"], Int64[Array, "p"]]:
    """Start, size and protein of each piece, when every protein is cut after each `block_length` tokens."""
    num_pieces = -(-lengths // block_length)
    owners = np.repeat(np.arange(len(lengths)), num_pieces)
    within = np.arange(len(owners)) - np.repeat(np.cumsum(num_pieces) - num_pieces, num_pieces)
    starts = np.repeat(np.cumsum(lengths) - lengths, num_pieces) + within * block_length
    return starts, np.minimum(block_length, lengths[owners] - within * block_length), owners


def _by_owner(owners: Int64[Array, "p"]) -> list[list[int]]:
    bounds = np.flatnonzero(np.diff(owners, prepend=-1, append=-1))
    return [list(range(start, stop)) for start, stop in pairwise(bounds.tolist())]


def best_fit(sizes: Int64[Array, "p"], capacity: int) -> list[list[int]]:
    """Pieces of each block: the longest first, each into the fullest block that still has room (Johnson 1973)."""
    blocks: list[list[int]] = []
    by_room: list[list[int]] = [[] for _ in range(capacity + 1)]
    rooms: list[int] = []
    for piece in np.argsort(-sizes, kind="stable").tolist():
        size = int(sizes[piece])
        at = bisect_left(rooms, size)
        if at < len(rooms):
            room = rooms[at]
            block = by_room[room].pop()
            if not by_room[room]:
                del rooms[at]
        else:
            room, block = capacity, len(blocks)
            blocks.append([])
        blocks[block].append(piece)
        if not by_room[room - size]:
            insort(rooms, room - size)
        by_room[room - size].append(block)
    return blocks


def _write_tokens(
    folder: Path,
    scratch: Int32[Array, "n"],
    starts: Int64[Array, "p"],
    sizes: Int64[Array, "p"],
    groups: Sequence[Sequence[int]],
) -> None:
    order = np.array([piece for group in groups for piece in group], dtype=np.int64)
    bounds = _bounds(sizes[order])
    out = np.lib.format.open_memmap(folder / "tokens.npy", mode="w+", dtype=np.int32, shape=(int(bounds[-1]),))
    for at, piece in zip(bounds[:-1], order, strict=True):
        out[at : at + sizes[piece]] = scratch[starts[piece] : starts[piece] + sizes[piece]]
    out.flush()
    np.save(folder / "pieces.npy", bounds)
    np.save(folder / "blocks.npy", _bounds(np.array([len(group) for group in groups], dtype=np.int64)))


def _bounds(sizes: Int64[Array, "p"]) -> Int64[Array, "p+1"]:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
