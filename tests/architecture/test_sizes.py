"""Files, functions and signatures stay small enough to be read at once."""

from pathlib import Path

import pytest

from .source import PACKAGE, Function, Module, functions, modules, plant

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 6


def size_violations(package: Path) -> list[str]:
    """Files, functions and parameter lists beyond their limits."""
    found = []
    for module in modules(package):
        lines = len(module.text.splitlines())
        if lines > MAX_FILE_LINES:
            found.append(f"{module.path}: {lines} lines")
        for function in functions(module):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                found.append(f"{module.at(function)}: {function.name} has {lines} lines")
            if (count := num_parameters(module, function)) > MAX_PARAMETERS:
                found.append(f"{module.at(function)}: {function.name} has {count} parameters")
    return found


def num_parameters(module: Module, function: Function) -> int:
    """Parameters that a caller has to keep in mind.

    Not counted are self and cls, and a verb's options: a person types them by name, one at a time, so a dataclass
    around them would be one more thing to read. They are the parameters of cli.py and cli_*.py, and the keyword-only
    parameters of commands/, which these pass on.
    """
    if module.room.startswith("cli"):
        return 0
    arguments = function.args
    counted = [*arguments.posonlyargs, *arguments.args]
    if module.room != "commands":
        counted += arguments.kwonlyargs
    return len([argument for argument in counted if argument.arg not in ("self", "cls")])


def test_sizes():
    assert size_violations(PACKAGE) == []


SEVEN = "a, b, c, d, e, f, g"


@pytest.mark.parametrize(
    ("file", "code", "violation"),
    [
        ("rna/model.py", "x = 1\n" * 401, "rna/model.py: 401 lines"),
        ("rna/model.py", "def f():\n" + "    x = 1\n" * 60, "rna/model.py:1: f has 61 lines"),
        ("rna/model.py", f"def f({SEVEN}): ...", "rna/model.py:1: f has 7 parameters"),
        ("rna/model.py", f"def f(*, {SEVEN}): ...", "rna/model.py:1: f has 7 parameters"),
        ("rna/model.py", f"class A:\n    def f(self, {SEVEN}): ...", "rna/model.py:2: f has 7 parameters"),
        ("commands/fold.py", f"def run({SEVEN}): ...", "commands/fold.py:1: run has 7 parameters"),
    ],
)
def test_too_large_is_refused(tmp_path: Path, file: str, code: str, violation: str):
    assert size_violations(plant(tmp_path, {file: code})) == [violation]


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("rna/model.py", "x = 1\n" * 400),
        ("rna/model.py", "def f():\n" + "    x = 1\n" * 59),
        ("rna/model.py", "class A:\n    def f(self, a, b, c, d, e, f): ..."),
        ("commands/fold.py", f"def run(target, *, {SEVEN}): ..."),
        ("cli.py", f"def fold({SEVEN}): ..."),
    ],
)
def test_the_limits_themselves_are_allowed(tmp_path: Path, file: str, code: str):
    assert size_violations(plant(tmp_path, {file: code})) == []
