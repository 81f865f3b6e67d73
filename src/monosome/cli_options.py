"""Arguments and options that verbs share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Settings = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Settings over the recipe; see `monosome explain`."),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write to.")]
Lengths = Annotated[str, typer.Option(help="First, last and step of the lengths; or one length.")]
Seed = Annotated[int, typer.Option(help="Seed of every random draw.")]
Checkpoint = Annotated[Path | None, typer.Option("--checkpoint", help="A run or checkpoint of BetaRho.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=0, help="Processes; 0 uses every core.")]

Secondary = Annotated[
    Path | None, typer.Option("--ss", help="Secondary structure: dot-bracket, bpseq, ct, pair probabilities.")
]
Alignment = Annotated[Path | None, typer.Option("--msa", help="Alignment: FASTA, a2m, a3m, Stockholm.")]
Probing = Annotated[Path | None, typer.Option("--shape", help="SHAPE or DMS reactivities: RDAT, CSV.")]
Embedding = Annotated[
    Path | None, typer.Option("--embedding", help="Embedding of an RNA language model: NPZ or NPY, one row a residue.")
]
Library = Annotated[
    Path | None,
    typer.Option("--template", help="Known structures: a file, a folder, or what `monosome prepare rna` made of one."),
]
Before = Annotated[
    str, typer.Option("--template-before", metavar="DAY", help="Only those dated before YYYY-MM-DD; any takes all.")
]
MostAlike = Annotated[
    float, typer.Option("--template-identity", min=0, max=1, help="Only those with no larger share of equal letters.")
]
