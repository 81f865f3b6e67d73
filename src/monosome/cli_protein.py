"""`monosome distill` and `monosome study`; as in cli.py, what takes seconds to import is imported by the verb."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from monosome.cli_options import Jobs, Json, Out, Settings

Teacher = Annotated[str, typer.Argument(help="Folder or Hub name of the teacher, such as nferruz/ProtGPT2.")]
Data = Annotated[str | None, typer.Option(help="Proteins: a file, a folder of train and valid, a Hub name.")]


def distill(
    teacher: Teacher,
    settings: Settings = None,
    size: Annotated[Literal["micro", "tiny", "small", "medium"], typer.Option(help="Size of the student.")] = "tiny",
    data: Data = None,
    family: Annotated[
        Path | None, typer.Option(help="Members of a family: TEACHER itself is adapted to it; --data is replayed.")
    ] = None,
    method: Annotated[
        Literal["full", "lora"], typer.Option(help="With --family: all weights, or low-rank products beside them.")
    ] = "full",
    out: Out = None,
    json: Json = False,
) -> None:
    """Distill a protein language model into a student, or adapt one to a family."""
    if family:
        from monosome.commands import adapt

        adapt.run(teacher, family, data=data, method=method, out=out, json=json)
        return
    from monosome.commands import distill as command

    command.run(teacher, settings or [], size=size, data=data, out=out, json=json)


def study(
    teacher: Teacher,
    settings: Settings = None,
    data: Data = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path("study"),
    short: Annotated[
        bool, typer.Option("--short", help="Choose temperature and alpha with 2 epochs of 5 % of the data.")
    ] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of the winner and of its control.")] = 3,
    existing: Annotated[
        str, typer.Option(help="Models to do better than, such as littleworth/protgpt2-distilled-{size}.")
    ] = "",
    jobs: Jobs = 1,
    json: Json = False,
) -> None:
    """Choose temperature and alpha, train every size of student, decide: release, train with more data, or keep."""
    from monosome.commands import study as command

    command.run(
        teacher,
        settings or [],
        data=data,
        out=out,
        short=short,
        seeds=seeds,
        existing=existing,
        jobs=jobs,
        json=json,
    )
