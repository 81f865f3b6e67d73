"""A cache changes what a step costs, and not what is learned; and it survives its maker."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from killed_cache import SMALL_SHARDS
from proteins import protein_task
from runs import SHORT, AnyTask, gradient_of, journal, learner_for, micro_batch, states, stop_at, train
from torch import Tensor

from monosome.protein import teacher_cache
from monosome.protein.divergences import forward_kl, softened
from monosome.protein.objectives import drawn_kl
from monosome.protein.task import DistillationTask
from monosome.protein.teacher_cache import Kind
from monosome.train.checkpoint import load_manifest

CACHED = "execution.cache_teacher=true"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / "cache"))


def first_step(task: AnyTask) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Means of the terms of a step of two micro-batches, and its gradient."""
    learner = learner_for(task)
    found: list[dict[str, float]] = []
    batches = [micro_batch(task, [0, 3]), micro_batch(task, [5])]
    gradient = gradient_of(learner, lambda: found.append(dict(learner.step(0, batches).read().means)))
    return found[0], gradient


@pytest.mark.parametrize(
    "settings",
    [
        ("loss.temperature=1",),
        ("loss.temperature=4", "loss.alpha=0.1"),
        ("loss.divergence=reverse_kl", "loss.calibration_smoothing=published", "loss.uncertainty_weighting=corrected"),
    ],
    ids=["plain", "soft", "regularised"],
)
def test_cached_is_online(settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """To 1e-5 where states are kept in fp32; in bf16, whose last place is 1/256, to 1 % of the gradient."""
    values, gradient = first_step(protein_task(*settings))
    for dtype, tolerance in {torch.float32: 1e-5, torch.bfloat16: 1e-2}.items():
        monkeypatch.setattr(DistillationTask, "_kind", Kind("full", dtype=dtype))
        found, cached = first_step(protein_task(*settings, CACHED))
        assert found == pytest.approx(values, rel=tolerance)
        for name, weight in gradient.items():
            scale = float(weight.norm()) + 1e-12
            assert float((cached[name] - weight).norm()) / scale < tolerance, name
        monkeypatch.undo()


def test_a_cached_run_is_the_online_run(tmp_path: Path) -> None:
    """Same fingerprint, same order, losses and held-out figures to the rounding of the states; killed, the same."""
    online = train(protein_task(*SHORT), tmp_path / "online")
    cached = train(protein_task(*SHORT, CACHED), tmp_path / "cached")
    assert load_manifest(cached.checkpoint).fingerprint == load_manifest(online.checkpoint).fingerprint
    for ours, theirs in zip(journal(cached.folder), journal(online.folder), strict=True):
        if "loss" in ours:
            assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-3)
    stopped = train(stop_at(protein_task(*SHORT, CACHED), 9, signal.SIGTERM), tmp_path / "stopped")
    assert stopped.interrupted
    resumed = train(protein_task(*SHORT, CACHED), stopped.folder)
    for name, tensors in states(cached.checkpoint).items():
        for key, tensor in states(resumed.checkpoint)[name].items():
            assert torch.equal(tensor, tensors[key])


def test_draws_have_the_exact_value_and_gradient_on_average() -> None:
    """At T = 1 the mean over 4,000 sets of 8 draws is within 4 standard errors of the exact one."""
    generator = torch.Generator().manual_seed(0)
    taught, logits = (2 * torch.randn(1, 12, generator=generator, dtype=torch.float64) for _ in range(2))
    p = softened(taught, 1.0)
    student = logits.clone().requires_grad_()
    exact = forward_kl(p, softened(student, 1.0))
    (expected,) = torch.autograd.grad(exact.sum(), student)
    many = logits.expand(4000, -1).clone().requires_grad_()
    ids = torch.multinomial(p.exp(), 4000 * 8, replacement=True, generator=generator).view(4000, 8)
    found = drawn_kl(ids, p[0][ids], softened(many, 1.0), 1.0)
    (gradient,) = torch.autograd.grad(found.sum(), many)
    for sample, truth in ((found.detach()[:, None], exact.detach()[:, None]), (gradient, expected)):
        error = sample.std(0) / 4000**0.5
        assert ((sample.mean(0) - truth[0]).abs() < 4 * error + 1e-9).all()


@pytest.mark.parametrize("temperature", [0.5, 2.0, 4.0])
def test_many_draws_find_the_divergence_at_any_temperature(temperature: float) -> None:
    generator = torch.Generator().manual_seed(1)
    taught, logits = (torch.randn(1, 12, generator=generator, dtype=torch.float64) for _ in range(2))
    p = softened(taught, 1.0)
    ids = torch.multinomial(p.exp(), 200_000, replacement=True, generator=generator)
    found = drawn_kl(ids, p[0][ids], softened(logits, temperature), temperature)
    exact = forward_kl(softened(taught, temperature), softened(logits, temperature))
    torch.testing.assert_close(found, exact, rtol=0.05, atol=0.01)


def test_a_killed_build_goes_on_to_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws are the hardest case: their random numbers depend on nothing that was made before."""
    settings = ("loss.teacher_logits=sampled", "loss.num_logits=8")

    def build(cache: str) -> dict[str, bytes]:
        monkeypatch.setenv("MONOSOME_CACHE", str(tmp_path / cache))
        with monkeypatch.context() as patch:
            for name, value in SMALL_SHARDS.items():
                patch.setattr(teacher_cache, name, value)
            _ = protein_task(*settings).cache
        return shards(cache)

    def shards(cache: str) -> dict[str, bytes]:
        found = sorted((tmp_path / cache / "teachers").rglob("*"))
        return {path.name: path.read_bytes() for path in found if path.suffix in (".bin", ".json", ".tmp")}

    environment = {**os.environ, "MONOSOME_CACHE": str(tmp_path / "killed")}
    command = [sys.executable, str(Path(__file__).with_name("killed_cache.py")), "13", *settings]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    whole, left = build("whole"), shards("killed")
    assert any(name.endswith(".tmp") for name in left)
    assert 0 < sum(name.endswith(".json") for name in left) < sum(name.endswith(".json") for name in whole)
    assert build("killed") == whole
