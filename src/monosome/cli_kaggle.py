"""The verbs of `monosome kaggle`; as in cli.py, what takes seconds to import is imported by the verb that needs it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from monosome.cli_options import Checkpoint, Json, Library

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make, check and score submissions to Kaggle.")

Part = Annotated[
    Literal["auto", "1", "2"], typer.Option(help="Part of the competition; auto is what the table's columns say.")
]
Submission = Annotated[Path, typer.Argument(help="The submission, a CSV file.")]
Sequences = Annotated[Path, typer.Argument(help="Kaggle's test_sequences.csv.")]


@app.command()
def submit(
    sequences: Sequences,
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV file to write.")] = Path("submission.csv"),
    hours: Annotated[float, typer.Option(min=0.001, help="The run ends before they are over.")] = 8.0,
    checkpoint: Checkpoint = None,
    template: Library = None,
    before: Annotated[
        str,
        typer.Option("--template-before", metavar="DAY", help="Templates dated before it: YYYY-MM-DD, cutoff or any."),
    ] = "cutoff",
    part: Part = "auto",
    json: Json = False,
) -> None:
    """Fold every target in the hours there are; the same command goes on where it was stopped."""
    from monosome.commands import kaggle as command

    command.submit(
        sequences,
        out,
        hours=hours,
        checkpoint=checkpoint,
        template=template,
        before=before,
        part=part,
        json=json,
    )


@app.command()
def check(
    submission: Submission,
    sequences: Annotated[Path, typer.Option(help="The table of sequences that it is for.")],
    sample: Annotated[Path | None, typer.Option(help="Kaggle's sample_submission.csv, to be of the same rows.")] = None,
    part: Part = "auto",
    json: Json = False,
) -> None:
    """Refuse a submission that Kaggle would refuse, or score 0, with the line and what is wrong there."""
    from monosome.commands import kaggle as command

    command.check(submission, sequences=sequences, sample=sample, part=part, json=json)


@app.command()
def score(
    submission: Submission,
    labels: Annotated[Path, typer.Argument(help="Labels such as validation_labels.csv, of up to 40 references.")],
    part: Part = "auto",
    json: Json = False,
) -> None:
    """Score a submission as Kaggle does: mean TM-score of the best of five, best over references."""
    from monosome.commands import kaggle as command

    command.score(submission, labels, part=part, json=json)
