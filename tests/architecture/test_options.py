"""The verbs and their options, frozen: other people's scripts type them, so a change here is a decision."""

from typing import Any

import pytest
import typer

from monosome.cli import app

SETTINGS = "settings..."
OPTIONS = {
    "annotate": ["structure", "--torsions", "--json"],
    "assess": [
        *(
            "model",
            "native",
            "--reference",
            "--ensemble",
            "--pairs",
            "--out -o",
            "--mode",
            "--atom",
            "--metrics",
            "--per-residue",
        ),
        *("--per-motif", "--superposed", "--report", "--jobs -j", "--json"),
    ],
    "bench": ["names...", "--data", "--history", "--json"],
    "checkpoint show": ["path", "--json"],
    "checkpoint verify": ["path", "--json"],
    "checkpoint convert": ["path", "out", "--precision", "--json"],
    "compare": ["runs...", "--split", "--out -o", "--json"],
    "demo": ["--out -o"],
    "distill": ["teacher", SETTINGS, "--size", "--data", "--family", "--method", "--out -o", "--json"],
    "doctor": ["--json"],
    "evaluate": [
        *("run", "proteins", "--split", "--set", "--importance", "--samples", "--speed"),
        *("--against", "--family", "--teacher", "--plddt", "--structures", "--out -o", "--json"),
    ],
    "export": ["checkpoint", "out", "--onnx", "--json"],
    "explain": ["section", "--domain", "--json"],
    "fold": [
        *(
            "targets",
            "--out -o",
            "--checkpoint",
            "--num-models",
            "--ss",
            "--msa",
            "--shape",
            "--embedding",
            "--template",
            "--template-before",
            "--template-identity",
            "--format",
            "--seed",
        ),
        "--json",
    ],
    "generate": [
        "checkpoint",
        "--num -n",
        "--out -o",
        "--residues",
        "--prefix",
        "--max-length",
        "--temperature",
        "--top-k",
        "--repetition-penalty",
        "--keep-best",
        "--faulty",
        "--batch",
        "--seed",
        "--json",
    ],
    "kaggle check": ["submission", "--sequences", "--sample", "--part", "--json"],
    "kaggle score": ["submission", "labels", "--part", "--json"],
    "kaggle submit": [
        *("sequences", "--out -o", "--hours", "--checkpoint", "--template", "--template-before", "--part", "--json"),
    ],
    "likelihood": ["checkpoint", "proteins", "--out -o", "--json"],
    "plan": [
        "recipe",
        SETTINGS,
        "--device",
        "--lengths",
        "--max-length",
        "--budget",
        "--measure",
        "--optimise",
        "--json",
    ],
    "prepare rna": ["source", "out", "--held-out", "--msa", "--ss", "--jobs -j", "--json"],
    "profile": ["recipe", SETTINGS, "--lengths", "--out -o", "--json"],
    "rank": ["models...", "--out -o", "--json"],
    "refine": ["models...", "--out -o", "--steps", "--jobs -j", "--json"],
    "report": ["run", "--out -o", "--serve", "--port", "--json"],
    "study": [
        *("teacher", SETTINGS, "--data", "--out -o", "--short", "--seeds", "--existing", "--jobs -j", "--json"),
    ],
    "sweep": ["sweep", SETTINGS, "--out -o", "--jobs -j", "--json"],
    "train": ["recipe", SETTINGS, "--out -o", "--json"],
}


def options(application: typer.Typer) -> dict[str, list[str]]:
    """Every verb with its arguments and options, as they are typed."""
    return dict(sorted(_verbs(typer.main.get_command(application), "")))


def _verbs(command: Any, path: str) -> list[tuple[str, list[str]]]:
    if hasattr(command, "commands"):
        return [verb for name, inner in command.commands.items() for verb in _verbs(inner, f"{path} {name}".strip())]
    return [(path, [_typed(parameter) for parameter in command.params])]


def _typed(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return parameter.name + ("..." if parameter.nargs == -1 else "")
    return " ".join([*parameter.opts, *parameter.secondary_opts])


def test_the_options_are_the_frozen_ones():
    assert options(app) == OPTIONS


@pytest.mark.parametrize("changed", ["another option", "a renamed verb"])
def test_a_change_is_noticed(changed: str):
    application = typer.Typer()

    @application.command("doctors" if changed == "a renamed verb" else "doctor")
    def doctor(json: bool = typer.Option(False, "--json"), deep: bool = typer.Option(False, "--deep")) -> None: ...

    @application.command()
    def demo() -> None: ...

    assert options(application) != {"demo": [], "doctor": ["--json"]}
    assert "--deep" in str(options(application))
