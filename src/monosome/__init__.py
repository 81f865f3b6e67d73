"""RNA structures and protein language models that fit the machine you own."""

__version__ = "0.1.0"
