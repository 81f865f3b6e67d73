"""The seam: what the engine knows of a domain, and nothing else.

One example walks: `examples(split)[i]` → `collate` → `forward` → `loss` → the engine's backward and step.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from monosome.config import Config
from monosome.row import Metric as Metric
from monosome.row import Row as Row
from monosome.row import mean_values as mean_values

BatchT = TypeVar("BatchT", bound="Batch")


@dataclass(frozen=True)
class Batch:
    """Several examples padded to one length; each domain's subclass names the tensors and their shapes."""

    def to(self: BatchT, device: torch.device) -> BatchT:
        """The same batch with every tensor on `device`."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        moved = {
            name: value.to(device, non_blocking=True) for name, value in tensors.items() if isinstance(value, Tensor)
        }
        return replace(self, **moved)


@dataclass(frozen=True)
class Loss:
    """Named loss terms as unweighted, differentiable sums over `count` units of the task.

    The unit is a token for proteins; for RNA it is a chain, whose terms are means over the chain, summed over chains.
    The engine weights the terms and divides gradients once, by the count over all micro-batches: so the size of a
    micro-batch changes nothing.
    """

    sums: Mapping[str, Tensor]
    count: Tensor | float

    def weighted(self, weights: Mapping[str, float]) -> Tensor:
        """Weighted sum of the terms, a scalar; terms of weight 0 are left out of the graph."""
        return sum(
            (weights[name] * value for name, value in self.sums.items() if weights[name]),
            start=torch.zeros(()),
        )


ExampleT = TypeVar("ExampleT")
ExampleT_co = TypeVar("ExampleT_co", covariant=True)
OutputsT = TypeVar("OutputsT")


@runtime_checkable
class Examples(Protocol[ExampleT_co]):
    """A split of the data, by index; `content_hash` names what it holds, wherever it lies."""

    @property
    def content_hash(self) -> str:
        """Hexadecimal digest of the examples."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> ExampleT_co: ...


class Task(ABC, Generic[ExampleT, BatchT, OutputsT]):
    """A domain as the engine sees it: its data, its model, its loss, its measures."""

    config_type: ClassVar[type[Config]]
    metrics: ClassVar[Sequence[Metric]]
    """What a report says of the rows, the most important first."""
    bounds: ClassVar[Mapping[str, float]] = {}
    """Terms of the loss that have no gradient where they are largest, and that value; a run says if one stays there."""

    def __init__(self, config: Config) -> None:
        self.config: Any = config

    @abstractmethod
    def model(self) -> nn.Module:
        """A new network with weights drawn from `config.seed`."""

    def begin(self, model: nn.Module) -> None:
        """Give a new network the weights that its first step begins with, where they are not drawn."""
        return None

    def frozen(self) -> nn.Module | None:
        """The network that is used and never trained (a teacher), the same object at every call."""
        return None

    @abstractmethod
    def examples(self, split: str) -> Examples[ExampleT]:
        """The examples of split "train" or "valid"."""

    @abstractmethod
    def length(self, example: ExampleT) -> int:
        """Residues or tokens of an example: what buckets, memory and time depend on."""

    def lengths(self, examples: Examples[ExampleT]) -> list[int]:
        """The length of each example; a task that knows them without making the examples saves that time."""
        return [self.length(examples[index]) for index in range(len(examples))]

    def weights(self, examples: Examples[ExampleT], limit: int | None = None) -> Sequence[float] | None:
        """How often training draws each example, in any unit, 0 for never; None draws each once an epoch.

        `limit` is the length that `curriculum` bounds examples by at the time.
        """
        return None

    def curriculum(self) -> Sequence[tuple[int, int]]:
        """Steps, from 0 and ascending, each with the length that bounds examples from it on; none without bounds."""
        return ()

    def shortened(self, example: ExampleT, limit: int, seed: int) -> ExampleT:
        """At most that length of an example, the part fixed by the seed; a task with a curriculum says how."""
        return example

    def reports(self) -> Mapping[str, Any]:
        """What a run keeps of its data, by the name of a JSON file in its folder."""
        return {}

    @abstractmethod
    def collate(self, examples: Sequence[ExampleT], seeds: Sequence[int] | None = None) -> BatchT:
        """The examples as one padded batch on the CPU.

        `seeds` holds one number per example, made from the run's seed, the example and the step: random draws
        (crops) use it, so that they do not depend on the micro-batch. Without seeds nothing is drawn at random.
        """

    @abstractmethod
    def forward(self, model: nn.Module, batch: BatchT) -> OutputsT:
        """Everything that the loss needs."""

    @abstractmethod
    def loss(self, outputs: OutputsT, batch: BatchT) -> Loss:
        """Unweighted sums of the terms named by `config.loss.weights()`, and their count."""

    @abstractmethod
    def evaluate(self, model: nn.Module, examples: Examples[ExampleT]) -> list[Row]:
        """One row per example; each has the value "loss", lower is better."""

    @abstractmethod
    def dummy(self, length: int) -> ExampleT:
        """A made-up example of that length, for profiling, estimates and tests."""

    @abstractmethod
    def blocks(self, model: nn.Module) -> list[nn.Module]:
        """The repeated blocks of the model in order: what is checkpointed, sharded or cut into stages."""

    def tensor_plan(self, model: nn.Module) -> Mapping[str, str]:
        """How weight matrices split over devices: module name → "column" or "row"; the rest is replicated."""
        return {}

    def inputs(self) -> Sequence[str]:
        """Names of the inputs whose worth can be measured one by one; none where there is but one."""
        return ()

    def disturbed(self, example: ExampleT, name: str, seed: int | None) -> ExampleT:
        """The example with one of `inputs` shuffled over its positions, or, without a seed, as if it were not known."""
        raise KeyError(name)

    def export(self, model: nn.Module, folder: str) -> None:
        """Write the trained model in the form other programs load; does nothing where there is none."""
        return None
