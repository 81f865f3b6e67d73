import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from monosome.config import build, fill_auto, override, read_recipe
from monosome.errors import ConfigError, DataError
from monosome.fit.estimate import Step, training_step
from monosome.fit.shapes import shapes_alone
from monosome.hardware.presets import preset_named
from monosome.protein import teacher_cache
from monosome.protein.objectives import Draws, Likeliest
from monosome.protein.recipe import ProteinConfig
from monosome.protein.student import States, run_packed
from monosome.protein.task import DistillationTask
from monosome.protein.teacher_cache import Kind

SMALL = ["data.block_length=96", "data.max_valid=8", "model.width=16", "model.num_heads=2"]
CACHED = "execution.cache_teacher=true"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))


def task(folder: Path, *assignments: str) -> DistillationTask:
    settings = [*SMALL, f"loss.teacher={folder}", *assignments]
    return DistillationTask(build(ProteinConfig, override(read_recipe("protein/micro"), settings)))


def made_states(num: int = 7) -> States:
    head = nn.Linear(6, 40, bias=False)
    nn.init.normal_(head.weight)
    return States(torch.randn(num, 6), head.requires_grad_(False))


def words_of(kind: Kind, states: States) -> torch.Tensor:
    return torch.from_numpy(kind.kept(states, seed=3).view(np.int16))[None]


def test_hidden_states_come_back_to_the_last_place():
    states = made_states()
    for dtype, tolerance in {torch.bfloat16: 2**-8, torch.float32: 0.0}.items():
        kind = Kind("full", dtype=dtype)
        words = words_of(kind, states)
        assert words.shape[2] == kind.num_words(states.head)
        told = kind.told(words, states.head)
        assert isinstance(told, States)
        torch.testing.assert_close(told.hidden.float(), states.hidden, rtol=tolerance, atol=0)


def test_the_likeliest_tokens_and_their_tail_are_a_distribution():
    states = made_states()
    told = Kind("top_k", 5).told(words_of(Kind("top_k", 5), states), None)
    assert isinstance(told, Likeliest)
    logs = states.logits(slice(0, 7)).log_softmax(-1)
    assert torch.equal(told.ids, logs.topk(5).indices)
    spread = told.spread(40)(slice(0, 7))
    torch.testing.assert_close(spread.exp().sum(-1), torch.ones(7), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(spread.gather(-1, told.ids), logs.topk(5).values, rtol=1e-3, atol=1e-3)


def test_draws_are_the_seeds_and_as_frequent_as_likely():
    states, kind = made_states(1), Kind("sampled", 20_000)
    first = kind.kept(states, 3)
    assert np.array_equal(first, kind.kept(states, 3))
    assert not np.array_equal(first, kind.kept(states, 4))
    told = kind.told(torch.from_numpy(first.view(np.int16))[None], None)
    assert isinstance(told, Draws)
    shares = torch.bincount(told.ids[0], minlength=40) / 20_000
    torch.testing.assert_close(shares, states.logits(slice(0, 1))[0].softmax(-1), rtol=0, atol=0.015)


def test_ids_beyond_two_bytes_are_refused():
    with pytest.raises(ConfigError, match="65,536"):
        Kind("top_k", 8).num_words(nn.Linear(1, 70_000, bias=False))


def test_a_block_comes_with_what_the_teacher_says_of_it(model_folder: Path, student: nn.Module):
    cached = task(model_folder, CACHED)
    examples = cached.examples("train")
    batch = cached.collate([examples[0], examples[3]])
    expected = run_packed(student, batch.tokens, batch.segments, batch.positions).hidden
    found = cached.forward(cached.model(), batch).teacher
    assert isinstance(found, States)
    inside = (batch.segments[:, 1:] > 0).flatten()
    torch.testing.assert_close(found.hidden[inside].float(), expected[inside], rtol=2**-7, atol=1e-2)


def test_students_temperatures_and_alphas_share_a_cache_and_kinds_do_not(model_folder: Path):
    first = task(model_folder, CACHED).cache.folder
    others = ["loss.temperature=7", "loss.alpha=0.1", "seed=5", "model.num_layers=1", "optim.learning_rate=1"]
    assert task(model_folder, CACHED, *others).cache.folder == first
    assert task(model_folder, "loss.teacher_logits=top_k").cache.folder != first
    assert task(model_folder, CACHED, "data.proportion=0.5").cache.folder != first


def test_execution_is_free_and_what_is_learned_is_not(model_folder: Path):
    hashes = {task(model_folder, *extra).examples("train").content_hash for extra in ((), (CACHED,))}
    assert len(hashes) == 1


def test_damage_is_found_told_and_repaired(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(teacher_cache, "SHARD_BYTES", 2**14)
    folder = task(model_folder, CACHED).cache.folder
    files = sorted(folder.glob("*.bin"))
    whole = [file.read_bytes() for file in files]
    assert len(files) > 3
    files[0].write_bytes(whole[0][:-2])
    files[1].write_bytes(bytes([whole[1][0] ^ 1]) + whole[1][1:])
    files[2].unlink()
    capsys.readouterr()
    again = task(model_folder, CACHED)
    assert again.cache.folder == folder
    said = capsys.readouterr().err
    assert "00000" in said
    assert "truncated" in said
    assert "damaged" in said
    assert [file.read_bytes() for file in files] == whole


def test_a_disk_too_small_is_refused_before_anything_is_computed(model_folder: Path, monkeypatch: pytest.MonkeyPatch):
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(teacher_cache, "run_packed", lambda *_: pytest.fail("the teacher was asked"))
    with pytest.raises(DataError, match="are free") as caught:
        _ = task(model_folder, CACHED).cache
    assert "MONOSOME_CACHE" in caught.value.hint


def test_a_whole_cache_needs_the_head_of_the_teacher_alone(model_folder: Path, student: nn.Module):
    cached = task(model_folder, CACHED)
    cached.begin(cached.model())
    assert "_loaded_teacher" not in vars(cached)
    head = cached.frozen()
    assert head is cached.frozen()
    assert isinstance(head, nn.Linear)
    assert task(model_folder, "loss.teacher_logits=sampled").frozen() is None


def test_held_out_proteins_are_judged_beside_the_whole_teacher(model_folder: Path):
    online, cached = task(model_folder), task(model_folder, CACHED)
    rows = [each.evaluate(each.model(), each.examples("valid")) for each in (online, cached)]
    assert [row.values for row in rows[0]] == [row.values for row in rows[1]]


@pytest.mark.parametrize("settings", [(CACHED,), ("loss.teacher_logits=sampled",), ("loss.teacher_logits=top_k",)])
def test_a_step_is_planned_without_the_teacher_s_blocks(settings: tuple[str, ...], model_folder: Path):
    online, cached = task(model_folder), task(model_folder, *settings)
    config = fill_auto(cached.config, preset_named("cpu").values())
    found, before = (training_step(each, config, Step(64, 2)) for each in (cached, online))
    assert found.parts["parameters"] < before.parts["parameters"]
    with shapes_alone():
        assert cached.lengths(cached.examples("train")) == online.lengths(online.examples("train"))


@pytest.mark.parametrize("setting", ["loss.divergence=reverse_kl", "loss.uncertainty_weighting=corrected"])
def test_draws_are_for_the_forward_kl(setting: str, model_folder: Path):
    with pytest.raises(ConfigError, match="sampled"):
        task(model_folder, "loss.teacher_logits=sampled", setting)
