"""`python -m monosome`, and so `torchrun -m monosome`."""

from monosome.cli import main

main()
