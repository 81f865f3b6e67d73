"""`monosome distill`: `monosome train protein/SIZE` with a teacher, under the name a protein engineer expects."""

import json as json_format
from collections.abc import Sequence
from pathlib import Path

from monosome.commands import train
from monosome.commands.train import Trained


def run(teacher: str, settings: Sequence[str], *, size: str, data: str | None, out: Path | None, json: bool) -> None:
    """Distill and say what came of it."""
    train.run(f"protein/{size}", assignments(teacher, settings, data), out=out, json=json)


def distill(
    teacher: str,
    data: str | None = None,
    *,
    size: str = "tiny",
    out: Path | None = None,
    settings: Sequence[str] = (),
) -> Trained:
    """A student of that size, distilled from a teacher (folder or Hub name) on a FASTA file or the package's own set.

    `settings` are "key=value" over the recipe protein/SIZE. The model is in the folder `model` of the run.
    """
    return train.train(f"protein/{size}", assignments(teacher, settings, data), out=out)


def assignments(teacher: str, settings: Sequence[str], data: str | None) -> list[str]:
    """Settings of the recipe; places on this machine become absolute, so that the run is found from anywhere."""
    places = {"loss.teacher": teacher, **({"data.path": data} if data else {})}
    return [*(f"{key}={json_format.dumps(absolute(place))}" for key, place in places.items()), *settings]


def absolute(place: str) -> str:
    """The whole path of what lies on this machine; anything else, such as a Hub name, as it is."""
    path = Path(place).expanduser()
    return str(path.resolve()) if path.exists() else place
