"""What a frozen teacher says of every training token, computed once and kept on disk for all students of a sweep.

A cache is known by the blocks, the teacher's weights, what is kept of a token and the precision it is computed in:
students, temperatures, alphas and seeds share it. It lies in shards, which several processes share out among them; a
process that is killed loses the shard that it works on. A shard's checksum is read again when a run opens the cache:
SHA-256 reads 1.8 GB a second, and no figure would show what training learned from a damaged shard.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int16, Int64, UInt16
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from monosome.atomic import replacing, write_text
from monosome.errors import ConfigError, DataError
from monosome.places import cache_folder
from monosome.protein.divergences import softened
from monosome.protein.fused import parts
from monosome.protein.objectives import Draws, Likeliest
from monosome.protein.packing import Block, PackedCorpus
from monosome.protein.student import States, run_packed
from monosome.sweep.claims import share
from monosome.train.batches import mixed

Array = np.ndarray
FORMAT = 1
SHARD_BYTES = 2**28
"""Most bytes of a shard: 105,000 tokens of ProtGPT2's hidden states."""
BATCH_TOKENS = 4096
"""Tokens that the teacher reads at a time. Part of what a shard is: batches of other shapes round otherwise."""
SEED = 20
"""What draws are made from: no student's seed, so that all students learn from the same ones."""
MAX_VOCABULARY = 2**16
"""Entries that an id of two bytes tells apart."""


@dataclass(frozen=True)
class Kind:
    """What is kept of a token: words of two bytes.

    "full" keeps the last hidden state (after the final norm) as bf16, or as fp32 where `dtype` says so. "sampled" keeps
    `num` ids drawn from the teacher's distribution at T = 1, with replacement, and "top_k" the `num` likeliest; both
    with their log-probabilities in fp16.
    """

    name: Literal["full", "sampled", "top_k"]
    num: int = 0
    dtype: torch.dtype = torch.bfloat16

    def num_words(self, head: nn.Linear) -> int:
        """Words of a token. Raises ConfigError where ids do not fit into one."""
        if self.name == "full":
            return head.in_features * self.dtype.itemsize // 2
        if head.out_features > MAX_VOCABULARY or self.num > head.out_features:
            raise ConfigError(
                f"{self.num} of {head.out_features:,} entries: ids of {self.name} logits go to {MAX_VOCABULARY:,}",
                "loss.teacher_logits=full, or fewer loss.num_logits",
            )
        return 2 * self.num

    def kept(self, states: States, seed: int) -> UInt16[Array, "m _"]:
        """The words of some positions; `seed` is of the draws."""
        if self.name == "full":
            return np.asarray(states.hidden.to(self.dtype).contiguous().view(torch.int16).cpu().numpy().view(np.uint16))
        chosen = _drawer(self.num, seed) if self.name == "sampled" else _likeliest(self.num)
        words = list[Array]()
        for part in parts(states):
            ids, logs = chosen(softened(states.logits(part), 1.0))
            ids_words = ids.cpu().numpy().astype(np.uint16)
            words.append(np.concatenate([ids_words, logs.half().cpu().numpy().view(np.uint16)], axis=-1))
        return np.concatenate(words)

    def told(self, words: Int16[Tensor, "b t _"], head: nn.Linear | None) -> States | Draws | Likeliest:
        """What the words say, row after row, as the loss takes it; hidden states need the teacher's head."""
        flat = words.flatten(0, 1)
        if self.name == "full":
            assert head is not None
            return States(flat.view(self.dtype), head)
        ids, logs = flat[:, : self.num].long() & (MAX_VOCABULARY - 1), flat[:, self.num :].contiguous()
        told = Draws if self.name == "sampled" else Likeliest
        return told(ids, logs.view(torch.float16).float())


Chosen = Callable[[Float[Tensor, "m v"]], tuple[Int64[Tensor, "m k"], Float[Tensor, "m k"]]]
"""Ids and their log-probabilities, from the log-probabilities of all."""


def _likeliest(num: int) -> Chosen:
    def chosen(logs: Float[Tensor, "m v"]) -> tuple[Int64[Tensor, "m k"], Float[Tensor, "m k"]]:
        values, ids = logs.topk(num)
        return ids, values

    return chosen


def _drawer(num: int, seed: int) -> Chosen:
    """Draws by inverting the distribution function, from uniform numbers that are the same on every device."""
    random = np.random.default_rng(seed)

    def chosen(logs: Float[Tensor, "m v"]) -> tuple[Int64[Tensor, "m k"], Float[Tensor, "m k"]]:
        ends = logs.double().exp().cumsum(-1)
        marks = torch.from_numpy(random.random((len(logs), num))).to(ends.device) * ends[:, -1:]
        ids = torch.searchsorted(ends, marks, right=True).clamp_max(logs.shape[-1] - 1)
        return ids, logs.gather(-1, ids)

    return chosen


@dataclass(frozen=True)
class TaughtBlock(Block):
    """A block and what the teacher says after each token but the last."""

    taught: UInt16[Array, "t-1 _"] | None = None


class TaughtCorpus(PackedCorpus):
    """A packed corpus whose blocks come with what the teacher says; the cache is opened by the first of them."""

    def __init__(self, corpus: PackedCorpus, content_hash: str, opened: Callable[[], "TeacherCache"]) -> None:
        vars(self).update(vars(corpus))
        self.content_hash = content_hash
        self._opened = opened

    def __getitem__(self, index: int) -> TaughtBlock:
        block = super().__getitem__(index)
        return TaughtBlock(block.tokens, block.segments, block.label, self._opened().rows(index))


@dataclass(frozen=True)
class TeacherCache:
    """What is kept of every token of a corpus in one folder; `words` are those of a token."""

    corpus: PackedCorpus
    teacher_hash: str
    kind: Kind
    words: int
    precision: str

    @cached_property
    def folder(self) -> Path:
        """Where the shards lie: below the user's cache, named by all that they depend on."""
        digest = hashlib.sha256(self.corpus.tokens.data)
        digest.update(self._bounds.data)
        digest.update(self.corpus.pieces.data)
        names = [FORMAT, digest.hexdigest(), self.teacher_hash, self.kind.name, self.kind.num, str(self.kind.dtype)]
        key = hashlib.sha256(json.dumps([*names, self.precision]).encode()).hexdigest()
        return cache_folder() / "teachers" / key[:32]

    @cached_property
    def _bounds(self) -> Int64[Array, "_"]:
        """First row of each block, of len − 1 rows, and the end."""
        lengths = [len(PackedCorpus.__getitem__(self.corpus, index).tokens) for index in range(len(self.corpus))]
        return np.concatenate([[0], np.cumsum(np.array(lengths, dtype=np.int64) - 1)])

    @cached_property
    def _shards(self) -> list[int]:
        """First block of each shard, and the end."""
        most, firsts = max(1, SHARD_BYTES // (2 * self.words)), [0]
        for block in range(1, len(self.corpus)):
            if self._bounds[block + 1] - self._bounds[firsts[-1]] > most:
                firsts.append(block)
        return [*firsts, len(self.corpus)]

    @property
    def num_bytes(self) -> int:
        """Bytes of all shards."""
        return int(self._bounds[-1]) * 2 * self.words

    def _shape(self, number: int) -> tuple[int, int]:
        first, end = self._shards[number : number + 2]
        return int(self._bounds[end] - self._bounds[first]), self.words

    @cached_property
    def _maps(self) -> dict[int, Any]:
        return {}

    def rows(self, index: int) -> UInt16[Array, "_ words"]:
        """The words after each token of a block but the last."""
        number = int(np.searchsorted(self._shards, index, side="right")) - 1
        if number not in self._maps:
            self._maps[number] = np.memmap(self._file(number), dtype=np.uint16, mode="r", shape=self._shape(number))
        start = self._bounds[self._shards[number]]
        return np.array(self._maps[number][self._bounds[index] - start : self._bounds[index + 1] - start])

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:05}.bin"

    def _faults(self, number: int) -> str:
        """Why a shard has to be made: empty where it is whole, by its size and its checksum."""
        file, note = self._file(number), self._file(number).with_suffix(".json")
        if not note.is_file():
            return "missing"  # the note is written last
        rows, words = self._shape(number)
        if not file.is_file() or file.stat().st_size != 2 * rows * words:
            return "truncated"
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        return "" if json.loads(note.read_text(encoding="utf-8")).get("sha256") == found else "damaged"

    def fill(self, teacher: Callable[[], nn.Module], collate: Callable[[Sequence[Block]], Any]) -> int:
        """Make every shard that is missing, truncated or damaged; return how many bytes that is.

        Says first how much it is, and raises DataError where the disk has no room for it. `teacher` is asked for only
        where there is something to make.
        """
        faults = {f"{number:05}": fault for number in range(len(self._shards) - 1) if (fault := self._faults(number))}
        if not faults:
            return 0
        for name, fault in faults.items():
            if fault != "missing":
                print(f"note: shard {name} of {self.folder} is {fault}: it is made again", file=sys.stderr)
                self._file(int(name)).with_suffix(".json").unlink(missing_ok=True)
        needed = self._room([int(name) for name in faults])
        model, console = teacher(), Console(stderr=True)
        columns = (
            TextColumn("teacher"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("blocks"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            bar = progress.add_task("", total=sum(len(range(*self._blocks(int(name)))) for name in faults))

            def make(name: str) -> None:
                self._make(int(name), model, collate, lambda num: progress.advance(bar, num))

            share(list(faults), self.folder / "claims", self._is_made, make)
        return needed

    def _is_made(self, name: str) -> bool:
        return self._file(int(name)).with_suffix(".json").is_file()

    def _blocks(self, number: int) -> tuple[int, int]:
        first, end = self._shards[number : number + 2]
        return first, end

    def _room(self, numbers: Sequence[int]) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        needed, free = sum(2 * self.words * self._shape(n)[0] for n in numbers), shutil.disk_usage(self.folder).free
        size = f"{needed / 1e9:.3g} GB in {self.folder}, where {free / 1e9:.3g} GB are free"
        if needed > free:
            raise DataError(
                f"what the teacher says takes {size}",
                "MONOSOME_CACHE=FOLDER on a larger disk, loss.teacher_logits=sampled, or execution.cache_teacher=false",
            )
        print(f"note: what the teacher says of {self._bounds[-1]:,} tokens is computed once: {size}", file=sys.stderr)
        return needed

    @torch.no_grad()
    def _make(self, number: int, teacher: nn.Module, collate: Callable[..., Any], done: Callable[[int], None]) -> None:
        first, end = self._blocks(number)
        longest = 1 + int(np.diff(self._bounds[first : end + 1]).max())
        at_once = max(1, BATCH_TOKENS // longest)
        device, digest, file = next(teacher.parameters()).device, hashlib.sha256(), self._file(number)
        for abandoned in self.folder.glob(f".{file.stem}.*.tmp"):
            abandoned.unlink()  # of a process that was killed: this one has the claim now
        with replacing(file) as temporary, temporary.open("wb") as stream:
            for start, stop in pairwise([*range(first, end, at_once), end]):
                blocks = [PackedCorpus.__getitem__(self.corpus, index) for index in range(start, stop)]
                batch = collate(blocks).to(device)
                states = run_packed(teacher, batch.tokens, batch.segments, batch.positions)
                width = batch.tokens.shape[1] - 1
                for place, block in enumerate(blocks):
                    rows = slice(place * width, place * width + len(block.tokens) - 1)
                    words = self.kind.kept(States(states.hidden[rows], states.head), mixed(SEED, start + place))
                    data = words.tobytes()
                    digest.update(data)
                    stream.write(data)
                done(stop - start)
        write_text(file.with_suffix(".json"), json.dumps({"sha256": digest.hexdigest(), "shape": self._shape(number)}))
