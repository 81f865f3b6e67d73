"""What both domains need of sequences: FASTA, clusters, splits, leakage."""
