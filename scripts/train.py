"""Distill a student of ProtGPT2: python scripts/train.py --help."""

from monosome.commands.seed_plan import run

if __name__ == "__main__":
    run("train")
