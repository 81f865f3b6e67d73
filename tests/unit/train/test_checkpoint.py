import json
import resource
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from monosome.errors import CheckpointError
from monosome.task import Row
from monosome.train.checkpoint import (
    Manifest,
    Stretch,
    find,
    latest,
    load_manifest,
    load_rows,
    load_tensors,
    load_weights,
    package_versions,
    save,
    step_folder,
    verify,
)


class Tied(nn.Module):
    """Three names for one weight, a slice of a larger tensor, a scalar buffer."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.embedding, self.head, self.copy = (
            nn.Embedding(5, width),
            nn.Linear(width, 5),
            nn.Linear(width, 5, bias=False),
        )
        self.head.weight = self.copy.weight = self.embedding.weight
        self.register_buffer("part", torch.arange(10.0)[2:5])
        self.register_buffer("seen", torch.tensor(7))


def manifest(step: int = 100, **changes: object) -> Manifest:
    values = {
        "config": {"domain": "toy", "seed": 3},
        "fingerprint": "abc",
        "execution": {"device": "cpu"},
        "numerics": {"precision": "fp32"},
        "step": step,
        "cursor": {"epoch": 1, "position": 2},
        "seconds": 1.5,
        "evaluation": {"loss": 0.25},
        "versions": package_versions(),
        "stretches": [Stretch(1, step, "a processor", {"device": "cpu"}, {"precision": "fp32"}, {"torch": "2"})],
    }
    return Manifest(**{**values, **changes})  # type: ignore[arg-type]


def states(model: nn.Module) -> dict[str, Mapping[str, Tensor]]:
    return {"model": model.state_dict(), "optimizer": {"head.bias/exp_avg": torch.ones(5)}}


@pytest.fixture
def model() -> Tied:
    torch.manual_seed(0)
    return Tied()


@pytest.fixture
def checkpoint(model: Tied, tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoints" / "step_00000100"
    save(folder, manifest(), states(model))
    return folder


def test_what_is_saved_comes_back(model: Tied, checkpoint: Path) -> None:
    written = load_manifest(checkpoint)
    assert written.files.keys() == {"model.safetensors", "optimizer.safetensors"}
    assert written == manifest(files=written.files)
    loaded = load_tensors(checkpoint, "model")
    assert loaded.keys() == model.state_dict().keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())
    assert load_tensors(checkpoint, "optimizer")["head.bias/exp_avg"].tolist() == [1.0] * 5
    assert verify(checkpoint) == written


def test_a_tied_weight_is_stored_once(checkpoint: Path) -> None:
    assert (
        checkpoint / "model.safetensors"
    ).stat().st_size < 1000  # header included; three copies alone take 240 bytes
    stored = json.loads((checkpoint / "model.safetensors").read_bytes()[8:].split(b"}}")[0] + b"}}")
    assert stored["__metadata__"] == {"head.weight": "embedding.weight", "copy.weight": "embedding.weight"}


def test_weights_load_into_a_model_and_stay_tied(model: Tied, checkpoint: Path) -> None:
    other = Tied()
    load_weights(other, checkpoint)
    assert torch.equal(other.head.weight, model.embedding.weight)
    assert other.head.weight is other.embedding.weight
    assert other.part.tolist() == [2.0, 3.0, 4.0]


def test_the_moving_average_is_preferred(model: Tied, tmp_path: Path) -> None:
    average = Tied()
    save(tmp_path / "one", manifest(), {"model": model.state_dict(), "ema": average.state_dict()})
    other = Tied()
    load_weights(other, tmp_path / "one")
    assert torch.equal(other.embedding.weight, average.embedding.weight)
    load_weights(other, tmp_path / "one", prefer_ema=False)
    assert torch.equal(other.embedding.weight, model.embedding.weight)


def test_rows_are_kept_with_the_checkpoint(model: Tied, tmp_path: Path) -> None:
    rows = [Row("a", {"loss": 0.5, "tm_score": None}, 12, "cluster", 3.0), Row("b", {"loss": 1.0}, 3)]
    save(tmp_path / "one", manifest(), states(model), rows)
    assert load_rows(tmp_path / "one") == rows


def test_a_checkpoint_without_rows_has_none(checkpoint: Path) -> None:
    assert load_rows(checkpoint) == []


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors"])
def test_one_flipped_bit_is_found_and_the_file_named(checkpoint: Path, name: str) -> None:
    data = bytearray((checkpoint / name).read_bytes())
    data[-3] ^= 1
    (checkpoint / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=rf"{name} is damaged\n  copy"):
        verify(checkpoint)
    with pytest.raises(CheckpointError, match=f"{name} is damaged"):
        load_tensors(checkpoint, name.removesuffix(".safetensors"))


def test_a_missing_file_is_named(checkpoint: Path) -> None:
    (checkpoint / "optimizer.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"optimizer\.safetensors is missing"):
        verify(checkpoint)
    with pytest.raises(CheckpointError, match=r"ema\.safetensors is missing"):
        load_tensors(checkpoint, "ema")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"manifest\.json is damaged"),
        ('{"step": 3}', r"manifest\.json is damaged"),
        ("[]", r"manifest\.json is damaged"),
        ('{"format": 1}', r"manifest\.json is damaged"),
        ('{"format": 2}', r"has checkpoint format 2, this monosome reads format 1\n  pip install"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_named(checkpoint: Path, text: str, message: str) -> None:
    (checkpoint / "manifest.json").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        load_manifest(checkpoint)


def test_a_folder_without_a_manifest_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        load_manifest(tmp_path)
    with pytest.raises(CheckpointError, match="there is no checkpoint in"):
        find(tmp_path / "nowhere")


def test_another_model_is_refused_and_the_first_difference_named(model: Tied, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"copy\.weight is 5×4 there and 5×6 here \(and 2 more\)"):
        load_weights(Tied(6), checkpoint)
    model.extra = nn.Linear(2, 2)
    with pytest.raises(CheckpointError, match=r"of another model: extra\.bias is missing \(and 1 more\)"):
        load_weights(model, checkpoint)
    save(tmp_path / "larger", manifest(), states(model))
    with pytest.raises(CheckpointError, match=r"extra\.bias is not in this model"):
        load_weights(Tied(), tmp_path / "larger")


def test_find_takes_the_best_then_the_latest_whole(model: Tied, checkpoint: Path) -> None:
    run, checkpoints = checkpoint.parents[1], checkpoint.parent
    save(step_folder(checkpoints, 200), manifest(200), states(model))
    assert find(run) == find(checkpoints) == step_folder(checkpoints, 200)
    assert find(checkpoint) == checkpoint
    (step_folder(checkpoints, 200) / "model.safetensors").write_bytes(b"torn")
    assert find(run) == checkpoint
    found, damaged = latest(checkpoints)
    assert found == checkpoint
    assert [error.message for error in damaged] == [f"{step_folder(checkpoints, 200) / 'model.safetensors'} is damaged"]
    save(checkpoints / "best", manifest(50), states(model))
    assert find(run) == checkpoints / "best"


def test_when_nothing_is_whole_the_damage_is_named(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors is missing"):
        find(checkpoint.parents[1])


@pytest.fixture
def no_room() -> Iterator[None]:
    """No file of this process may grow past 2 kB: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("no_room")
def test_a_full_disk_leaves_the_old_checkpoint_and_nothing_else(checkpoint: Path) -> None:
    before = {file: file.read_bytes() for file in checkpoint.iterdir()}
    for folder in (checkpoint, step_folder(checkpoint.parent, 200)):
        with pytest.raises(CheckpointError, match=r"cannot write the checkpoint .*too large"):
            save(folder, manifest(), states(Tied(200)))
    assert {file: file.read_bytes() for file in checkpoint.iterdir()} == before
    assert list(checkpoint.parent.iterdir()) == [checkpoint]
