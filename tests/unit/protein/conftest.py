"""A cache of its own for every session, one small tokenizer, one small student, one that is taught."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from monosome.config import build, override, read_recipe
from monosome.protein.natural import NATURAL
from monosome.protein.recipe import GPT2Config, ProteinConfig
from monosome.protein.student import build_student
from monosome.protein.task import DistillationTask
from monosome.protein.tokens import AMINO_ACIDS, ProteinTokenizer, train_tokenizer
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


def made_up(num: int, seed: int) -> str:
    """FASTA of proteins in which each residue has four that may follow it: easily learned, and none is a relative."""
    random, table = np.random.default_rng(seed), np.random.default_rng(0)
    followers = {letter: table.choice(list(AMINO_ACIDS), 4, replace=False) for letter in AMINO_ACIDS}
    text = ""
    for number in range(num):
        sequence = "M"
        for _ in range(random.integers(50, 90)):
            sequence += str(random.choice(followers[sequence[-1]]))
        text += f">{number}\n{sequence}\n"
    return text


@pytest.fixture(scope="session")
def teacher_folder(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learned the made-up proteins beside it, as transformers saves it."""
    folder = tmp_path_factory.mktemp("teacher")
    for seed, (split, num) in enumerate({"train": 300, "valid": 24}.items(), start=1):
        (folder / f"{split}.fasta").write_text(made_up(num, seed))
    task = made_up_task(folder, "model.num_layers=4", "model.num_heads=4", "model.width=32")
    model, examples = task.model(), task.examples("train")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=10)
    for step in range(80):
        batch = task.collate([examples[(4 * step + place) % len(examples)] for place in range(4)])
        loss = task.loss(task.forward(model, batch), batch)
        optimizer.zero_grad()
        loss.weighted(task.config.loss.weights()).div(loss.count).backward()
        optimizer.step()
        warm_up.step()
    task.export(model.eval(), str(folder / "model"))
    return folder / "model"


def made_up_task(folder: Path, *settings: str) -> DistillationTask:
    shared = [f"data.path={folder}", "data.block_length=128", "model.positions=128"]
    return DistillationTask(build(ProteinConfig, override(read_recipe("protein/micro"), [*shared, *settings])))


@pytest.fixture(scope="session")
def taught(teacher_folder: Path) -> DistillationTask:
    """A student half as deep and wide as its teacher."""
    sizes = ["model.num_layers=2", "model.num_heads=2", "model.width=16"]
    return made_up_task(teacher_folder.parent, f"loss.teacher={teacher_folder}", *sizes)
