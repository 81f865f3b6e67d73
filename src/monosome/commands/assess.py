"""`monosome assess`: how close a model is to the native structure."""

from dataclasses import asdict
from pathlib import Path
from typing import Literal

from monosome.commands.output import print_json, print_table
from monosome.config import nearest
from monosome.errors import ConfigError
from monosome.rna.metrics import Assessment, assess

METRICS = {"tm_score": "TM-score", "rmsd": "RMSD, all heavy atoms (Å)", "rmsd_atom": "RMSD, {atom} (Å)"}
"""What can be asked for, and what a table calls it."""


def run(model: Path, native: Path, *, mode: Literal["residue"], atom: str, metrics: str, json: bool) -> None:
    """Print the scores as a table or as one JSON object."""
    chosen = _chosen(metrics)
    assessment = assess(model, native, atom)
    values = {name: value for name, value in asdict(assessment).items() if name in chosen}
    if json:
        print_json({"length": assessment.length, "mode": mode, "atom": atom, **values})
        return
    cells = [[METRICS[name].format(atom=atom), _text(value)] for name, value in values.items()]
    print_table([_title(assessment), ""], cells)


def _chosen(metrics: str) -> list[str]:
    names = [name.strip() for name in metrics.split(",") if name.strip()]
    for name in names:
        if name not in METRICS:
            raise ConfigError(f"there is no metric {name!r}", nearest(name, list(METRICS)))
    return names or list(METRICS)


def _text(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _title(assessment: Assessment) -> str:
    differing = f", {assessment.num_differing} of another base" if assessment.num_differing else ""
    return f"{assessment.num_common} of {assessment.length} residues, paired by number{differing}"
