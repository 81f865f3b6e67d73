"""Terms of the loss that stand at their bound, where they have no gradient left to learn from."""

from collections.abc import Iterator, Mapping

TOLERANCE = 0.02
"""Share of the bound that a mean may be away from it."""
PATIENCE = 20
"""Steps in a row at the bound after which it is said."""


class Saturation:
    """Watches the terms that have a bound; each is named once for every time that it comes to stand there."""

    def __init__(self, bounds: Mapping[str, float]) -> None:
        self.bounds = bounds
        self._num_steps = dict.fromkeys(bounds, 0)

    def observe(self, means: Mapping[str, float]) -> Iterator[str]:
        """What to say of a step with these means of the terms."""
        for name, bound in self.bounds.items():
            stands = name in means and abs(means[name] - bound) <= TOLERANCE * bound
            self._num_steps[name] = self._num_steps[name] + 1 if stands else 0
            if self._num_steps[name] == PATIENCE:
                yield f"{name} has stood at its bound of {bound:g} for {PATIENCE} steps: it teaches nothing there"
