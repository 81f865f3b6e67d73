"""`monosome distill --family`: a protein language model, a teacher or a student, adapted to a family."""

import json as json_format
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from monosome import __version__
from monosome.atomic import replacing
from monosome.commands.output import print_json, print_table
from monosome.errors import DataError
from monosome.evaluate.rows import interval_text
from monosome.protein.adaptation import AdaptationSettings, Adapted, Method, adapt
from monosome.protein.formats import Reading, read_file
from monosome.protein.generate import load_generator
from monosome.protein.natural import NATURAL
from monosome.protein.pretrained import content_hash, quiet
from monosome.protein.tokens import AMINO_ACIDS

REPORT = "adaptation.json"
MAX_GENERAL = 2000
"""General proteins that are read for replay."""


def run(place: str, family: Path, *, data: str | None, method: Method, out: Path | None, json: bool) -> None:
    """Adapt the model at `place`, write it to `out`, and say what came of it.

    Raises DataError when `out` is there already.
    """
    folder = out or Path("runs") / f"{family.name.partition('.')[0]}-adapted"
    if folder.exists():
        raise DataError(f"{folder} is there already", "give another name with -o, or move it away")
    found, facts = adapted(place, family, Path(data) if data else NATURAL, method, folder)
    if json:
        print_json({"out": str(folder), **facts})
    else:
        rows = [
            [
                "held-out members",
                interval_text(found.before),
                interval_text(found.after),
                str(len(found.members.valid)),
            ],
            [
                "general proteins",
                interval_text(found.general_before),
                interval_text(found.general_after),
                str(found.general_after.num_examples),
            ],
        ]
        print_table(["perplexity per token of", "before", "after", "n"], rows, title=f"{place} adapted to {family}")
        print(
            f"\n{len(found.members.train)} members learned from, rate {found.learning_rate:g}, "
            f"{len(found.losses)} epochs; {found.memorised:.0%} of {found.num_samples} samples repeat one\n\n"
            f"model: {folder}\nnext: monosome generate {folder} -n 100"
        )
    for warning in found.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def adapted(place: str, family: Path, general: Path, method: Method, folder: Path) -> tuple[Adapted, dict[str, Any]]:
    """What came of it, and the same for other programs; the model lies in the folder as transformers loads it."""
    model, tokenizer = load_generator(place)
    start = content_hash(model)
    settings = AdaptationSettings(method=method)
    members = list(read_file(family, Reading()))
    others = [record.sequence.upper() for record in read_file(general, Reading())][:MAX_GENERAL]
    others = [each for each in others if not each.strip(AMINO_ACIDS)]
    found = adapt(model, tokenizer, members, others, settings)
    facts = {
        "monosome": __version__,
        "model": place,
        "model_hash": start,
        "family": str(family),
        "settings": {**asdict(settings), "learning_rates": list(settings.rates)},
        **{key: value for key, value in asdict(found).items() if key != "members"},
        "searched": {f"{rate:g}": loss for rate, loss in found.searched.items()},
        "num_train": len(found.members.train),
        "num_valid": len(found.members.valid),
        "split_identity": found.members.identity,
        "left_out": dict(found.members.left_out),
        "warnings": list(found.warnings),
    }
    with replacing(folder) as temporary:
        temporary.mkdir()
        with quiet():
            model.to("cpu").save_pretrained(temporary)  # type: ignore[operator]
        tokenizer.save(temporary)
        (temporary / REPORT).write_text(json_format.dumps(facts, indent=1) + "\n")
    return found, facts
