"""Invariant point attention, plain, fast and factorised: time and memory, forward and backward. Writes ipa.json.

python benchmarks/bench_ipa.py

The baseline is Algorithm 22 as it stands (point_attention.attend_plainly), with autograd's own backward. Heads,
channels and points are AlphaFold 2's (12, 16, 4 and 8; single 384), on one thread in fp32; gradients are taken of
weights, single representation, frames, and pair representation or its factors. The headline has AlphaFold 2's 128 pair
channels; 32 are what our recipes have. The paths take turns; times are medians. Memory is the peak of resident memory
above what was held before the call, once the libraries' own buffers are filled, in a process that gives freed memory
back at once.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from report import write_report

from monosome.hardware.counters import peak_memory_bytes, reset_peak_memory
from monosome.rna.frames import Frames
from monosome.rna.ipa import TRANSLATION_SCALE, InvariantPointAttention
from monosome.rna.point_attention import PairFactors, attend, attend_plainly
from monosome.rna.recipe import BetaRhoModelConfig

LENGTHS, PAIR_CHANNELS = (128, 256, 512, 1024), (128, 32)
SINGLE_CHANNELS, NUM_HEADS = 384, 12
RANK = 2
"""Terms of the factorised pair representation."""
NUM_TIMES, NUM_PEAKS = 7, 3
PATHS = {"plain": attend_plainly, "fast": attend, "factorised": attend}
GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""glibc returns blocks of 64 KiB and more when they are freed: then none that a call before has left is used again."""
Call = Callable[[], tuple[torch.Tensor, ...]]


def call_of(path: str, length: int, pair_channels: int) -> Call:
    """Forward and backward of one attention over a compact chain, the same for every path: output and gradients."""
    torch.manual_seed(0)
    module = InvariantPointAttention(
        BetaRhoModelConfig(single_channels=SINGLE_CHANNELS, pair_channels=pair_channels, ipa_heads=NUM_HEADS)
    )
    module.attend = PATHS[path]
    torch.nn.init.normal_(module.out.weight, std=0.02)
    single, slopes = torch.randn(2, 1, length, SINGLE_CHANNELS)
    rotations, _ = torch.linalg.qr(torch.randn(1, length, 3, 3))
    radius = 4.73 * length**0.366 / TRANSLATION_SCALE  # of gyration, of natural RNA
    translations = torch.randn(1, length, 3) * radius / math.sqrt(3)
    left, right = torch.randn(2, 1, length, RANK, pair_channels) / RANK**0.25
    given = PairFactors(left, right).product() if path != "factorised" else PairFactors(left, right)
    pairs = [left, right] if isinstance(given, PairFactors) else [given]
    leaves = [x.requires_grad_() for x in (single, rotations, translations, *pairs, *module.parameters())]
    mask = torch.ones(1, length)

    def call() -> tuple[torch.Tensor, ...]:
        out = module(single, given, Frames(rotations, translations), mask)
        return (out.detach(), *torch.autograd.grad(out, leaves, slopes))

    return call


def seconds(length: int, pair_channels: int) -> dict[str, float]:
    """Median time of each path."""
    calls = {path: call_of(path, length, pair_channels) for path in PATHS}
    times: dict[str, list[float]] = {path: [] for path in PATHS}
    for number in range(NUM_TIMES + 1):
        for path, call in calls.items():
            started = time.perf_counter()
            call()
            if number:  # the first is warm-up
                times[path].append(time.perf_counter() - started)
    return {path: round(statistics.median(each), 5) for path, each in times.items()}


def peaks(length: int, pair_channels: int) -> dict[str, int]:
    """Median peak memory of each path, bytes."""
    return {path: peak_of(call_of(path, length, pair_channels)) for path in PATHS}


def peak_of(call: Call) -> int:
    """Median peak over calls, above what is held before each."""
    found, device = [], torch.device("cpu")
    call()
    for _ in range(NUM_PEAKS):
        reset_peak_memory(device)
        before = peak_memory_bytes(device)
        call()
        found.append(peak_memory_bytes(device) - before)
    return int(statistics.median(found))


def furthest(length: int, pair_channels: int) -> float:
    """Largest relative difference of plain and fast path, over the output and each gradient."""
    plain, fast = (call_of(path, length, pair_channels)() for path in ("plain", "fast"))
    return max(float((a - b).norm() / a.norm()) for a, b in zip(plain, fast, strict=True))


def exponent(bytes_at: dict[int, dict[str, int]], path: str) -> float:
    """Slope of log memory against log length."""
    return round(float(np.polyfit(np.log(LENGTHS), np.log([bytes_at[n][path] for n in LENGTHS]), 1)[0]), 3)


def figures(pair_channels: int, bytes_at: dict[int, dict[str, int]]) -> dict[str, Any]:
    """All that is said of one width of the pair representation."""
    lengths = {}
    for length in LENGTHS:
        taken, held = seconds(length, pair_channels), bytes_at[length]
        lengths[length] = {
            "seconds": taken,
            "peak_bytes": held,
            "time_over_plain": {path: round(taken[path] / taken["plain"], 3) for path in PATHS},
            "memory_over_plain": {path: round(held[path] / held["plain"], 3) for path in PATHS},
        }
    return {
        "lengths": lengths,
        "memory_exponent": {path: exponent(bytes_at, path) for path in PATHS},
        "largest_relative_difference_at_512": furthest(512, pair_channels),
    }


def main() -> None:
    """Memory in a process of its own, then time in this one."""
    torch.set_num_threads(1)
    if sys.argv[1:] == ["memory"]:
        print(json.dumps([[[n, peaks(n, width)] for n in LENGTHS] for width in PAIR_CHANNELS]))
        return
    child = [sys.executable, __file__, "memory"]
    printed = subprocess.run(child, env=os.environ | GIVE_BACK, capture_output=True, text=True, check=True).stdout
    found = {
        f"{width} pair channels": figures(width, dict(rows))
        for width, rows in zip(PAIR_CHANNELS, json.loads(printed), strict=True)
    }
    write_report(__file__, found | {"headline": f"{PAIR_CHANNELS[0]} pair channels, 512 residues"})


if __name__ == "__main__":
    main()
