"""The two domains never meet: each works when the other's folder is not there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .source import PACKAGE

# Modules of commands/ that are about one domain and go with it; the demo shows both.
DEMO = {"demo", "demo_report"}
VERBS = {
    "rna": {"fold", "assess", "annotate", "rank", "refine", "kaggle"} | DEMO,
    "protein": {"adapt", "distill", "evaluate_protein", "export", "generate", "likelihood", "seed_plan", "study"}
    | DEMO,
}

ALONE = """
import importlib, pkgutil, sys
import monosome
domain, *gone = sys.argv[1:]
for module in pkgutil.walk_packages(monosome.__path__, "monosome."):
    if module.name not in {"monosome.__main__", *(f"monosome.commands.{verb}" for verb in gone)}:
        importlib.import_module(module.name)

from monosome.commands.domain import task_for
from monosome.config import read_recipe
task = task_for(read_recipe(f"{domain}/micro"))
batch = task.collate([task.dummy(20), task.dummy(30)])
loss = task.loss(task.forward(task.model(), batch), batch)
print(loss.weighted(task.config.loss.weights()).item())
"""


def run_alone(package: Path, domain: str, other: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Import what is left of a copy without the other domain; take the micro model of the one that stays to a loss."""
    copy = folder / "monosome"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(copy / other)
    command = [sys.executable, "-W", "error", "-c", ALONE, domain, *VERBS[other]]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize(("domain", "other"), [("rna", "protein"), ("protein", "rna")])
def test_a_domain_works_alone(tmp_path: Path, domain: str, other: str):
    done = run_alone(PACKAGE, domain, other, tmp_path)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0


def test_a_bridge_between_the_domains_is_found(tmp_path: Path):
    broken = tmp_path / "broken"
    shutil.copytree(PACKAGE, broken, ignore=shutil.ignore_patterns("__pycache__"))
    errors = broken / "errors.py"
    errors.write_text(errors.read_text() + "\nimport monosome.protein\n")
    done = run_alone(broken, "rna", "protein", tmp_path / "copy")
    assert "No module named 'monosome.protein'" in done.stderr
