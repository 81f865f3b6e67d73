from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monosome.protein.packing import PackedCorpus, Protein, best_fit, write_corpus
from monosome.protein.tokens import ProteinTokenizer


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 64), min_size=1, max_size=200))
def test_every_piece_lies_in_one_block_that_holds_it(sizes: list[int]):
    blocks = best_fit(np.array(sizes), 64)
    assert sorted(piece for block in blocks for piece in block) == list(range(len(sizes)))
    totals = [sum(sizes[piece] for piece in block) for block in blocks]
    assert max(totals) <= 64
    assert sum(total <= 32 for total in totals) <= 1, "two half-empty blocks would have been one"


def packed(folder: Path, sequences: list[str], tokenizer: ProteinTokenizer, *, whole: bool) -> PackedCorpus:
    proteins = [Protein(f"p{number}", sequence, "g") for number, sequence in enumerate(sequences)]
    write_corpus(folder, proteins, tokenizer, 64, packed=whole)
    return PackedCorpus(folder, "hash")


def test_packed_blocks_hold_the_proteins_whole(tokenizer: ProteinTokenizer, natural: list[str], tmp_path: Path):
    short = [sequence[:40] for sequence in natural]
    corpus = packed(tmp_path / "c", short, tokenizer, whole=True)
    found = []
    for index in range(len(corpus)):
        block = corpus[index]
        assert len(block.tokens) == len(block.segments) <= 64
        assert block.label is None
        for segment in range(1, block.segments.max() + 1):
            found.append(tokenizer.decode(block.tokens[block.segments == segment].tolist()))
    assert sorted(found) == sorted(short)
    assert corpus.num_proteins == len(short)
    assert sum(corpus.residues.values()) == sum(map(len, short))


def test_long_proteins_are_cut_at_the_block(tokenizer: ProteinTokenizer, natural: list[str], tmp_path: Path):
    long = "".join(natural[:5])
    tokens = tokenizer.encode([long])[0]
    corpus = packed(tmp_path / "train", [long], tokenizer, whole=True)
    assert len(corpus) == -(-len(tokens) // 64)
    pieces = {tuple(corpus[index].tokens.tolist()) for index in range(len(corpus))}
    assert pieces == {tuple(tokens[start : start + 64].tolist()) for start in range(0, len(tokens), 64)}


def test_held_out_proteins_are_blocks_of_their_own(tokenizer: ProteinTokenizer, natural: list[str], tmp_path: Path):
    sequences = [natural[0], "".join(natural[:3]), natural[1]]
    corpus = packed(tmp_path / "valid", sequences, tokenizer, whole=False)
    assert len(corpus) == 3
    assert [tokenizer.decode(corpus[index].tokens.tolist()) for index in range(3)] == sequences
    labels = [corpus[index].label for index in range(3)]
    assert [(label.id, label.group, label.num_residues) for label in labels if label] == [
        (f"p{index}", "g", len(sequence)) for index, sequence in enumerate(sequences)
    ]
    segments = corpus[1].segments
    assert segments.max() == -(-len(segments) // 64)
    assert set(np.diff(segments)) == {0, 1}
