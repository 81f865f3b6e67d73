"""Optimiser states that live in main memory, and visit the device a portion of the weights at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from monosome.train.optim import Group, Optimizers

PORTION_BYTES = 16 * 2**20
"""Weights that are updated at a time, at least one: large beside the cost of a copy's start, small beside a card. Of
three portions the states are on the card at once: one being fetched, one in use, one going home."""


class Offload:
    """Takes the steps of optimisers whose states are at home in main memory, pinned where the device is a card.

    Exact: an update is made weight by weight from the same numbers. On CUDA a stream of its own fetches the states of
    the next portion and brings those of the last one home while one is updated.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """One step of the optimiser."""
        groups, portions = optimizer.param_groups, list(_portions(optimizer))
        away = self._fetched(optimizer, portions[0]) if portions else {}
        try:
            for portion, following in pairwise([*portions, None]):
                assert portion is not None
                soon = self._fetched(optimizer, following) if following else {}
                homes = {weight: optimizer.state.get(weight, {}) for weight in portion["params"]}
                optimizer.state.update(away)
                optimizer.param_groups = [portion]
                self._order(first=self.stream)
                optimizer.step()
                for weight, home in homes.items():
                    if weight in optimizer.state:
                        optimizer.state[weight] = self._brought_home(optimizer.state[weight], home)
                away = soon
        finally:
            optimizer.param_groups = groups
        if self.stream:
            self.stream.synchronize()  # what is at home may be read, by a checkpoint for one

    def bring_home(self, optimizers: Optimizers) -> None:
        """Bring home the states that a checkpoint was read into."""
        for optimizer in optimizers:
            for weight, state in optimizer.state.items():
                optimizer.state[weight] = self._brought_home(state, {})
        if self.stream:
            self.stream.synchronize()

    def _fetched(self, optimizer: torch.optim.Optimizer, portion: Group) -> dict[Tensor, dict[str, Any]]:
        """The states of a portion, on the device."""
        with self._copying():
            return {
                weight: {name: self._copied(value) for name, value in optimizer.state[weight].items()}
                for weight in portion["params"]
                if weight in optimizer.state
            }

    def _copied(self, value: Any) -> Any:
        if not _travels(value):
            return value
        copy = torch.empty_like(value, device=self.device).copy_(value, non_blocking=True)
        if self.stream:
            copy.record_stream(torch.cuda.default_stream(self.device))
        return copy

    def _brought_home(self, state: dict[str, Any], home: dict[str, Any]) -> dict[str, Any]:
        """The state with its tensors in main memory: in those that were made for it, or in new ones."""
        self._order(last=self.stream)
        kept = dict(state)
        with self._copying():
            for name, value in state.items():
                if _travels(value):
                    place = home.get(name)
                    if place is None:
                        place = torch.empty_like(value, device="cpu", pin_memory=self.stream is not None)
                    kept[name] = place.copy_(value, non_blocking=True)
                    if self.stream:
                        value.record_stream(self.stream)
        return kept

    def _order(self, *, first: Any = None, last: Any = None) -> None:
        """Let what is asked of the device from now on wait for the copies, or the copies for what was asked so far."""
        if first:
            torch.cuda.current_stream(self.device).wait_stream(first)
        if last:
            last.wait_stream(torch.cuda.current_stream(self.device))

    @contextmanager
    def _copying(self) -> Iterator[None]:
        if self.stream is None:
            yield
        else:
            with torch.cuda.stream(self.stream):
                yield


def _travels(value: Any) -> bool:
    """Whether a part of a state is large: counters stay where the optimiser has made them."""
    return isinstance(value, Tensor) and value.numel() > 1


def _portions(optimizer: torch.optim.Optimizer) -> Iterator[Group]:
    """The groups of an optimiser in portions of their weights."""
    for group in optimizer.param_groups:
        portion: list[nn.Parameter] = []
        for weight in group["params"]:
            if portion and sum(each.nbytes for each in portion) + weight.nbytes > PORTION_BYTES:
                yield {**group, "params": portion}
                portion = []
            portion.append(weight)
        if portion:
            yield {**group, "params": portion}
