"""ProtGPT2's text format and its byte-level BPE: proteins to tokens and back, exactly."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int32, Int64
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE

from monosome.errors import DataError

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
OTHER_LETTERS = "BJOUXZ"
"""IUPAC-IUB letters beyond the 20: Asx, Xle, pyrrolysine, selenocysteine, unknown, Glx."""
END = "<|endoftext|>"
LINE_LENGTH = 60
"""Residues per line of ProtGPT2's training text (UniRef50's own FASTA lines; Ferruz et al. 2022)."""
TOKENIZER_FILE = "tokenizer.json"
HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")

Array = np.ndarray


def to_text(sequence: str) -> str:
    """The protein as ProtGPT2 reads it: the end token, lines of 60 residues, the end token."""
    lines = [sequence[start : start + LINE_LENGTH] for start in range(0, len(sequence), LINE_LENGTH)]
    return "\n".join([END, *lines, END])


def from_text(text: str) -> str:
    """The residues of the first protein in `text`, line breaks and end tokens removed."""
    return "".join(text.removeprefix(END).partition(END)[0].split())


def parse_protein(text: str, name: str, *, other_letters: bool = False) -> str:
    """The sequence in capital letters, white space and a closing stop (*) dropped.

    Raises DataError naming record, letter and position (from 1) for letters beyond the 20 amino acids; with
    `other_letters` B J O U X Z pass.
    """
    letters = "".join(text.split()).upper().removesuffix("*")
    allowed = AMINO_ACIDS + OTHER_LETTERS if other_letters else AMINO_ACIDS
    if not letters:
        raise DataError(f"{name}: the sequence is empty", "take the record out of the file")
    if not letters.strip(allowed):
        return letters
    for position, letter in enumerate(letters, start=1):
        if letter in OTHER_LETTERS and letter not in allowed:
            raise DataError(
                f"{name}: {letter!r} at position {position} is not one of the 20 amino acids",
                "data.other_letters=skip leaves such proteins out, data.other_letters=keep learns the letter",
            )
        if letter not in allowed:
            raise DataError(f"{name}: {letter!r} at position {position} is no amino acid", f"give letters {allowed}")
    return letters


@dataclass(frozen=True, eq=False)
class ProteinTokenizer:
    """A byte-level BPE whose end token and line break are single tokens; `name` is where it came from."""

    backend: Tokenizer
    name: str

    @cached_property
    def vocab_size(self) -> int:
        """Number of entries, the end token included."""
        return self.backend.get_vocab_size()

    @cached_property
    def end(self) -> int:
        """Id of `<|endoftext|>`; raises DataError where it is no single token."""
        return self._single(END)

    @cached_property
    def newline(self) -> int:
        """Id of the line break; raises DataError where it is no single token."""
        return self._single("\n")

    def _single(self, text: str) -> int:
        ids = self.backend.encode(text).ids
        if len(ids) != 1:
            raise DataError(f"the tokenizer {self.name} has no single token for {text!r}", "give ProtGPT2's tokenizer")
        return int(ids[0])

    @cached_property
    def entries(self) -> Mapping[str, int]:
        """Every entry with its id."""
        return self.backend.get_vocab()

    @cached_property
    def residue_counts(self) -> Int64[Array, "v"]:
        """Residues of each token; the end token and the line break have none."""
        counts = np.array([len(self.backend.id_to_token(index) or "") for index in range(self.vocab_size)])
        counts[[self.end, self.newline]] = 0
        return counts

    @cached_property
    def content_hash(self) -> str:
        """Hexadecimal digest of entries and merges, wherever the tokenizer lies."""
        merges = json.loads(self.backend.to_str())["model"]["merges"]
        pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
        text = json.dumps([sorted(self.entries.items()), pairs])
        return hashlib.sha256(text.encode()).hexdigest()

    def encode(self, sequences: Sequence[str]) -> list[Int32[Array, "t"]]:
        """Token ids of each protein in ProtGPT2's text format."""
        encoded = self.backend.encode_batch_fast([to_text(sequence) for sequence in sequences])
        return [np.array(encoding.ids, dtype=np.int32) for encoding in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        """Residues of the first protein in `ids`."""
        return from_text(self.backend.decode(ids, skip_special_tokens=False))

    def save(self, folder: Path) -> None:
        """Write the tokenizer so that transformers' AutoTokenizer loads it from `folder`."""
        from transformers import PreTrainedTokenizerFast

        wrapped = PreTrainedTokenizerFast(
            tokenizer_object=self.backend,
            bos_token=END,
            eos_token=END,
            unk_token=END,
            clean_up_tokenization_spaces=False,
        )
        wrapped.save_pretrained(folder)


def load_tokenizer(place: str) -> ProteinTokenizer:
    """The byte-level BPE of a folder's tokenizer.json, or of that name on the Hub.

    Truncation and padding, which ProtGPT2's file switches on, are switched off. Raises DataError where there is none.
    """
    folder = Path(place).expanduser()
    if folder.is_dir() and not (folder / TOKENIZER_FILE).is_file():
        raise DataError(f"there is no tokenizer in {folder}", f"the folder must hold {TOKENIZER_FILE}")
    path = folder / TOKENIZER_FILE if folder.is_dir() else _from_hub(place)
    try:
        text = path.read_text(encoding="utf-8")
        is_bpe = json.loads(text)["model"]["type"] == "BPE"
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read as a tokenizer: {error!r}", "fetch it again") from error
    if not is_bpe:
        raise DataError(f"{path} is no byte-level BPE", "give ProtGPT2's tokenizer, or leave data.tokenizer empty")
    backend = Tokenizer.from_str(text)
    backend.no_truncation()
    backend.no_padding()
    tokenizer = ProteinTokenizer(backend, place)
    tokenizer.end, tokenizer.newline  # noqa: B018 - a tokenizer without them is refused here, not in mid-corpus
    return tokenizer


def has_tokenizer(place: str) -> bool:
    """Whether a model's folder holds its tokenizer; a Hub name is taken to have one."""
    return not Path(place).is_dir() or (Path(place) / TOKENIZER_FILE).is_file()


def _from_hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    hint = "give the folder of a tokenizer.json, or OWNER/NAME of the Hub where there is a network"
    if not HUB_NAME.fullmatch(name):
        raise DataError(f"there is no folder {name} with a tokenizer", hint)
    try:
        return Path(hf_hub_download(name, TOKENIZER_FILE))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise DataError(f"there is no folder {name}, and the Hub gives no tokenizer of that name", hint) from error


def train_tokenizer(sequences: Iterable[str], vocab_size: int) -> ProteinTokenizer:
    """A byte-level BPE learned from the proteins' lines: `<|endoftext|>` is 0, then 256 bytes, then merges.

    Byte-level pre-tokenisation splits at the line break, so it enters no merge. The same sequences give the same
    tokenizer.
    """
    backend = Tokenizer(BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(_lines(sequences), trainer)
    return ProteinTokenizer(backend, f"trained here, {backend.get_vocab_size()} entries")


def _lines(sequences: Iterable[str]) -> Iterator[str]:
    for sequence in sequences:
        yield from to_text(sequence).split("\n")[1:-1]


def require_same_entries(teacher: ProteinTokenizer, student: ProteinTokenizer) -> None:
    """Raise DataError naming the first entry by id in which the two vocabularies differ."""
    if teacher.entries == student.entries:
        return
    theirs = {index: entry for entry, index in teacher.entries.items()}
    ours = {index: entry for entry, index in student.entries.items()}
    index = min(i for i in theirs.keys() | ours.keys() if theirs.get(i) != ours.get(i))
    raise DataError(
        f"the teacher's vocabulary ({len(theirs)} entries) is not the student's ({len(ours)}): "
        f"entry {index} is {theirs.get(index)!r} for {teacher.name} and {ours.get(index)!r} for {student.name}",
        "leave data.tokenizer empty to take the teacher's",
    )
