import gzip
from pathlib import Path

import pytest

from monosome.errors import DataError
from monosome.places import cache_folder
from monosome.protein.corpus import ProteinSource, corpus, trained_tokenizer
from monosome.protein.recipe import ProteinDataConfig
from monosome.protein.tokens import ProteinTokenizer
from monosome.sequences.fasta import Record, write_fasta


def write(path: Path, sequences: list[str]) -> Path:
    write_fasta([Record(f"p{number}", "", sequence) for number, sequence in enumerate(sequences)], path)
    return path


def chosen(path: Path, split: str = "train", **settings: object) -> set[str]:
    return {p.sequence for p in ProteinSource(ProteinDataConfig(path=str(path), **settings)).proteins(split)}


def test_smaller_shares_lie_within_larger_ones(natural: list[str], tmp_path: Path):
    write(tmp_path / "train.fasta", natural)
    shares = [chosen(tmp_path, proportion=share) for share in (0.1, 0.2, 0.5, 1.0)]
    assert shares[0] < shares[1] < shares[2] < shares[3] == set(natural)
    write(tmp_path / "train.fasta", natural[::-1])
    assert chosen(tmp_path, proportion=0.2) == shares[1], "the order of the file changes nothing"


def test_one_file_is_split_without_parting_relatives(natural: list[str], tmp_path: Path):
    relatives = [sequence for one in natural for sequence in (one, one[:-1])]
    path = write(tmp_path / "all.fasta", relatives)
    train, valid = chosen(path), chosen(path, "valid")
    assert train | valid == set(relatives)
    assert not train & valid
    assert not {one[:40] for one in train} & {one[:40] for one in valid}


def test_natural_families_are_held_out_whole():
    source = ProteinSource(ProteinDataConfig(valid_share=0.2))
    train, valid = ({p.group for p in source.proteins(split)} for split in ("train", "valid"))
    assert len(train) > 30
    assert len(valid) > 5
    assert not train & valid


def test_plain_and_gzipped_files_are_one_content(natural: list[str], tmp_path: Path):
    plain = write(tmp_path / "train.fasta", natural)
    packed = tmp_path / "gz" / "train.fasta.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    one, other = (ProteinSource(ProteinDataConfig(path=str(f.parent))) for f in (plain, packed))
    assert one.content_hash("train") == other.content_hash("train")
    assert [p.sequence for p in one.proteins("train")] == [p.sequence for p in other.proteins("train")]


def test_a_corpus_is_tokenised_once(tokenizer: ProteinTokenizer, monkeypatch: pytest.MonkeyPatch):
    source = ProteinSource(ProteinDataConfig(block_length=64))
    first = corpus(source, "train", tokenizer)
    monkeypatch.setattr("monosome.protein.corpus.write_corpus", None)
    again = corpus(source, "train", tokenizer)
    assert again.content_hash == first.content_hash
    assert (again.tokens == first.tokens).all()
    assert not list(cache_folder().rglob("*.tmp"))


def test_samples_are_added_to_training(tokenizer: ProteinTokenizer):
    source = ProteinSource(ProteinDataConfig(block_length=64))
    plain, more = corpus(source, "train", tokenizer), corpus(source, "train", tokenizer, ["MKTAYI", "MGGG"])
    assert more.num_proteins == plain.num_proteins + 2
    assert more.content_hash == plain.content_hash, "teacher, number and seed name the samples, not their letters"


def test_a_tokenizer_is_trained_once(monkeypatch: pytest.MonkeyPatch):
    source = ProteinSource(ProteinDataConfig(vocab_size=280))
    first = trained_tokenizer(source)
    monkeypatch.setattr("monosome.protein.corpus.train_tokenizer", None)
    assert trained_tokenizer(source).content_hash == first.content_hash
    assert first.vocab_size == 280


def test_other_letters(natural: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write(tmp_path / "train.fasta", [natural[0], "MKXT", natural[1]])
    with pytest.raises(DataError, match=r"train.fasta, record p1: 'X' at position 3") as caught:
        chosen(tmp_path)
    assert "data.other_letters=skip" in caught.value.hint
    assert chosen(tmp_path, other_letters="skip") == {natural[0], natural[1]}
    assert "train.fasta left out: 1 with letters beyond the 20\n" in capsys.readouterr().err
    assert chosen(tmp_path, other_letters="keep") == {natural[0], "MKXT", natural[1]}


def test_missing_and_empty_files_are_named(natural: list[str], tmp_path: Path):
    with pytest.raises(DataError, match=r"nowhere.fasta is not there"):
        ProteinSource(ProteinDataConfig(path=str(tmp_path / "nowhere.fasta")))
    write(tmp_path / "train.fasta", natural)
    with pytest.raises(DataError, match=r"no valid.fasta or valid.fasta.gz"):
        chosen(tmp_path, "valid")
    (tmp_path / "valid.fasta").write_text("")
    with pytest.raises(DataError, match="is empty"):
        chosen(tmp_path, "valid")
    with pytest.raises(DataError, match="no training protein is left"):
        chosen(tmp_path, proportion=1e-9)


def test_the_package_has_its_natural_proteins(natural: list[str]):
    assert len(natural) == len(set(natural)) == 88
    assert sum(map(len, natural)) == 10_119


@pytest.mark.data
def test_natural_proteins_are_those_of_uniprot(data_folder: Path, natural: list[str]):
    """Every protein that the proteomes of E. coli, yeast and P. falciparum hold is the same there."""
    from monosome.protein.natural import NATURAL
    from monosome.sequences.fasta import iter_fasta, read_fasta

    ours = {record.id.split("|")[1]: record.sequence for record in read_fasta(NATURAL)}
    num_equal = 0
    for split in ("train", "valid"):
        for record in iter_fasta(data_folder / "protein_fasta" / f"{split}.fasta.gz"):
            accession = record.id.split("|")[1]
            if accession in ours:
                assert ours[accession] in record.sequence, accession
                num_equal += ours[accession] == record.sequence
    assert num_equal >= 38


def test_lengths_and_duplicates_are_left_out_when_asked(
    natural: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write(tmp_path / "train.fasta", [*natural, *natural[:5]])
    short = {one for one in natural if len(one) < 60}
    long = {one for one in natural if len(one) > 150}
    found = chosen(tmp_path, min_length=60, max_length=150, duplicates="drop")
    assert found == set(natural) - short - long
    repeated = sum(60 <= len(one) <= 150 for one in natural[:5])
    words = f"{len(long)} of more than 150 residues, {len(short)} of fewer than 60 residues, {repeated} like others"
    assert capsys.readouterr().err == f"note: proteins of {tmp_path / 'train.fasta'} left out: {words}\n"


def test_of_near_duplicates_the_longest_stays(natural: list[str], tmp_path: Path):
    write(tmp_path / "train.fasta", [one[3:] for one in natural] + natural)
    apart = chosen(tmp_path, max_identity=0.9)
    assert apart < set(natural)
    assert len(apart) > 60
    assert len(chosen(tmp_path, duplicates="drop")) == 2 * len(natural)
    assert chosen(tmp_path, max_identity=0.9, proportion=0.3) <= apart, "shares are drawn from what stays"


def test_filters_that_are_not_set_change_no_name(tokenizer: ProteinTokenizer):
    plain = corpus(ProteinSource(ProteinDataConfig(block_length=64)), "train", tokenizer)
    written_out = ProteinDataConfig(block_length=64, min_length=0, max_identity=1.0)
    assert corpus(ProteinSource(written_out), "train", tokenizer).content_hash == plain.content_hash
    shorter = corpus(ProteinSource(ProteinDataConfig(block_length=64, max_length=100)), "train", tokenizer)
    assert shorter.content_hash != plain.content_hash
    assert 0 < shorter.num_proteins < plain.num_proteins


def test_names_may_repeat_in_training_alone(natural: list[str], tmp_path: Path):
    twice = f">a\n{natural[0]}\n>a\n{natural[1]}\n"
    (tmp_path / "train.fasta").write_text(twice)
    (tmp_path / "valid.fasta").write_text(twice)
    assert chosen(tmp_path) == set(natural[:2])
    with pytest.raises(DataError, match="'a' was used before"):
        chosen(tmp_path, "valid")
