"""The package's source as syntax trees. Every rule takes a folder, so that a broken tree can prove that it bites."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "monosome"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One source file: its path below the package, its text, its syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The first folder of the path, or the file's own name at the top: what floors are given to."""
        return self.path.parts[0].removesuffix(".py")

    def at(self, node: ast.AST) -> str:
        """Where the node stands, as an editor opens it."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


def modules(package: Path) -> list[Module]:
    """Every Python file of a package."""
    found = []
    for file in sorted(package.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        found.append(Module(file.relative_to(package), text, ast.parse(text, str(file))))
    return found


def functions(module: Module) -> Iterator[Function]:
    """Every function and method, nested ones too."""
    return (node for node in ast.walk(module.tree) if isinstance(node, Function))


def plant(package: Path, files: dict[str, str]) -> Path:
    """`package`, now holding these files: a small tree for a rule to judge."""
    for name, text in files.items():
        file = package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return package
