"""What fits: peak memory of a step without the card, and measured on the one at hand."""
