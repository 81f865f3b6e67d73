"""Training of any task: batches, optimiser, precision, checkpoints, journal."""
