"""A small set of well-known natural proteins kept as facts, so that demos and tests need no data.

natural.fasta holds 88 proteins of 54 families with their UniProt accessions: cytochromes, globins, histones,
insulins, lysozymes and their like. "mature" in a name means that signal and propeptide are left out.
"""

import re
from pathlib import Path

from monosome.sequences.fasta import Record

NATURAL = Path(__file__).with_name("natural.fasta")


def family_of(record: Record) -> str:
    """The family that the record's header names: whole families are held out."""
    match = re.search(r"FAM=(\S+)", record.description)
    return match[1] if match else record.id
