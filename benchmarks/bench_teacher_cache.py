"""Training on what a teacher said once, against asking it at every step: tokens a second, bytes, bias, and a sweep.

    python benchmarks/bench_teacher_cache.py --tokenizer FOLDER --proteins FASTA [--blocks 6]

Sizes are those of ProtGPT2 and the smallest student. The teacher is drawn at random; its final norm is scaled so that
its entropy is near 6 nats, as ProtGPT2's is. Every run of the sweep is one step over the same tokens, once: more passes
over the data would favour the cache. Loading the teacher is left out on both sides, making the cache is counted.
Seconds are those that the processor worked, on one thread: fair on a machine with other work.

The bias of each kind is of KL(teacher ‖ student) for a student whose logits are the teacher's and normal noise of 0.5.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from report import write_report
from torch import Tensor

from monosome.config import build, fill_auto, override, read_recipe
from monosome.hardware.detect import detect
from monosome.hardware.presets import preset
from monosome.protein.divergences import forward_kl, softened
from monosome.protein.objectives import Draws, Likeliest, drawn_kl
from monosome.protein.recipe import GPT2Config, ProteinConfig
from monosome.protein.student import build_student, run_packed
from monosome.protein.task import DistillationTask
from monosome.protein.teacher_cache import Kind
from monosome.protein.tokens import load_tokenizer
from monosome.sequences.fasta import iter_fasta
from monosome.train.precision import process_settings
from monosome.train.step import Learner, MicroBatch

TEACHER = GPT2Config(num_layers=36, num_heads=20, width=1280)
BLOCK = 256
TEMPERATURES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0)
ENTROPY_SCALE = 4.3
"""Of the final norm. Logits of a tied head drawn with 0.02 spread by 0.02 · √1280 = 0.72, and entropy is about
ln 50,257 − (4.3 · 0.72)² / 2 = 6.0 nats."""
NUM = 64


def timed(run: Callable[[], Any]) -> float:
    """Seconds that the processor works for it."""
    started = time.process_time()
    run()
    seconds = time.process_time() - started
    print(f"{seconds:.2f} s", file=sys.stderr, flush=True)
    return seconds


def prepare(folder: Path, options: argparse.Namespace) -> None:
    """A teacher and a corpus of a little more than the blocks that are learned from."""
    tokenizer = load_tokenizer(str(options.tokenizer))
    teacher: Any = build_student(TEACHER, tokenizer.vocab_size, seed=0, end=tokenizer.end)
    torch.nn.init.constant_(teacher.transformer.ln_f.weight, ENTROPY_SCALE)
    teacher.save_pretrained(folder / "teacher")
    tokenizer.save(folder / "teacher")
    sequences = (r.sequence for r in iter_fasta(options.proteins) if 60 <= len(r.sequence) <= 500)
    chosen = list(islice((s for s in sequences if set(s) <= set("ACDEFGHIKLMNPQRSTVWY")), 40))
    tokens, num = 0, 0
    while tokens < options.blocks * BLOCK * 0.98:
        tokens += len(tokenizer.encode([chosen[num]])[0])
        num += 1
    for split, part in {"train": chosen[: num - 1], "valid": chosen[num:][:2]}.items():
        (folder / f"{split}.fasta").write_text("".join(f">{i}\n{s}\n" for i, s in enumerate(part)))


def task(folder: Path, *settings: str) -> DistillationTask:
    """The smallest student of that teacher."""
    shared = [
        f"data.path={folder}",
        f"data.block_length={BLOCK}",
        f"loss.teacher={folder / 'teacher'}",
        "numerics.precision=bf16",
        "execution.device=cpu",
        "execution.threads=1",
    ]
    return DistillationTask(build(ProteinConfig, override(read_recipe("protein/tiny"), [*shared, *settings])))


def step_seconds(made: DistillationTask, temperature: float) -> float:
    """Seconds of the step that learns from every block, the reading of the cache included."""
    loss = made.config.loss.model_copy(update={"temperature": temperature})
    made.config = made.config.model_copy(update={"loss": loss})
    device = detect("cpu")
    config = fill_auto(made.config, preset(device).values())
    learner, examples = Learner(made, made.model().train(), config, device), made.examples("train")

    def step() -> None:
        batch = made.collate([examples[index] for index in range(len(examples))])
        learner.step(0, [MicroBatch(batch, 0)]).read()

    with process_settings(config.execution, config.numerics):
        return timed(step)


def matrix_flops(size: Any, num: int) -> float:
    """Of a token's forward pass: 2 for each weight of a matrix, the head's included, without attention's products."""
    return 2.0 * (12 * size.num_layers * size.width**2 + num * size.width)


def biases(made: DistillationTask) -> dict[str, dict[str, float]]:
    """Mean of estimate − exact and its standard error, in nats a token, by kind and temperature."""
    teacher: Any = made.teacher
    batch = made.collate([made._packed("train")[0]])
    with torch.no_grad():
        states = run_packed(teacher, batch.tokens, batch.segments, batch.positions)
        taught = states.logits(slice(0, len(states.hidden)))
        student = taught + 0.5 * torch.randn(taught.shape, generator=torch.Generator().manual_seed(1))
        found = {"entropy": {"nats": float(-(softened(taught, 1).exp() * softened(taught, 1)).sum(-1).mean())}}
        for temperature in (1.0, 2.0, 4.0):
            ours = softened(student, temperature)
            exact = forward_kl(softened(taught, temperature), ours)
            kept = {name: Kind(name, 0 if name == "full" else NUM) for name in ("full", "sampled", "top_k")}
            for name, kind in kept.items():
                words = torch.from_numpy(kind.kept(states, seed=0).view("int16"))[None]
                estimate = _estimate(kind.told(words, states.head), ours, temperature)
                error = estimate - exact
                found[f"{name}_T{temperature:g}"] = {
                    "exact_kl": float(exact.mean()),
                    "bias": float(error.mean()),
                    "standard_error": float(error.std() / len(error) ** 0.5),
                }
    return found


def _estimate(told: Any, ours: Tensor, temperature: float) -> Tensor:
    if isinstance(told, Draws):
        return drawn_kl(told.ids, told.logs, ours, temperature)
    every = slice(0, len(ours))
    logits = (
        told.spread(ours.shape[-1])(every)
        if isinstance(told, Likeliest)
        else torch.nn.functional.linear(told.hidden.float(), told.head.weight)
    )
    return forward_kl(softened(logits, temperature), ours)


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--proteins", type=Path, required=True)
    parser.add_argument("--blocks", type=int, default=6)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MONOSOME_CACHE"] = str(folder / "cache")
        prepare(folder, options)
        online = task(folder)
        _ = online.teacher  # loaded before the clock runs
        online_seconds = [step_seconds(online, temperature) for temperature in TEMPERATURES]
        bias = biases(online)
        bytes_per_token = {
            kind: Kind(kind, 0 if kind == "full" else NUM).num_words(online.teacher.get_output_embeddings()) * 2
            for kind in ("full", "sampled", "top_k")
        }
        packed = online._packed("train")
        tokens = sum(len(packed[index].tokens) for index in range(len(packed)))
        del online
        cached, made = task(folder, "execution.cache_teacher=true"), [0.0]
        _ = cached._known, cached.teacher  # the same
        made[0] = timed(lambda: cached.cache)
        cached_seconds = [step_seconds(cached, temperature) for temperature in TEMPERATURES]
    student, vocabulary = cached.config.model, cached.tokenizer.vocab_size
    each, once = sum(online_seconds) / len(TEMPERATURES), sum(cached_seconds) / len(TEMPERATURES)
    flops = {
        "teacher_forward": matrix_flops(TEACHER, vocabulary),
        "student_step": 3 * matrix_flops(student, vocabulary),
    }
    write_report(
        __file__,
        {
            "tokens_per_run": tokens,
            "gflop_per_token": {key: value / 1e9 for key, value in flops.items()},
            "flop_ratio": flops["teacher_forward"] / flops["student_step"],
            "online_tokens_per_second": tokens / each,
            "cached_tokens_per_second": tokens / once,
            "speed_up": each / once,
            "cache_seconds": made[0],
            "sweep_seconds": {"online": sum(online_seconds), "cached": made[0] + sum(cached_seconds)},
            "sweep_cost": (made[0] + sum(cached_seconds)) / sum(online_seconds),
            "bytes_per_token": bytes_per_token,
            "kl_of_kinds": bias,
        },
    )


if __name__ == "__main__":
    main()
