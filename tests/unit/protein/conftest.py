"""A cache of its own for every session, one small tokenizer, one small student."""

from pathlib import Path

import pytest
from torch import nn

from monosome.protein.natural import NATURAL
from monosome.protein.recipe import GPT2Config
from monosome.protein.student import build_student
from monosome.protein.tokens import ProteinTokenizer, train_tokenizer
from monosome.sequences.fasta import read_fasta


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MONOSOME_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def natural() -> list[str]:
    return [record.sequence for record in read_fasta(NATURAL)]


@pytest.fixture(scope="session")
def tokenizer(natural: list[str]) -> ProteinTokenizer:
    return train_tokenizer(natural, 300)


@pytest.fixture(scope="session")
def student(tokenizer: ProteinTokenizer) -> nn.Module:
    size = GPT2Config(num_layers=2, num_heads=2, width=16, positions=128)
    return build_student(size, tokenizer.vocab_size, seed=0).eval()


@pytest.fixture(scope="session")
def model_folder(student: nn.Module, tokenizer: ProteinTokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small student as transformers saves it, with its tokenizer."""
    folder = tmp_path_factory.mktemp("model")
    student.save_pretrained(folder)
    tokenizer.save(folder)
    return folder


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub answers at once that it cannot be reached."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
