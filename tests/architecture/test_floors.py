"""Who may import whom: only downwards, or within one's own folder; also inside functions."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from .source import PACKAGE, Module, modules, plant

# From the ground up. Rooms on one floor never meet. `__init__` is the Python API, which imports lazily, from anywhere;
# that it imports nothing at once is shown by test_help.
FLOORS = (
    {"errors"},
    {"atomic", "config", "places", "processes", "row"},
    {"task", "sequences"},
    {"hardware"},
    {"parallel"},
    {"train"},
    {"evaluate", "fit"},
    {"sweep"},
    {"rna", "protein"},
    {"commands"},
    {"cli_options"},
    {"cli_design", "cli_kaggle", "cli_protein", "cli_reports"},
    {"cli"},
    {"__main__"},
)
EXEMPT = "__init__"
HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}


def floor_violations(package: Path) -> list[str]:
    """Imports that go sideways or up, and files that stand on no floor."""
    found = []
    for module in modules(package):
        if module.room == EXEMPT:
            continue
        if module.room not in HEIGHT:
            found.append(f"{module.path}: no floor is given to {module.room!r}")
            continue
        for node, room in imported_rooms(module, package):
            if room != module.room and HEIGHT.get(room, len(FLOORS)) >= HEIGHT[module.room]:
                found.append(f"{module.at(node)}: {module.room} imports {room}")
    return found


def hidden_imports(package: Path) -> list[str]:
    """Imports that no reader and no tool can follow: relative ones, by function call, by a class path in a string.

    The name of a package whose data files are read, resources.files("monosome.rna"), is no class path.
    """
    found = []
    for module in modules(package):
        if module.path == Path("__init__.py"):
            continue
        for node in ast.walk(module.tree):
            match node:
                case ast.Call(func=ast.Attribute(attr="files"), args=[ast.Constant() as name]):
                    name.value = None
                case ast.ImportFrom(level=level) if level:
                    found.append(f"{module.at(node)}: relative import")
                case ast.Name(id="__import__") | ast.Attribute(attr="import_module") | ast.alias(name="import_module"):
                    found.append(f"{module.at(node)}: import by function call")
                case ast.Constant(value=str(text)) if text.startswith("monosome.") and all(
                    part.isidentifier() for part in text.split(".")
                ):
                    found.append(f"{module.at(node)}: {text!r} is a module path in a string")
    return found


def imported_rooms(module: Module, package: Path) -> Iterator[tuple[ast.AST, str]]:
    """The rooms of the package that a module imports; names of the package itself (`__version__`) are none."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Import(names=names):
                paths = [alias.name for alias in names]
            case ast.ImportFrom(module=str(path), names=names):
                paths = [f"{path}.{alias.name}" for alias in names]
            case _:
                continue
        for path in paths:
            top, _, rest = path.partition(".")
            room = rest.split(".")[0]
            if top == "monosome" and ((package / room).is_dir() or (package / f"{room}.py").is_file()) and room:
                yield node, room


def test_imports_go_down():
    assert floor_violations(PACKAGE) == []


def test_imports_are_in_plain_sight():
    assert hidden_imports(PACKAGE) == []


ROOMS = {f"{room}/__init__.py": "" for room in ("rna", "protein", "train", "evaluate", "fit", "commands", "sequences")}
GROUND = {"__init__.py": "__version__ = '1'", "errors.py": "", "config.py": "", "task.py": "", "cli.py": ""}


@pytest.mark.parametrize(
    ("file", "code", "violation"),
    [
        ("train/loop.py", "from monosome.rna.task import BetaRhoTask", "train/loop.py:1: train imports rna"),
        ("train/loop.py", "def f():\n    import monosome.evaluate.rows", "train/loop.py:2: train imports evaluate"),
        ("rna/task.py", "from monosome import protein", "rna/task.py:1: rna imports protein"),
        ("evaluate/rows.py", "from monosome.fit import estimate", "evaluate/rows.py:1: evaluate imports fit"),
        ("task.py", "from monosome.sequences.fasta import Record", "task.py:1: task imports sequences"),
        ("errors.py", "from monosome.config import Config", "errors.py:1: errors imports config"),
        ("commands/fold.py", "from monosome.cli import app", "commands/fold.py:1: commands imports cli"),
        ("rna/__init__.py", "from monosome.commands import fold", "rna/__init__.py:1: rna imports commands"),
        ("drawer.py", "", "drawer.py: no floor is given to 'drawer'"),
    ],
)
def test_the_floors_hold(tmp_path: Path, file: str, code: str, violation: str):
    assert floor_violations(plant(tmp_path, {**GROUND, **ROOMS, file: code})) == [violation]


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("__init__.py", "def __getattr__(name):\n    from monosome.rna.predict import fold"),
        ("rna/ipa.py", "from monosome.rna.frames import Frames\nfrom monosome.train.loop import Trainer"),
        ("rna/task.py", "from monosome import __version__"),
    ],
)
def test_what_is_allowed_is_not_refused(tmp_path: Path, file: str, code: str):
    assert floor_violations(plant(tmp_path, {**GROUND, **ROOMS, file: code})) == []


def test_data_files_are_no_hidden_imports(tmp_path: Path):
    code = 'text = (resources.files("monosome.rna") / "loops.json").read_text()'
    assert hidden_imports(plant(tmp_path, {"rna/geometry.py": code})) == []


@pytest.mark.parametrize(
    "code",
    [
        "from . import frames",
        "from importlib import import_module",
        "import importlib\ntask = importlib.import_module(name)",
        "task = __import__(name)",
        'TASK = "monosome.rna.task.BetaRhoTask"',
    ],
)
def test_hidden_imports_are_found(tmp_path: Path, code: str):
    assert len(hidden_imports(plant(tmp_path, {"commands/domain.py": code}))) == 1
