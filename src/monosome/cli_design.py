"""`monosome generate`, `likelihood`, `evaluate protein`; as in cli.py, imports wait for the verb."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from monosome.cli_options import Json, Seed

Model = Annotated[str, typer.Argument(metavar="CHECKPOINT", help="Folder or Hub name of a protein language model.")]
Natural = Annotated[Path | None, typer.Option("--against", help="Natural proteins that designs are compared with.")]
Family = Annotated[
    Path | None,
    typer.Option("--family", help="The family that designs are to be of: members as FASTA, or a .hmm file."),
]
Judge = Annotated[str, typer.Option("--teacher", help="Model whose perplexity of designs is told: folder or Hub name.")]
Fold = Annotated[bool, typer.Option("--plddt", help="Fold designs and natural proteins with ESMFold; wants a card.")]
Structures = Annotated[
    Path | None, typer.Option("--structures", help="Folder of predicted structures named by design: their pLDDT.")
]
HOW_TO_EVALUATE = "monosome evaluate protein DESIGNS.fasta --against NATURAL.fasta"


def generate(
    checkpoint: Model,
    num: Annotated[int, typer.Option("--num", "-n", min=1, help="Sequences to sample.")] = 10,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="FASTA file to write, .csv and .json beside it; stdout when left out."),
    ] = None,
    residues: Annotated[
        str, typer.Option(metavar="MIN:MAX", help="Fewest and most residues; what passes the most is faulty.")
    ] = "",
    prefix: Annotated[str, typer.Option(help="Residues that every sequence begins with.")] = "",
    max_length: Annotated[
        int, typer.Option(min=2, help="Longest sequence in tokens, format included, where --residues is not given.")
    ] = 256,
    temperature: Annotated[float, typer.Option(min=0.01, help="Sampling temperature.")] = 1.0,
    top_k: Annotated[int, typer.Option(min=0, help="Sample from the k likeliest tokens; 0 takes all.")] = 950,
    repetition_penalty: Annotated[float, typer.Option(min=1.0, help="1 is none; ProtGPT2's card uses 1.2.")] = 1.2,
    keep_best: Annotated[
        str, typer.Option(metavar="SHARE", help="Share of the whole ones of lowest perplexity, such as 5%; best first.")
    ] = "100%",
    faulty: Annotated[
        Literal["flag", "drop", "redraw"],
        typer.Option(help="Truncated, invalid, out of range: flag in the header, drop, or draw others instead."),
    ] = "flag",
    batch: Annotated[int, typer.Option(min=1, help="Sequences drawn at once; they do not depend on it.")] = 64,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Sample protein sequences to FASTA, each with its perplexity; the same command goes on where it was stopped."""
    from monosome.commands import generate as command

    command.run(
        checkpoint,
        num=num,
        out=out,
        residues=residues,
        prefix=prefix,
        max_length=max_length,
        temperature=temperature,
        top_k=top_k,
        repetition_penalty=repetition_penalty,
        keep_best=keep_best,
        faulty=faulty,
        batch=batch,
        seed=seed,
        json=json,
    )


def likelihood(
    checkpoint: Model,
    proteins: Annotated[
        Path, typer.Argument(help="FASTA or CSV; with ProteinGym's columns variants are compared with the wild type.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="CSV file to write.")] = None,
    json: Json = False,
) -> None:
    """Log-likelihood and perplexity of proteins and their variants, and rank correlation with measured fitness."""
    from monosome.commands import likelihood as command

    command.run(checkpoint, proteins, out=out, json=json)


def evaluate(
    proteins: Path,
    against: Path,
    family: Path | None,
    teacher: str,
    *,
    plddt: bool,
    structures: Path | None,
    out: Path | None,
    json: bool,
) -> None:
    """What `monosome evaluate protein` does."""
    from monosome.commands import evaluate_protein as command

    request = command.Request(against, family, teacher, plddt, structures)
    command.run(proteins, request, out=out, json=json)


def export(
    checkpoint: Model,
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    onnx: Annotated[bool, typer.Option("--onnx", help="model.onnx too, its logits checked against PyTorch's.")] = False,
    json: Json = False,
) -> None:
    """Write a protein language model as transformers and vLLM load it, or as ONNX."""
    from monosome.commands import export as command

    command.run(checkpoint, out, onnx=onnx, json=json)
