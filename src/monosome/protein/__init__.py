"""ProtGPT2 students: a protein language model distilled into small ones."""
