"""The command line. A verb imports its work only when it is called: `--help` never imports torch."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from monosome import cli_design, cli_kaggle, cli_options, cli_protein, cli_reports
from monosome.cli_options import Checkpoint, Jobs, Json, Lengths, Out, Seed, Settings
from monosome.errors import ConfigError, MonosomeError

app = typer.Typer(
    name="monosome",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="RNA structures and protein language models that fit the machine you own.",
)
prepare = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Turn raw files into training data.")
checkpoint = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look into checkpoints; prove them whole.")
app.add_typer(prepare, name="prepare")
app.add_typer(checkpoint, name="checkpoint")
app.add_typer(cli_kaggle.app, name="kaggle")


@app.command()
def doctor(json: Json = False) -> None:
    """Say what this machine is, which preset applies, and what is missing."""
    from monosome.commands import doctor as command

    command.run(json=json)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")] = Path("monosome-demo"),
) -> None:
    """Fold RNAs, train BetaRho, distill a protein model: all in four minutes, with a report."""
    from monosome.commands import demo as command

    command.run(out)


@app.command()
def explain(
    section: Annotated[str, typer.Argument(help="A section or key, such as optim.learning_rate; empty for all.")] = "",
    domain: Annotated[Literal["rna", "protein"] | None, typer.Option(help="Whose settings; both if left out.")] = None,
    json: Json = False,
) -> None:
    """Explain every setting of a recipe: its type, its default, its meaning."""
    from monosome.commands import explain as command

    command.run(section, domain=domain, json=json)


@prepare.command("rna")
def prepare_rna(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder of PDB/mmCIF files or of Kaggle CSVs, a FASTA file, or a list of PDB ids to download."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Folder to write one NPZ per chain and manifest.csv to.")],
    held_out: Annotated[
        Path | None,
        typer.Option(
            "--held-out",
            help="FASTA file or folder of structures: their relatives are left out, and listed in leakage.csv.",
        ),
    ] = None,
    msa: Annotated[
        Path | None, typer.Option("--msa", help="Folder of alignments named by chain: feature files are written too.")
    ] = None,
    ss: Annotated[
        Path | None, typer.Option("--ss", help="File of secondary structures, one for each sequence: the same.")
    ] = None,
    jobs: Jobs = 0,
    json: Json = False,
) -> None:
    """Read RNA chains into one NPZ each and a manifest, with their features; say what was skipped and why."""
    from monosome.commands import prepare as command

    request = command.make_request(source, out, num_workers=jobs, held_out=held_out, msa=msa, secondary=ss)
    command.run_rna(request, json=json)


@app.command()
def plan(
    recipe: Annotated[str, typer.Argument(help="A recipe of the package, such as rna/small, or a .toml file.")],
    settings: Settings = None,
    device: Annotated[
        str, typer.Option(help="A card by its preset's name, such as rtx-4070-ti-super; auto is this machine.")
    ] = "auto",
    lengths: Lengths = "50:500:50",
    max_length: Annotated[
        bool, typer.Option("--max-length", help="The longest example that the card trains on and predicts, too.")
    ] = False,
    budget: Annotated[float | None, typer.Option(min=0.01, help="US dollars: what they buy on each instance.")] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Try on this machine how many fit at once; training takes it from there.")
    ] = False,
    optimise: Annotated[
        bool, typer.Option("--optimise", help="The execution settings with the fewest savers that fit.")
    ] = False,
    json: Json = False,
) -> None:
    """Say what of a recipe fits on a card that need not be here, how much work it is and what that costs."""
    from monosome.commands import plan as command

    command.run(
        recipe,
        settings or [],
        device=device,
        lengths=lengths,
        max_length=max_length,
        budget=budget,
        measure=measure,
        optimise=optimise,
        json=json,
    )


@app.command()
def profile(
    recipe: Annotated[str, typer.Argument(help="A recipe of the package, such as rna/small, or a .toml file.")],
    settings: Settings = None,
    lengths: Lengths = "50:500:50",
    out: Out = None,
    json: Json = False,
) -> None:
    """Measure a training step here: time and memory by length, phase and module, and what takes longest."""
    from monosome.commands import profile as command

    command.run(recipe, settings or [], lengths=lengths, out=out, json=json)


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Benchmarks to run; all.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of data; benchmarks that need it are skipped else.")] = None,
    history: Annotated[Path | None, typer.Option(help="Folder of runs; benchmarks/history when left out.")] = None,
    json: Json = False,
) -> None:
    """Run the benchmarks of a checkout beside their frozen baselines; a page shows every figure over time."""
    from monosome.commands import bench as command

    command.run(names or [], data=data, history=history, json=json)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe of the package, such as rna/micro, or a .toml file.")],
    settings: Settings = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Train a recipe; the same command goes on where it was stopped."""
    from monosome.commands import train as command

    command.run(recipe, settings or [], out=out, json=json)


@app.command()
def sweep(
    sweep: Annotated[str, typer.Argument(help="A sweep of the package, such as sweeps/temperature, or a .toml file.")],
    settings: Settings = None,
    out: Out = None,
    jobs: Jobs = 1,
    json: Json = False,
) -> None:
    """Try every point of a grid over a recipe, name the winner; goes on where it was stopped."""
    from monosome.commands import sweep as command

    command.run(sweep, settings or [], out=out, jobs=jobs, json=json)


@app.command()
def evaluate(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN|protein", help="Folder of a training run, or a checkpoint; or the word protein."),
    ],
    proteins: Annotated[
        Path | None, typer.Argument(help="After the word protein: designed proteins, to be compared with natural ones.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split of the data to score.")] = "valid",
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value over the run's own settings.")] = None,
    importance: Annotated[
        bool, typer.Option("--importance", help="What is lost when each input is shuffled or left out, too.")
    ] = False,
    samples: Annotated[
        int, typer.Option(min=0, help="Proteins to sample of student and teacher: their composition; 1000 or more.")
    ] = 0,
    speed: Annotated[
        bool, typer.Option("--speed", help="Time and memory of student and teacher at equal batch, too.")
    ] = False,
    against: cli_design.Natural = None,
    family: cli_design.Family = None,
    teacher: cli_design.Judge = "",
    plddt: cli_design.Fold = False,
    structures: cli_design.Structures = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Score a run on held-out data, or designed proteins beside natural ones, with intervals."""
    if proteins:
        if str(run) != "protein" or not against:
            raise ConfigError("designs are compared with natural proteins", cli_design.HOW_TO_EVALUATE)
        cli_design.evaluate(proteins, against, family, teacher, plddt=plddt, structures=structures, out=out, json=json)
        return
    from monosome.commands import evaluate as command

    wishes = command.Wishes(importance, samples, speed)
    command.run(run, split=split, settings=settings or [], wishes=wishes, out=out, json=json)


@checkpoint.command("show")
def checkpoint_show(path: Path, json: Json = False) -> None:
    """Print a checkpoint's manifest: what was learned, how far, and with what."""
    from monosome.commands import checkpoint as command

    command.show(path, json=json)


@checkpoint.command("verify")
def checkpoint_verify(path: Path, json: Json = False) -> None:
    """Compare every file of a checkpoint with its checksum; a damaged file is named."""
    from monosome.commands import checkpoint as command

    command.verify(path, json=json)


@checkpoint.command("convert")
def checkpoint_convert(
    path: Path,
    out: Path,
    precision: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option(help="Bits of each weight: 32, or 16 of either kind.")
    ] = "float32",
    json: Json = False,
) -> None:
    """Write the weights of a checkpoint alone, to be shipped or folded with; nothing of this machine goes with them."""
    from monosome.commands import checkpoint as command

    command.convert(path, out, precision, json=json)


@app.command()
def fold(
    targets: Annotated[str, typer.Argument(metavar="SEQUENCE|FASTA", help="A FASTA file, or the sequence itself.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    checkpoint: Checkpoint = None,
    num_models: Annotated[int, typer.Option(min=1, max=100, help="Structures per target.")] = 5,
    ss: cli_options.Secondary = None,
    msa: cli_options.Alignment = None,
    shape: cli_options.Probing = None,
    embedding: cli_options.Embedding = None,
    template: cli_options.Library = None,
    template_before: cli_options.Before = "any",
    template_identity: cli_options.MostAlike = 1.0,
    format: Annotated[Literal["cif", "pdb"], typer.Option(help="File format of the structures.")] = "cif",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Predict RNA structures: DIR/<id>/model_1.cif, best first, with confidence.json and report.html."""
    from monosome.commands import fold as command
    from monosome.rna.evidence import Given

    files = Given(ss, msa, shape, embedding)
    given = command.with_templates(files, template, before=template_before, identity=template_identity)
    command.run(
        targets, out, checkpoint=checkpoint, num_models=num_models, format=format, seed=seed, given=given, json=json
    )


@app.command()
def assess(
    model: Annotated[
        Path | None, typer.Argument(help="Predicted structure (PDB, mmCIF, .gz), or a folder of them.")
    ] = None,
    native: Annotated[Path | None, typer.Argument(help="Experimental structure.")] = None,
    reference: Annotated[
        list[Path] | None, typer.Option(help="A further experimental structure; the closest counts. Repeat it.")
    ] = None,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="Every model of the native's file (NMR) is a reference.")
    ] = False,
    pairs: Annotated[Path | None, typer.Option(help="CSV with columns model,native: assess all, in parallel.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="CSV file to write the scores of many to.")] = None,
    mode: Annotated[
        Literal["residue", "sequence"] | None,
        typer.Option(
            help="residue: pair by number, refuse other numbering; sequence: pair by structure alone. "
            "Left out: by number, or by aligned sequences where numbers differ."
        ),
    ] = None,
    atom: Annotated[str, typer.Option(help="Atom that TM-score and GDT_TS are computed on.")] = "C1'",
    metrics: Annotated[str, typer.Option(help="Comma-separated metrics to compute; empty for all.")] = "",
    per_residue: Annotated[bool, typer.Option("--per-residue", help="Scores of every residue too.")] = False,
    per_motif: Annotated[bool, typer.Option("--per-motif", help="Scores of every motif of the native too.")] = False,
    superposed: Annotated[
        Path | None, typer.Option(help="Structure file to write the model to, moved as TM-score has it.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder to write a report on many to, the worst to look at.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=0, help="Processes for many; 0 uses every core.")] = 0,
    json: Json = False,
) -> None:
    """Compare models with the native structure: TM-score, RMSD, lDDT, GDT, INF, clashes, torsions, eRMSD."""
    from monosome.commands import assess as command

    request = command.make_request(metrics, mode=mode, atom=atom, per_residue=per_residue, per_motif=per_motif)
    many = command.Many(out, report, jobs, json)
    if pairs:
        command.run_pairs(pairs, request=request, many=many)
    elif model and native and model.is_dir():
        command.run_folder(model, native, request=request, many=many)
    elif model and native:
        natives = [native, *(reference or [])]
        command.run(model, natives, request=request, ensemble=ensemble, superposed=superposed, json=json)
    else:
        raise ConfigError("a model and a native are needed", "monosome assess MODEL NATIVE, or --pairs pairs.csv")


@app.command()
def annotate(
    structure: Annotated[Path, typer.Argument(help="Structure to annotate (PDB, mmCIF, .gz).")],
    torsions: Annotated[bool, typer.Option("--torsions", help="Print the torsions of every residue too.")] = False,
    json: Json = False,
) -> None:
    """Base pairs, dot-bracket with pseudoknots, stacking, motifs and torsions of a structure."""
    from monosome.commands import annotate as command

    command.run(structure, torsions=torsions, json=json)


@app.command()
def refine(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Structures (PDB, mmCIF, .gz), or folders.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write (.cif or .pdb); of several, a folder.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of the descent at most.")] = 400,
    jobs: Jobs = 0,
    json: Json = False,
) -> None:
    """Mend the local geometry of structures: bonds, angles, chirality, broken links, clashes, missing atoms."""
    from monosome.commands import refine as command

    command.run(models, out=out, steps=steps, jobs=jobs, json=json)


@app.command()
def rank(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Structures of one RNA, or their folders.")],
    out: Out = None,
    json: Json = False,
) -> None:
    """Put models of any programs in order without the native, with reasons."""
    from monosome.commands import rank as command

    command.run(models, out=out, json=json)


app.command()(cli_design.generate)
app.command()(cli_design.likelihood)
app.command()(cli_design.export)
app.command()(cli_protein.distill)
app.command()(cli_protein.study)
app.command()(cli_reports.compare)
app.command()(cli_reports.report)


def main() -> None:
    """Run the command line; a known failure is two lines on stderr and exit code 2."""
    try:
        app()
    except MonosomeError as error:
        _fail(error.message, error.hint)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""), "")


def _fail(message: str, hint: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    if hint:
        print(f"  try: {hint}" if hint.startswith("monosome") else f"  {hint}", file=sys.stderr)
    sys.exit(2)
