"""Names that say nothing, code that hides something, and what every public name owes its reader."""

import ast
import re
from pathlib import Path

import pytest

from .source import PACKAGE, REPOSITORY, Function, Module, modules, plant

DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "managers", "lib", "tools"}
EMPTY_CLASS_NAMES = ("Manager", "Helper", "Utils", "Util", "Misc", "Base")
SECOND_VERSION = re.compile(r".*(?:^|[_\w])v[2-9]$")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def name_violations(package: Path) -> list[str]:
    """Files, folders and classes named after no subject, and second versions beside the first."""
    found = []
    for module in modules(package):
        for part in (*module.path.parent.parts, module.path.stem):
            if part in DRAWERS or SECOND_VERSION.fullmatch(part):
                found.append(f"{module.path}: {part!r} names no subject")
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef | Function):
                if SECOND_VERSION.fullmatch(node.name):
                    found.append(f"{module.at(node)}: {node.name} is a second version")
                if isinstance(node, ast.ClassDef) and node.name.endswith(EMPTY_CLASS_NAMES):
                    found.append(f"{module.at(node)}: {node.name} names no subject")
    return found


def hidden_violations(package: Path) -> list[str]:
    """Errors swallowed whole, parts that are not there, annotations that no hook can check."""
    found = []
    for module in modules(package):
        for node in ast.walk(module.tree):
            match node:
                case ast.ExceptHandler() if is_broad(node) and not reraises(node):
                    found.append(f"{module.at(node)}: a broad except that goes on")
                case ast.ImportFrom(module="__future__"):
                    found.append(f"{module.at(node)}: __future__ turns shapes into text that no hook checks")
                case ast.alias(name="Self"):
                    found.append(f"{module.at(node)}: the shape hook cannot check Self: name the class in quotes")
                case ast.Name(id="NotImplementedError" | "NotImplemented"):
                    found.append(f"{module.at(node)}: a part that is not there")
        for number, line in enumerate(module.text.splitlines(), start=1):
            if UNFINISHED.search(line):
                found.append(f"{module.path}:{number}: unfinished")
    return found


def is_broad(handler: ast.ExceptHandler) -> bool:
    """Whether it catches everything: bare, Exception or BaseException, alone or in a tuple."""
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(each, ast.Name) and each.id in ("Exception", "BaseException") for each in caught)


def reraises(handler: ast.ExceptHandler) -> bool:
    """Whether it tidies up and passes the error on, as it came."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def docstring_violations(package: Path) -> list[str]:
    """Public modules, classes and functions without a docstring."""
    found = []
    for module in modules(package):
        if module.text.strip() and not ast.get_docstring(module.tree):
            found.append(f"{module.path}: no docstring")
        found += undocumented(module, module.tree)
    return found


def undocumented(module: Module, scope: ast.Module | ast.ClassDef) -> list[str]:
    """Public names of a module or class without a docstring; special methods mean what Python says they mean."""
    found = []
    for node in scope.body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                found.append(f"{module.at(node)}: {node.name} has no docstring")
            if isinstance(node, ast.ClassDef):
                found += undocumented(module, node)
    return found


# A path of somebody's own machine: never true on another. Addresses (://host/home/…) are not paths.
PRIVATE_PATH = re.compile(r"(?<![\w.:/-])/(?:home|Users|root|work|workspace|mnt|scratch)/\w")
TEXT_FILES = (
    "*.py",
    "*.md",
    "*.toml",
    "*.txt",
    "*.cff",
    "*.jinja",
    "*.sh",
    "*.json",
    "Makefile",
    "Containerfile",
    ".ci/run",
)
FOLDERS = ("src", "tests", "docs", "scripts", "tools", "benchmarks", ".ci")


def path_violations(repository: Path) -> list[str]:
    """Lines that name a path of a developer's machine."""
    roots = [repository / folder for folder in FOLDERS if (repository / folder).is_dir()]
    files = {file for pattern in TEXT_FILES for file in repository.glob(pattern)}
    files |= {file for root in roots for pattern in TEXT_FILES for file in root.rglob(pattern)}
    return [
        f"{file.relative_to(repository)}:{number}"
        for file in sorted(files)
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if PRIVATE_PATH.search(line)
    ]


def test_names_say_a_subject():
    assert name_violations(PACKAGE) == []


def test_nothing_is_hidden():
    assert hidden_violations(PACKAGE) == []


def test_public_names_have_docstrings():
    assert docstring_violations(PACKAGE) == []


def test_no_file_names_a_private_path():
    assert path_violations(REPOSITORY) == []


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("rna/utils.py", ""),
        ("common/text.py", ""),
        ("rna/model_v2.py", ""),
        ("rna/modelv2.py", ""),
        ("v2/model.py", ""),
        ("rna/model.py", "class CheckpointManager: ..."),
        ("rna/model.py", "def fold_v2(): ..."),
    ],
)
def test_empty_names_are_refused(tmp_path: Path, file: str, code: str):
    assert len(name_violations(plant(tmp_path, {file: code}))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "try:\n    f()\nexcept:\n    pass",
        "try:\n    f()\nexcept Exception:\n    pass",
        "try:\n    f()\nexcept (ValueError, BaseException) as error:\n    raise ValueError from error",
        "from __future__ import annotations",
        "from typing import Any, Self",
        "def f():\n    raise NotImplementedError",
        "x = 1  # TO" + "DO: more",
    ],
)
def test_hidden_code_is_refused(tmp_path: Path, code: str):
    assert len(hidden_violations(plant(tmp_path, {"rna/model.py": code}))) == 1


def test_tidying_up_and_passing_on_is_allowed(tmp_path: Path):
    code = "try:\n    f()\nexcept BaseException:\n    tidy()\n    raise"
    assert hidden_violations(plant(tmp_path, {"rna/model.py": code})) == []


@pytest.mark.parametrize(
    ("code", "num_missing"),
    [
        ("x = 1", 1),
        ('"""A module."""\ndef f(): ...', 1),
        ('"""A module."""\nclass A:\n    def f(self): ...', 2),
        ('"""A module."""\ndef _f(): ...\nclass _A:\n    def f(self): ...', 0),
        ('"""A module."""\ndef f():\n    """Something."""\n    def g(): ...', 0),
        ("", 0),
    ],
)
def test_missing_docstrings_are_found(tmp_path: Path, code: str, num_missing: int):
    assert len(docstring_violations(plant(tmp_path, {"rna/model.py": code}))) == num_missing


def test_private_paths_are_found(tmp_path: Path):
    plant(tmp_path, {"docs/start.md": "see https://example.org/home/x and data/home/x\ncd /ho" + "me/ada/monosome\n"})
    assert path_violations(tmp_path) == ["docs/start.md:2"]
