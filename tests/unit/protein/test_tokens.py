import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monosome.errors import DataError
from monosome.protein.tokens import (
    AMINO_ACIDS,
    ProteinTokenizer,
    from_text,
    load_tokenizer,
    parse_protein,
    require_same_entries,
    to_text,
    train_tokenizer,
)

proteins = st.text(alphabet=AMINO_ACIDS, min_size=1, max_size=200)


def test_the_text_is_that_of_protgpt2():
    assert to_text("M" * 61) == "<|endoftext|>\n" + "M" * 60 + "\nM\n<|endoftext|>"
    assert to_text("M" * 60) == "<|endoftext|>\n" + "M" * 60 + "\n<|endoftext|>"


@settings(deadline=None, max_examples=50)
@given(proteins)
def test_text_goes_there_and_back(sequence: str):
    assert from_text(to_text(sequence)) == sequence


@settings(deadline=None, max_examples=50)
@given(st.lists(proteins, min_size=1, max_size=4))
def test_tokens_go_there_and_back(tokenizer: ProteinTokenizer, sequences: list[str]):
    assert [tokenizer.decode(tokens.tolist()) for tokens in tokenizer.encode(sequences)] == sequences


def test_the_first_of_several_proteins_is_decoded(tokenizer: ProteinTokenizer):
    first, second = (tokens.tolist() for tokens in tokenizer.encode(["MKT", "GGG"]))
    assert tokenizer.decode(first + second) == "MKT"
    assert tokenizer.decode(first[:-1]) == "MKT"


def test_a_trained_tokenizer_is_byte_level(tokenizer: ProteinTokenizer, natural: list[str]):
    assert (tokenizer.end, tokenizer.vocab_size, len(tokenizer.entries)) == (0, 300, 300)
    merged = [entry for entry, index in tokenizer.entries.items() if index > 256]
    assert merged
    assert not any("Ċ" in entry for entry in merged), "the line break is in no merge"
    assert train_tokenizer(natural, 300).content_hash == tokenizer.content_hash


def test_saved_tokenizers_load_here_and_in_transformers(tokenizer: ProteinTokenizer, tmp_path: Path):
    from transformers import AutoTokenizer

    tokenizer.save(tmp_path)
    text = to_text("MKTAYIAKQR" * 13)
    ours = load_tokenizer(str(tmp_path))
    require_same_entries(ours, tokenizer)
    assert ours.content_hash == tokenizer.content_hash
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    assert theirs.encode(text) == tokenizer.encode(["MKTAYIAKQR" * 13])[0].tolist()
    assert theirs.eos_token_id == 0


def test_truncation_and_padding_are_switched_off(tokenizer: ProteinTokenizer, tmp_path: Path):
    values = json.loads(tokenizer.backend.to_str())
    values["truncation"] = {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}
    (tmp_path / "tokenizer.json").write_text(json.dumps(values))
    loaded = load_tokenizer(str(tmp_path))
    assert loaded.decode(loaded.encode(["MKTAYIAKQR" * 13])[0].tolist()) == "MKTAYIAKQR" * 13


def test_other_vocabularies_are_told_apart_by_entries(tokenizer: ProteinTokenizer, natural: list[str]):
    other = train_tokenizer(natural[:20], 300)
    index = min(i for e, i in tokenizer.entries.items() if other.entries.get(e) != i)
    with pytest.raises(DataError, match=f"entry {index} is "):
        require_same_entries(other, tokenizer)


def test_bad_places_are_named(tmp_path: Path, tokenizer: ProteinTokenizer):
    with pytest.raises(DataError, match="no tokenizer in"):
        load_tokenizer(str(tmp_path))
    with pytest.raises(DataError, match="no folder nowhere"):
        load_tokenizer("nowhere")
    with pytest.raises(DataError, match="the Hub gives no tokenizer") as caught:
        load_tokenizer("no/where")
    assert "network" in caught.value.hint
    for text in ("{", "{}", "[]"):
        (tmp_path / "tokenizer.json").write_text(text)
        with pytest.raises(DataError, match="cannot be read"):
            load_tokenizer(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "sequence"), [("mktAY\n IAK", "MKTAYIAK"), ("MKT*", "MKT"), (AMINO_ACIDS, AMINO_ACIDS)]
)
def test_letters_are_tidied(text: str, sequence: str):
    assert parse_protein(text, "p") == sequence


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("MKXT", "p: 'X' at position 3 is not one of the 20"),
        ("MU", "'U' at position 2 is not one"),
        ("MK1", "'1' at position 3 is no amino acid"),
        ("M*K", "'\\*' at position 2 is no amino acid"),
        ("M-K", "'-' at position 2"),
        (" *", "empty"),
    ],
)
def test_other_letters_are_refused(text: str, fault: str):
    with pytest.raises(DataError, match=fault):
        parse_protein(text, "p")


def test_other_letters_can_be_kept():
    assert parse_protein("MXBZUOJ", "p", other_letters=True) == "MXBZUOJ"
    with pytest.raises(DataError, match="'1' at position 2"):
        parse_protein("X1", "p", other_letters=True)


@pytest.mark.data
def test_protgpt2_own_tokenizer(data_folder: Path, natural: list[str]):
    protgpt2 = load_tokenizer(str(data_folder / "protgpt2_tokenizer"))
    assert (protgpt2.vocab_size, protgpt2.end) == (50_257, 0)
    assert protgpt2.newline in range(1, 257)
    encoded = protgpt2.encode(natural)
    assert [protgpt2.decode(tokens.tolist()) for tokens in encoded] == natural
    assert max(len(tokens) for tokens in protgpt2.encode(["".join(natural)])) > 512, "truncation is off"
