from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from monosome.errors import DataError
from monosome.protein.adaptation import (
    AdaptationSettings,
    Learner,
    Members,
    adapt,
    mean_nats,
    memorisation,
    split_family,
)
from monosome.protein.generate import load_generator
from monosome.protein.tokens import AMINO_ACIDS, ProteinTokenizer
from monosome.sequences.fasta import Record, read_fasta

SETTINGS = AdaptationSettings(learning_rates=(3e-3,), max_epochs=3, num_samples=8)


def relatives(num: int, seed: int = 0, share: float = 0.6) -> list[Record]:
    """Members of a family: one protein of 60 residues with each of them changed at `share`."""
    random, letters = np.random.default_rng(seed), np.array(list(AMINO_ACIDS))
    parent = random.choice(letters, 60)
    changed = [np.where(random.random(60) < share, random.choice(letters, 60), parent) for _ in range(num)]
    return [Record(str(number), "", "".join(each)) for number, each in enumerate(changed)]


def test_the_split_keeps_clusters_and_says_what_is_left_out():
    records = relatives(30)
    bad = [Record("x", "", "MXA" * 20), Record("short", "", "MKT"), Record("again", "", records[0].sequence)]
    found = split_family([*records, *bad], AdaptationSettings(), 512)
    assert dict(found.left_out) == {"other letters": 1, "other lengths": 1, "repeated": 1}
    assert len(found.train) + len(found.valid) == 30
    assert len(found.valid) == len(found.valid_clusters) == 6
    assert not set(found.train) & set(found.valid)
    with pytest.raises(DataError, match="19 members"):
        split_family(records[:19], AdaptationSettings(), 512)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_held_out_members_become_likelier(teacher_folder: Path, method: str):
    model, tokenizer = load_generator(str(teacher_folder))
    general = [record.sequence for record in read_fasta(teacher_folder.parent / "train.fasta")][:20]
    settings = replace(SETTINGS, method=method, learning_rates=(1e-3, 1e-2), search_epochs=1)
    names = sorted(model.state_dict())
    found = adapt(model, tokenizer, relatives(40, share=0.3), general, settings)
    assert found.after.value < found.before.value
    assert set(found.searched) == {1e-3, 1e-2}
    assert found.learning_rate == min(found.searched, key=lambda rate: found.searched[rate])
    assert np.log(found.after.value) == pytest.approx(min(found.losses), abs=1e-5)
    assert sorted(model.state_dict()) == names


def test_what_cannot_be_learned_leaves_the_model(teacher_folder: Path):
    model, tokenizer = load_generator(str(teacher_folder))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    settings = replace(SETTINGS, learning_rates=(10.0,), patience=1)
    members = split_family(relatives(30), settings, 512)
    assert len(Learner(model, tokenizer, members, [], settings).train(10.0, 5)) == 1
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_loss_is_that_of_transformers(teacher_folder: Path):
    model, tokenizer = load_generator(str(teacher_folder))
    texts = [torch.from_numpy(text).long() for text in tokenizer.encode(["MKTAYIAKQR", "MSDKIIHLTDGGG"])]
    sums = [model(text[None], labels=text[None]).loss * (len(text) - 1) for text in texts]
    expected = sum(sums) / sum(len(text) - 1 for text in texts)
    assert mean_nats(model, texts, torch.device("cpu")).item() == pytest.approx(expected.item(), rel=1e-5)


def test_samples_that_repeat_members_are_counted(monkeypatch: pytest.MonkeyPatch, tokenizer: ProteinTokenizer):
    from monosome.protein import adaptation
    from monosome.protein.sampling import Sample

    members = Members([relatives(1)[0].sequence], [relatives(1, 5)[0].sequence], ["0"], 0.9, {})
    drawn = [Sample(members.train[0], False, 2.0), Sample(relatives(1, 9)[0].sequence, False, 2.0)]
    monkeypatch.setattr(adaptation, "sample", lambda *_: drawn)
    assert memorisation(torch.nn.Module(), tokenizer, members, SETTINGS) == (0.5, 0.0, 2)
    assert "by heart" in adaptation._warnings(0.5, 0.0, 2, True)[0]
    assert adaptation._warnings(0.5, 0.6, 2, True) == []
    assert len(adaptation._warnings(0.0, 0.0, 0, False)) == 2
