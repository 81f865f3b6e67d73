"""What the documentation tells people to type exists: targets, verbs, options, recipes, settings, names in Python."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import monosome
from monosome.cli import app
from monosome.commands.domain import config_type
from monosome.config import build, override, read_recipe
from monosome.errors import MonosomeError
from monosome.sweep.grid import read_sweep

from .source import REPOSITORY, plant

DOCUMENTS = ("*.md", "docs/**/*.md", "src/monosome/recipes/**/*.toml")
USAGE_ERROR: Any = typer.BadParameter.__mro__[1]


def command_violations(repository: Path) -> list[str]:
    """Commands of the documents and of recipe headers that this repository does not know."""
    targets = set(re.findall(r"^([a-z]+):", (repository / "Makefile").read_text(), flags=re.MULTILINE))
    found = []
    for file in documents(repository):
        for words in commands(file.read_text(encoding="utf-8"), file.suffix):
            fault = _fault(words, targets, repository)
            found += [f"{file.relative_to(repository)}: {shlex.join(words)}: {fault}"] if fault else []
    return found


def name_violations(repository: Path) -> list[str]:
    """Names of the package that the documents use in Python and that it does not have."""
    found = []
    for file in documents(repository):
        for block in re.findall(r"^```python\n(.*?)^```", file.read_text(encoding="utf-8"), flags=re.M | re.S):
            for node in ast.walk(ast.parse(block)):
                match node:
                    case ast.Attribute(value=ast.Name(id="monosome"), attr=name) if name not in monosome.__all__:
                        found.append(f"{file.relative_to(repository)}: monosome.{name}")
    return found


def documents(repository: Path) -> list[Path]:
    """The files that people read before they type."""
    return sorted({file for pattern in DOCUMENTS for file in repository.glob(pattern)})


def commands(text: str, suffix: str) -> Iterator[list[str]]:
    """The words of each command: lines of ```sh blocks, or of a recipe's comments; a pipe's first part."""
    if suffix == ".toml":
        lines = re.findall(r"^#\s+((?:monosome|make) .*)$", text, flags=re.MULTILINE)
    else:
        blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
        lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    for line in lines:
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        if words:
            yield words[: words.index("|")] if "|" in words else words


def _fault(words: list[str], targets: set[str], repository: Path) -> str:
    match words:
        case ["make", *wanted]:
            return ", ".join(f"no target {name}" for name in wanted if "=" not in name and name not in targets)
        case ["python", script, *_] if script.endswith(".py"):
            return "" if (repository / script).is_file() else f"no script {script}"
        case ["monosome", *rest]:
            return _verb_fault(rest)
    return ""


def _verb_fault(words: list[str]) -> str:
    """What the command line, the recipes or the settings say against it; the work itself is not begun."""
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return f"no verb {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    try:
        parameters = command.make_context("monosome", words).params
        settings = parameters.get("settings") or []
        if "recipe" in parameters:
            values = override(read_recipe(parameters["recipe"]), settings)
            build(config_type(values["domain"]), values)
        if "sweep" in parameters:
            read_sweep(parameters["sweep"], settings)
    except MonosomeError as error:
        return error.message
    except USAGE_ERROR as error:
        return error.format_message()
    return ""


def test_documented_commands_exist():
    assert command_violations(REPOSITORY) == []


def test_documented_names_exist():
    assert name_violations(REPOSITORY) == []


def test_the_readme_opens_with_the_two_commands():
    found = list(commands((REPOSITORY / "README.md").read_text(), ".md"))
    assert found[:2] == [["make", "demo"], ["make", "test"]]


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("make demo   # installs", ""),
        ("MONOSOME_DATA=here make dmeo", "no target dmeo"),
        ("monosome doctor --json | jq .", ""),
        ("monosome doktor", "no verb doktor"),
        ("monosome fold ACGU --out here --num-models 2", ""),
        ("monosome fold ACGU", "Missing option"),
        ("monosome fold ACGU -o here --models 2", "No such option"),
        ("monosome checkpoint show runs/a", ""),
        ("monosome checkpoint prune runs/a", "no verb prune"),
        ("monosome train rna/micro optim.learning_rate=1e-3 \\\n  -o here", ""),
        ("monosome train rna/mikro", "there is no recipe 'rna/mikro'"),
        ("monosome train rna/micro optim.rate=1", "there is no setting 'optim.rate'"),
        ("monosome sweep sweeps/none", "there is no recipe 'sweeps/none'"),
        ("python scripts/none.py", "no script scripts/none.py"),
        ("podman build .", ""),
    ],
)
def test_commands_that_do_not_exist_are_found(tmp_path: Path, command: str, fault: str):
    plant(tmp_path, {"Makefile": "demo: x\n\ttrue\n", "docs/start.md": f"Type\n```sh\n{command}\n```\n"})
    found = command_violations(tmp_path)
    assert len(found) == bool(fault)
    assert all(fault.lower() in each.lower() for each in found)


def test_a_recipes_header_is_checked_too(tmp_path: Path):
    recipe = "# A recipe.\n#   monosome train rna/mikro\nmonosome = 1\n"
    plant(tmp_path, {"Makefile": "", "src/monosome/recipes/rna/a.toml": recipe})
    assert len(command_violations(tmp_path)) == 1


def test_names_that_do_not_exist_are_found(tmp_path: Path):
    plant(tmp_path, {"README.md": "```python\nimport monosome\n\nmonosome.fold('ACGU')\nmonosome.fould('ACGU')\n```\n"})
    assert name_violations(tmp_path) == ["README.md: monosome.fould"]
