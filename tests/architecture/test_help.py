"""`--help` and `import monosome` answer at once: what takes seconds to import is imported by the verb that needs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import monosome

from .source import PACKAGE, plant
from .test_options import OPTIONS

# To import on one core: transformers 6 s, torch 1.5 s, the others .02 to .5 s each.
HEAVY = {"torch", "transformers", "numpy", "optuna", "gemmi", "RNA", "matplotlib", "jinja2", "jaxtyping", "pydantic"}
# typer itself reads a verb's parameters with pydantic.
OF_VERBS = HEAVY - {"pydantic"}

ASK = """
import contextlib, io, json, sys
from monosome.cli import main
for verb in json.loads(sys.argv[1]):
    sys.argv = ["monosome", *verb.split(), "--help"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main()
print(*sys.modules)
"""


def imported(sources: Path, verbs: list[str]) -> set[str]:
    """What is imported once these verbs of the package in `sources` have printed their help."""
    command = [sys.executable, "-c", ASK, json.dumps(verbs)]
    environment = {**os.environ, "PYTHONPATH": str(sources)}
    return set(subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout.split())


def test_help_imports_nothing_heavy():
    assert imported(PACKAGE.parent, [""]) & HEAVY == set()
    assert imported(PACKAGE.parent, list(OPTIONS)) & OF_VERBS == set()


FIRST = ("__init__.py", "errors.py", *sorted(file.name for file in PACKAGE.glob("cli*.py")))


@pytest.mark.parametrize("file", FIRST)
def test_a_heavy_import_is_found(tmp_path: Path, file: str):
    for name in FIRST:
        plant(tmp_path / "monosome", {name: (PACKAGE / name).read_text()})
    plant(tmp_path / "monosome", {file: "import pydantic\n" + (PACKAGE / file).read_text()})
    assert imported(tmp_path, [""]) & HEAVY == {"pydantic"}


def test_every_name_of_the_python_interface_is_there():
    assert [name for name in monosome.__all__ if not hasattr(monosome, name)] == []
    assert not hasattr(monosome, "fould")
