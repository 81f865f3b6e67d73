"""RNA structures and protein language models that fit the machine you own.

The Python API loads what it names when it is first used: `import monosome` costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "fold": "monosome.rna.predict",
    "annotate": "monosome.rna.annotation",
    "assess": "monosome.rna.metrics",
    "refine": "monosome.rna.refinement",
    "generate": "monosome.protein.generate",
    "likelihood": "monosome.commands.likelihood",
    "distill": "monosome.commands.distill",
    "Trainer": "monosome.train.loop",
    "Task": "monosome.task",
}

__all__ = [
    "Task",
    "Trainer",
    "__version__",
    "annotate",
    "assess",
    "distill",
    "fold",
    "generate",
    "likelihood",
    "refine",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'monosome' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
