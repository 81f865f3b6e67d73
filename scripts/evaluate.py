"""Measure a student on held-out proteins and on what it generates: python scripts/evaluate.py --help."""

from monosome.commands.seed_plan import run

if __name__ == "__main__":
    run("evaluate")
