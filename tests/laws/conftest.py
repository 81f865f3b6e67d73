"""The laws hold for every task: a new domain joins with one line in FACTORIES."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monosome.task import Task

sys.path.insert(0, str(Path(__file__).parent))

from proteins import protein_task
from rnas import rna_task
from toy import toy_task

TaskFactory = Callable[..., Task[Any, Any, Any]]

FACTORIES: dict[str, TaskFactory] = {
    "protein": protein_task,
    "rna": rna_task,
    "toy": toy_task,
}
"""Tasks by name. A factory takes "key=value" overrides and returns a Task with little data, a few of whose steps take
less than a second on one core: each law takes about ten."""


@pytest.fixture(params=sorted(FACTORIES))
def task_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def task_factory(task_name: str) -> TaskFactory:
    return FACTORIES[task_name]
