"""Live storages of traced tensors, followed from operation to operation: what memory a step would hold, and when."""

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

Part = Literal["parameters", "gradients", "optimizer", "inputs", "activations", "workspace"]


class Storages(TorchDispatchMode):
    """While it is on, counts the bytes of every storage that an operation makes, by part, until it is freed.

    Views share a storage and count once; what the backward pass makes is workspace. `peak` is the most that was live
    at once, `at_peak` its parts; `flops` are those of matrix products and attention, two for each multiplication and
    addition; `operations` is how many there were, which the time of a trace grows with.
    """

    def __init__(self, granularity: int = 1) -> None:
        super().__init__()
        self.granularity = granularity
        self.part: Part = "parameters"
        self.live: Counter[Part] = Counter()
        self.total = self.peak = self.flops = self.operations = 0
        self.at_peak: dict[Part, int] = {}
        self._parts: dict[int, tuple[Part, int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **kwargs or {})
        self.operations += 1
        self.take(result)
        count: Callable[..., int] | None = flop_registry.get(func._overloadpacket)
        if count:
            self.flops += count(*args, **kwargs or {}, out_val=result)
        return result

    def take(self, tensors: Any) -> None:
        """Count what these tensors hold, if it is not counted yet."""
        for tensor in tree_leaves(tensors):
            if isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata not in self._parts:
                self._add(tensor.untyped_storage())

    def relabel(self, tensors: Any, part: Part) -> None:
        """Count what these tensors hold as another part from now on."""
        self.take(tensors)
        for tensor in tree_leaves(tensors):
            if isinstance(tensor, Tensor):
                key = tensor.untyped_storage()._cdata
                before, size = self._parts[key]
                self.live[before] -= size
                self.live[part] += size
                self._parts[key] = (part, size)

    def leave_out(self, tensors: Any) -> None:
        """Count what these tensors hold as nothing from now on: it lies in another memory."""
        self.take(tensors)
        for tensor in tree_leaves(tensors):
            if isinstance(tensor, Tensor):
                key = tensor.untyped_storage()._cdata
                part, size = self._parts[key]
                self.live[part] -= size
                self.total -= size
                self._parts[key] = (part, 0)

    @contextmanager
    def counting_as(self, part: Part) -> Iterator[None]:
        """While it lasts, new storages are of this part."""
        before, self.part = self.part, part
        try:
            yield
        finally:
            self.part = before

    def start_peak(self) -> None:
        """Forget earlier peaks and operations: what is live now stays."""
        self.peak, self.flops, self.operations = self.total, 0, 0
        self.at_peak = dict(self.live)

    def _add(self, storage: torch.UntypedStorage) -> None:
        size = -(-storage.nbytes() // self.granularity) * self.granularity
        key = storage._cdata
        part = "workspace" if torch._C._current_graph_task_id() != -1 else self.part
        self._parts[key] = (part, size)
        self.live[part] += size
        self.total += size
        weakref.finalize(storage, self._drop, key).atexit = False
        if self.total > self.peak:
            self.peak, self.at_peak = self.total, dict(self.live)

    def _drop(self, key: int) -> None:
        part, size = self._parts.pop(key)
        self.live[part] -= size
        self.total -= size
