"""The loss of distillation, all logits at once against piece by piece; a step of transformers' Trainer against ours.

    python benchmarks/bench_distillation_loss.py [--tokens 8192]

Every measurement is a process of its own, and the sides take turns. Time is of the loss and its gradients in the hidden
states and in the student's head, both heads' products included; memory is how much resident memory (Linux VmHWM) rose
above what was held before. The Trainer's side needs `pip install accelerate`, which transformers asks for.

Both plain sides are what one writes without a thought of memory: cross-entropy plus T² times `kl_div` of two
`log_softmax`. On a machine with other work, `processor_seconds` (of all threads, in "step" of all steps and of setting
up) are the fairer time with one thread; with two they count waiting too.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from report import write_report
from torch import Tensor, nn
from torch.nn import functional

from monosome.config import OptimConfig
from monosome.hardware.counters import peak_memory_bytes, reset_peak_memory
from monosome.protein.objectives import distillation_sums
from monosome.protein.recipe import DistillationLossConfig, GPT2Config
from monosome.protein.student import States, build_student, run_packed
from monosome.task import Loss
from monosome.train.optim import normalise_and_clip, optimizers_for

VOCABULARY, WIDTH, TEACHER_WIDTH, BLOCK = 50257, 512, 1280, 512
LOSS = DistillationLossConfig(teacher="random", temperature=2.0, alpha=0.5)
STUDENT = GPT2Config(num_layers=4, num_heads=4, width=512)
TEACHER = GPT2Config(num_layers=2, num_heads=4, width=256)
"""Small, so that the loss is most of a step."""
BATCH, STEPS = 8, 3
CPU = torch.device("cpu")


def plain_loss(logits: Tensor, taught: Tensor, targets: Tensor) -> Tensor:
    """α · CE + (1 − α) · T² · KL, a mean over tokens."""
    hard = functional.cross_entropy(logits, targets)
    ours, theirs = (functional.log_softmax(each / LOSS.temperature, -1) for each in (logits, taught))
    soft = functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)
    return LOSS.alpha * hard + (1 - LOSS.alpha) * LOSS.temperature**2 * soft


def dense(student: States, teacher: States, tokens: Tensor) -> float:
    """The plain loss of all logits, and its gradients."""
    with torch.no_grad():
        taught = teacher.head(teacher.hidden)
    loss = plain_loss(student.head(student.hidden), taught, tokens[:, 1:].flatten())
    loss.backward()
    return loss.item()


def fused(student: States, teacher: States, tokens: Tensor) -> float:
    """The loss piece by piece, and its gradients."""
    loss = mean_loss(student, teacher, tokens)
    loss.backward()
    return loss.item()


def mean_loss(student: States, teacher: States, tokens: Tensor) -> Tensor:
    """Our loss as a mean over tokens, every token of the same protein."""
    sums, count = distillation_sums(student, teacher, tokens, torch.ones_like(tokens), LOSS)
    return Loss(sums, count).weighted(LOSS.weights()) / count


def made_up(num_tokens: int) -> tuple[States, States, Tensor]:
    """Hidden states and heads whose logits spread as a language model's do, and targets."""
    torch.manual_seed(0)

    def states(width: int) -> States:
        head = nn.Linear(width, VOCABULARY, bias=False)
        nn.init.normal_(head.weight, std=2 / width**0.5)
        return States(torch.randn(num_tokens, width), head)

    student, teacher = states(WIDTH), states(TEACHER_WIDTH)
    student.hidden.requires_grad_()
    return student, teacher, torch.randint(0, VOCABULARY, (num_tokens // BLOCK, BLOCK + 1))


def measured(run: Callable[[], Any]) -> dict[str, float]:
    """Seconds, those that all threads computed for, and bytes that resident memory rose at most."""
    held = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    reset_peak_memory(CPU)
    started, worked = time.perf_counter(), time.process_time()
    run()
    return {
        "seconds": time.perf_counter() - started,
        "processor_seconds": time.process_time() - worked,
        "bytes": peak_memory_bytes(CPU) - held,
    }


def loss_child(side: str, num_tokens: int) -> dict[str, float]:
    """One way through the loss, after one of 512 tokens that loads the kernels."""
    run = {"dense": dense, "fused": fused}[side]
    run(*made_up(BLOCK))
    student, teacher, tokens = made_up(num_tokens)
    found = measured(lambda: run(student, teacher, tokens))
    return {**found, "tokens_per_second": num_tokens / found["seconds"]}


def agreement_child() -> dict[str, float]:
    """Largest difference of value and gradients between the sides, over the largest gradient.

    "cached" takes hidden states that went through a file.
    """
    gradients: dict[str, list[Tensor]] = {}
    for name, run in (("dense", dense), ("chunked", fused), ("cached", fused)):
        student, teacher, tokens = made_up(2 * BLOCK)
        if name == "cached":
            with tempfile.NamedTemporaryFile() as file:
                torch.save(teacher.hidden, file.name)
                teacher = States(torch.load(file.name, weights_only=True), teacher.head)
        value = run(student, teacher, tokens)
        gradients[name] = [torch.tensor(value), student.hidden.grad, student.head.weight.grad]
    return {
        f"{name}_{what}": ((mine - theirs).abs().max() / theirs.abs().max()).item()
        for name in ("chunked", "cached")
        for what, mine, theirs in zip(("value", "hidden", "head"), gradients[name], gradients["dense"], strict=True)
    }


def step_child(side: str) -> dict[str, float]:
    """Steps of training, the first of which makes the optimiser's states; time is the fastest of the others."""
    student, teacher = (build_student(size, VOCABULARY, seed) for seed, size in enumerate((STUDENT, TEACHER)))
    teacher.eval().requires_grad_(False)
    tokens = torch.randint(1, VOCABULARY, (STEPS, BATCH, BLOCK), generator=torch.Generator().manual_seed(0))
    seconds: list[float] = []
    run = {"trainer": trainer_steps, "monosome": our_steps}[side]
    found = measured(lambda: run(student.train(), teacher, tokens, seconds))
    best = min(seconds[1:])
    return {**found, "seconds": best, "tokens_per_second": BATCH * BLOCK / best}


def our_steps(student: nn.Module, teacher: nn.Module, tokens: Tensor, seconds: list[float]) -> None:
    """Steps as monosome.train takes them."""
    config = OptimConfig()
    optimizers = optimizers_for(student, config, fused=True)
    ones, positions = torch.ones_like(tokens[0]), torch.arange(BLOCK).expand(BATCH, BLOCK)
    for batch in tokens:
        started = time.perf_counter()
        with torch.no_grad():
            taught = run_packed(teacher, batch, ones, positions)
        sums, count = distillation_sums(run_packed(student, batch, ones, positions), taught, batch, ones, LOSS)
        Loss(sums, count).weighted(LOSS.weights()).backward()
        normalise_and_clip(list(student.parameters()), count, config.clip_norm)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        seconds.append(time.perf_counter() - started)


def trainer_steps(student: nn.Module, teacher: nn.Module, tokens: Tensor, seconds: list[float]) -> None:
    """Steps of transformers' Trainer with the plain loss."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Distiller(Trainer):
        def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Tensor:
            logits = model(**inputs).logits[:, :-1].flatten(0, 1)
            with torch.no_grad():
                taught = teacher(**inputs).logits[:, :-1].flatten(0, 1)
            return plain_loss(logits, taught, inputs["input_ids"][:, 1:].flatten())

    class Clock(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.started = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            seconds.append(time.perf_counter() - self.started)

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=BATCH,
            max_steps=STEPS,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        data = [{"input_ids": row} for row in tokens.flatten(0, 1)]
        Distiller(student, arguments, train_dataset=data, callbacks=[Clock()]).train()


def child(threads: int, *words: str) -> dict[str, float]:
    """What a process of this script measured with that many threads."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, "--child", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(threads, *words, found, file=sys.stderr)
    return found


def beside(threads: int, repeats: int, plain: list[str], ours: list[str]) -> dict[str, Any]:
    """Medians of both sides, which take turns, and ours over the plain one's."""
    runs = [(child(threads, *plain), child(threads, *ours)) for _ in range(repeats)]
    sides = [{key: round(median(run[key] for run in side), 2) for key in side[0]} for side in zip(*runs, strict=True)]
    return {
        "threads": threads,
        "repeats": repeats,
        plain[1]: sides[0],
        ours[1]: sides[1],
        **{
            f"{key}_ratio": round(median(b[key] / a[key] for a, b in runs), 3)
            for key in ("seconds", "processor_seconds", "bytes")
        },
    }


def main() -> None:
    """Write the figures, or be one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=8192)
    parser.add_argument("--repeats", type=int, default=2, help="of the loss with one thread; all else is run once")
    parser.add_argument("--child", nargs="+")
    given = parser.parse_args()
    if given.child:
        kind, *words = given.child
        measure = {"loss": lambda side, num: loss_child(side, int(num)), "agree": agreement_child, "step": step_child}
        print(json.dumps(measure[kind](*words)))
        return
    num = str(given.tokens)
    figures = {
        "command": f"python benchmarks/bench_distillation_loss.py --tokens {num}",
        "tokens": given.tokens,
        "vocabulary": VOCABULARY,
        "width": WIDTH,
        "teacher_width": TEACHER_WIDTH,
        "agreement": child(1, "agree"),
        "loss": [
            beside(threads, repeats, ["loss", "dense", num], ["loss", "fused", num])
            for threads, repeats in ((1, given.repeats), (2, 1))
        ],
        "step": beside(1, 1, ["step", "trainer"], ["step", "monosome"])
        | {"batch": BATCH, "block": BLOCK, "student": STUDENT.model_dump(), "teacher": TEACHER.model_dump()},
    }
    write_report(__file__, figures)


if __name__ == "__main__":
    main()
