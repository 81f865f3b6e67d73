"""Sample proteins to FASTA: python scripts/generate.py --help."""

from monosome.commands.seed_plan import run

if __name__ == "__main__":
    run("generate")
