"""Shapes are types: a signature that takes or gives a tensor says its axes, in the package's one legend.

Refused is `Tensor` (or `np.ndarray`) outside `Float[Tensor, "b n 3"]` and its kin, in the parameters and results of
public functions and in the fields of classes: there the reader and the test hook need it. Not refused are local
variables, whose shapes follow, and private functions, whose callers stand beside them.

task.py and train/ are exempt: the engine moves, clips, saves and steps tensors of any shape, and knows no axes.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .source import PACKAGE, modules, plant

ENGINE = {"task", "train"}
ARRAYS = {"Tensor", "ndarray", "Array"}
KINDS = re.compile(r"(Float|Int|UInt|Bool|Complex|Inexact|Integer|Real|Num|Shaped)\d*")

LEGEND = {
    "b": "batch",
    "n": "residues",
    "t": "tokens",
    "v": "vocabulary",
    "c": "single channels",
    "d": "pair channels",
    "h": "heads",
    "p": "points",
    "k": "bins",
    "a": "atoms",
    "m": "models",
    # Beyond the legend, for signatures that hold two of a kind:
    "f": "features of a residue",
    "g": "features of a pair",
    "l": "levels of confidence",
    "s": "superpositions",
}
# An axis: a number, legend letters (several for a flattened axis: hp3), sums with numbers (t-1), after * a named group
# of axes, after # a broadcast one; or a word of three letters and more for what occurs once, and is not in the legend.
LETTERS = rf"#?(?:\d+|[{''.join(LEGEND)}\d]+(?:[+-]\d+)?)"
AXIS = re.compile(rf"\.\.\.|_|{LETTERS}|#?\*#?\w+|[a-z]{{3,}}")


def shape_violations(package: Path) -> list[str]:
    """Tensors without a shape in signatures and fields, and axes that the legend does not know."""
    found = []
    for module in modules(package):
        if module.room in ENGINE:
            continue
        for owner, annotation in annotations(module.tree):
            found += [f"{module.at(annotation)}: {owner} has a bare {name}" for name in bare_arrays(annotation)]
        for node in ast.walk(module.tree):
            for axis in unknown_axes(node):
                found.append(f"{module.at(node)}: axis {axis!r} is not in the legend")
    return found


def annotations(scope: ast.Module | ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """Annotations of public functions' parameters and results, and of classes' fields, with the names they are of."""
    for node in scope.body:
        match node:
            case ast.FunctionDef(name=name, args=arguments, returns=returns) if not name.startswith("_"):
                every = [
                    *arguments.posonlyargs,
                    *arguments.args,
                    *arguments.kwonlyargs,
                    arguments.vararg,
                    arguments.kwarg,
                ]
                yield from ((f"{name}({each.arg})", each.annotation) for each in every if each and each.annotation)
                if returns:
                    yield name, returns
            case ast.ClassDef():
                yield from annotations(node)
            case ast.AnnAssign(target=target, annotation=annotation) if isinstance(scope, ast.ClassDef):
                yield f"{scope.name}.{ast.unparse(target)}", annotation


def bare_arrays(annotation: ast.expr) -> list[str]:
    """Names of arrays in an annotation that stand outside a jaxtyping shape."""
    match annotation:
        case ast.Subscript(value=ast.Name(id=kind)) if KINDS.fullmatch(kind):
            return []
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in ARRAYS:
            return [name]
    inner = [child for child in ast.iter_child_nodes(annotation) if isinstance(child, ast.expr)]
    return [name for child in inner for name in bare_arrays(child)]


def unknown_axes(node: ast.AST) -> list[str]:
    """Axes of a jaxtyping shape that the legend does not know."""
    match node:
        case ast.Subscript(value=ast.Name(id=kind), slice=ast.Tuple(elts=[_, ast.Constant(value=str(shape))])):
            if KINDS.fullmatch(kind):
                return [axis for axis in shape.split() if axis in LEGEND.values() or not AXIS.fullmatch(axis)]
    return []


def test_tensors_in_signatures_have_shapes():
    assert shape_violations(PACKAGE) == []


@pytest.mark.parametrize(
    "code",
    [
        "def f(x: Tensor): ...",
        "def f(*, x: torch.Tensor | None = None): ...",
        "def f() -> tuple[Tensor, int]: ...",
        "def f(x: np.ndarray): ...",
        "class Batch:\n    tokens: dict[str, Tensor]",
        'def f(x: Float[Tensor, "batch 3"]): ...',
        'def f(x: Float[Tensor, "b q"]): ...',
    ],
)
def test_a_missing_shape_is_found(tmp_path: Path, code: str):
    found = shape_violations(plant(tmp_path, {"rna/model.py": code}))
    assert found
    assert all(violation.startswith("rna/model.py:") for violation in found)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("rna/model.py", 'def f(x: Float[Tensor, "b n 3"], y: Bool[Tensor, "b t-1"] | None) -> Int64[Tensor, ""]: ...'),
        ("rna/model.py", 'def f(x: Float[Tensor, "*#batch 3 3"], y: Float32[np.ndarray, "... hp3"]): ...'),
        ("rna/model.py", "def f():\n    x: Tensor = g()"),
        ("rna/model.py", "def _padded(x: Tensor) -> Tensor: ..."),
        ("rna/model.py", "def f():\n    def g(x: Tensor): ..."),
        ("evaluate/rows.py", 'def f(x: Float64[Array, "groups 2"]): ...'),
        ("train/optim.py", "def clip(gradients: list[Tensor]) -> Tensor: ..."),
        ("task.py", "class Loss:\n    sums: dict[str, Tensor]"),
    ],
)
def test_what_has_shapes_or_needs_none_is_allowed(tmp_path: Path, file: str, code: str):
    assert shape_violations(plant(tmp_path, {file: code})) == []
