"""The command lines of the distillation plan (scripts/train.py, evaluate.py, generate.py), with its option names."""

import argparse
import json
import math
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monosome.atomic import replacing, write_text
from monosome.errors import DataError, MonosomeError

if TYPE_CHECKING:
    from monosome.task import Row

TEACHER = "nferruz/ProtGPT2"
NO_TEACHER = "none"


def train_parser() -> argparse.ArgumentParser:
    """Options of scripts/train.py."""
    parser = argparse.ArgumentParser(description="Distill a student of ProtGPT2.")
    parser.add_argument("--temperature", type=float, default=2.0, help="softens both distributions")
    parser.add_argument("--alpha", type=float, default=0.5, help="weight of the cross-entropy")
    parser.add_argument("--n_layer", type=int, default=4)
    parser.add_argument("--n_head", type=int, default=4)
    parser.add_argument("--n_embd", type=int, default=512)
    parser.add_argument("--train_size_prop", type=float, default=0.1, help="share of the training proteins")
    parser.add_argument("--learning_rate", type=float, default=1e-3)
    parser.add_argument("--batch_size", type=int, default=32, help="blocks per step")
    parser.add_argument("--epochs", type=float, default=3.0, help="passes over the training blocks")
    parser.add_argument("--steps", type=int, default=None, help="optimiser steps, instead of epochs")
    parser.add_argument("--output_dir", type=Path, default=Path("models"), help="folder that the model's folder is in")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting of the recipe")
    _add_places(parser)
    return parser


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--teacher", default=TEACHER, help=f"folder or Hub name; {NO_TEACHER!r} goes without one")
    parser.add_argument("--tokenizer", default="", help="folder or Hub name; left out: the teacher's or the student's")
    parser.add_argument("--data", default="", help="file, folder or Hub name of proteins; left out: 88 of the package")
    parser.add_argument("--seed", type=int, default=0)


def train(options: argparse.Namespace) -> None:
    """Train, and leave the model in OUTPUT_DIR/NAME with its run in the subfolder `run`."""
    from monosome.commands.domain import task_for
    from monosome.commands.output import print_measures
    from monosome.commands.train import train as train_recipe
    from monosome.config import override, read_recipe
    from monosome.protein.export import CARD, HYPERPARAMETERS, card

    _say_where_data_is(options.data)
    settings = _settings(options)
    if options.steps is None:
        blocks = len(task_for(override(read_recipe("protein/tiny"), settings)).examples("train"))
        settings.append(f"train.steps={max(1, math.ceil(options.epochs * blocks / options.batch_size))}")
    folder = options.output_dir / model_name(options)
    trained = train_recipe("protein/tiny", [*settings, *options.set], out=folder / "run")
    if trained.outcome.interrupted:
        sys.exit(130)
    for file in sorted((folder / "run" / "model").iterdir()):
        with replacing(folder / file.name) as temporary:
            shutil.copyfile(file, temporary)
    parameters = json.loads((folder / HYPERPARAMETERS).read_text())["parameters"]
    figures = {measure.metric.title: measure.interval.value for measure in trained.measures}
    write_text(folder / CARD, card(parameters, trained.task.config, figures))
    print_measures(trained.measures, title=f"{folder}, held-out proteins")


def model_name(options: argparse.Namespace) -> str:
    """The plan's name of a model."""
    return (
        f"protgpt2-distilled-t{options.temperature}-a{options.alpha}-l{options.n_layer}-h{options.n_head}"
        f"-e{options.n_embd}-p{options.train_size_prop}-lr{options.learning_rate:.0e}.uniprot"
    )


def _settings(options: argparse.Namespace) -> list[str]:
    values = {
        "seed": options.seed,
        "data.path": _absolute(options.data),
        "data.tokenizer": _absolute(options.tokenizer),
        "data.proportion": options.train_size_prop,
        "model.num_layers": options.n_layer,
        "model.num_heads": options.n_head,
        "model.width": options.n_embd,
        "loss.teacher": _teacher(options.teacher),
        "loss.temperature": options.temperature,
        "loss.alpha": options.alpha,
        "optim.learning_rate": options.learning_rate,
        "train.batch_size": options.batch_size,
    }
    steps = {} if options.steps is None else {"train.steps": options.steps}
    return [f"{key}={json.dumps(value)}" for key, value in {**values, **steps}.items()]


def _teacher(place: str) -> str:
    return "" if place == NO_TEACHER else _absolute(place)


def _absolute(place: str) -> str:
    return str(Path(place).expanduser().resolve()) if place and Path(place).expanduser().exists() else place


def _say_where_data_is(place: str) -> None:
    if not place:
        print("note: no --data: the package's own 88 natural proteins are used", file=sys.stderr)


def evaluate_parser() -> argparse.ArgumentParser:
    """Options of scripts/evaluate.py."""
    parser = argparse.ArgumentParser(description="Measure a student on held-out proteins and on what it generates.")
    parser.add_argument("--student_model", required=True, help="folder or Hub name")
    parser.add_argument("--num_samples", type=int, default=200, help="proteins that the student generates")
    parser.add_argument("--max_valid", type=int, default=1000, help="held-out proteins that are scored at most")
    parser.add_argument("--max_length", type=int, default=256, help="longest generated protein in tokens")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    _add_places(parser)
    return parser


def evaluate(options: argparse.Namespace) -> None:
    """Write the plan's figures with intervals and floors to OUTPUT, and print them."""
    from monosome.commands.output import print_measures
    from monosome.evaluate.rows import as_json, measures
    from monosome.protein.composition import composition_kl
    from monosome.protein.export import num_parameters
    from monosome.protein.generate import load_generator, sample_summary
    from monosome.protein.metrics import METRICS
    from monosome.protein.sampling import SamplingSettings, sample

    if options.output.is_dir():
        raise DataError(f"{options.output} is a folder", "give the name of a JSON file")
    student, tokenizer = load_generator(options.student_model)
    task = _evaluation_task(options, student)
    teacher = task.frozen()
    if teacher is not None:
        teacher.to(next(student.parameters()).device)
    rows = task.evaluate(student, task.examples("valid"))
    samples = sample(student, tokenizer, options.num_samples, SamplingSettings(options.max_length, seed=options.seed))
    residues = task.examples("train").residues
    found = measures(rows, METRICS)
    report = {
        "student_model": options.student_model,
        "teacher": options.teacher,
        "parameters": num_parameters(student),
        "metrics": as_json(found),
        "generated": sample_summary(samples)
        | {"composition_kl_to_data": composition_kl((one.sequence for one in samples), _shares(residues))},
        **_verdict(num_parameters(student), teacher, rows),
    }
    write_text(options.output, json.dumps(report, indent=2) + "\n")
    print_measures(found, title=f"{options.student_model}, {len(rows)} held-out proteins")
    print(f"\nwritten: {options.output}")


def _shares(residues: Any) -> dict[str, float]:
    from monosome.protein.tokens import AMINO_ACIDS

    return {letter: residues.get(letter, 0) + 1.0 for letter in AMINO_ACIDS}


def _verdict(parameters: int, teacher: Any, rows: Sequence["Row"]) -> dict[str, Any]:
    """Compression, and the threshold of the nearest size; None where there is no teacher, or none to compare with."""
    from monosome.protein.decisions import MAX_RATIO, size_of
    from monosome.protein.export import num_parameters
    from monosome.protein.metrics import summary, warnings

    found = warnings(rows)
    ratio = summary(rows).get("perplexity_ratio")
    threshold = MAX_RATIO[size_of(parameters)]
    return {
        "compression_ratio": num_parameters(teacher) / parameters if teacher is not None else None,
        "ratio_threshold": threshold,
        "meets_threshold": None if ratio is None or found else ratio < threshold,
        "warnings": found,
    }


def _evaluation_task(options: argparse.Namespace, student: Any) -> Any:
    from monosome.commands.domain import task_for
    from monosome.protein.pretrained import locate

    recorded = _recorded_data(options.student_model)
    data = _absolute(options.data) or recorded
    _say_where_data_is(data)
    positions = int(student.config.max_position_embeddings)
    return task_for(
        {
            "domain": "protein",
            "data": {
                "path": data,
                "tokenizer": _absolute(options.tokenizer) or locate(options.student_model),
                "max_valid": options.max_valid,
                "block_length": min(512, positions),
            },
            "model": {"positions": positions},
            "loss": {"teacher": _teacher(options.teacher)},
        }
    )


def _recorded_data(student_model: str) -> str:
    """Where the data of a local student's training lies, as its hyperparameters say; empty where they do not."""
    from monosome.protein.export import HYPERPARAMETERS

    file = Path(student_model) / HYPERPARAMETERS
    if not file.is_file():
        return ""
    path = str(json.loads(file.read_text())["recipe"]["data"]["path"])
    return path if Path(path).exists() else ""


def generate_parser() -> argparse.ArgumentParser:
    """Options of scripts/generate.py."""
    parser = argparse.ArgumentParser(description="Sample proteins to FASTA.")
    parser.add_argument("--model", required=True, help="folder or Hub name")
    parser.add_argument("--num_sequences", type=int, default=10)
    parser.add_argument("--max_length", type=int, default=256, help="longest protein in tokens, format included")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--top_k", type=int, default=950)
    parser.add_argument("--repetition_penalty", type=float, default=1.2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=None, help="FASTA file; stdout when left out")
    return parser


def generate(options: argparse.Namespace) -> None:
    """Write FASTA to OUTPUT, else to stdout."""
    from monosome.commands.generate import run

    run(
        options.model,
        num=options.num_sequences,
        out=options.output,
        max_length=options.max_length,
        temperature=options.temperature,
        top_k=options.top_k,
        repetition_penalty=options.repetition_penalty,
        seed=options.seed,
        json=False,
    )


VERBS: dict[str, tuple[Callable[[], argparse.ArgumentParser], Callable[[argparse.Namespace], None]]] = {
    "train": (train_parser, train),
    "evaluate": (evaluate_parser, evaluate),
    "generate": (generate_parser, generate),
}


def run(verb: str, arguments: Sequence[str] | None = None) -> None:
    """Run one of the plan's scripts; a known failure is two lines on stderr and exit code 2."""
    parser, work = VERBS[verb]
    try:
        work(parser().parse_args(arguments))
    except (MonosomeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
