"""Which module of a network each recorded operation belongs to, those of the backward pass by what they go back to."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.profiler import record_function

_SPAN = "monosome module: "
_NODE = "autograd::engine::evaluate_function: "
"""How PyTorch's autograd names what it does for one operation of the forward pass."""


@contextmanager
def spanned(modules: Iterable[tuple[str, nn.Module]]) -> Iterator[None]:
    """While it lasts, what torch.profiler records says when each of these modules ran forward."""
    open_spans: list[record_function] = []

    def enter(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            open_spans.append(record_function(_SPAN + name))
            open_spans[-1].__enter__()

        return hook

    def leave(*_: Any) -> None:
        open_spans.pop().__exit__(None, None, None)

    handles = [
        handle
        for name, module in modules
        for handle in (module.register_forward_pre_hook(enter(name)), module.register_forward_hook(leave))
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def is_span(name: str) -> bool:
    """Whether an event of this name is a module that ran, not an operation."""
    return name.startswith(_SPAN)


@dataclass(frozen=True)
class Placed:
    """A recorded event: the modules that it ran in or goes back to, outermost first, and the operations around it."""

    event: Any
    modules: tuple[str, ...]
    operations: tuple[str, ...]
    goes_back: bool
    """Whether it is part of the backward pass."""


def placed(
    roots: Iterable[Any], children: Callable[[Any], Iterable[Any]], sequence: Callable[[Any], int]
) -> Iterator[Placed]:
    """Every event of these trees, in order. `sequence` gives the number that ties an event to its backward pass, or -1.

    An operation is given the number of the next node of the graph, whether it makes that node or not: of all that have
    it in the forward pass, the last one made it.
    """
    owners: dict[int, tuple[str, ...]] = {}
    waiting = [Placed(root, (), (), False) for root in roots][::-1]
    while waiting:
        here = waiting.pop()
        name, number = here.event.name, sequence(here.event)
        modules, operations, goes_back = here.modules, here.operations, here.goes_back
        if name.startswith(_NODE):
            modules, goes_back = owners.get(number, ()), True
            operations = (*operations, name.removeprefix(_NODE))
        elif is_span(name):
            modules = (*modules, name.removeprefix(_SPAN))
        else:
            operations = (*operations, name)
            if number >= 0 and not goes_back:
                owners[number] = modules
        yield Placed(here.event, modules, here.operations, goes_back)
        inner = [Placed(child, modules, operations, goes_back) for child in children(here.event)]
        waiting.extend(inner[::-1])


def is_node(name: str) -> bool:
    """Whether an event of this name is autograd's work on one operation."""
    return name.startswith(_NODE)
