"""`monosome compare` and `monosome report`; as in cli.py, what takes seconds to import is imported by the verb."""

from pathlib import Path
from typing import Annotated

import typer

from monosome.cli_options import Json, Out


def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN...", help="Runs that were evaluated, or their reports.")
    ],
    split: Annotated[str, typer.Option(help="What they were evaluated on.")] = "valid",
    out: Out = None,
    json: Json = False,
) -> None:
    """Compare evaluations on the same examples: paired differences with intervals, and a verdict in words."""
    from monosome.commands import compare as command

    command.run(runs, split=split, out=out, json=json)


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a training run.")],
    out: Out = None,
    serve: Annotated[bool, typer.Option("--serve", help="Show it in a browser while the run goes on.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of this machine; 0 takes any that is free.")] = 0,
    json: Json = False,
) -> None:
    """Write the page of a training run: losses, weights, speed, memory; or serve it on this machine alone."""
    from monosome.commands import report as command

    command.run(run, out=out, serve=serve, port=port, json=json)
