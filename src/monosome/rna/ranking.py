"""Models of one RNA put in order without its native: by how much the others agree, and by what is off."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float

from monosome.errors import DataError
from monosome.rna.chain import Chain
from monosome.rna.dotbracket import one_per_residue
from monosome.rna.interactions import find_interactions
from monosome.rna.metrics import assess
from monosome.rna.pairing import Pairs, pairs_of, predict_pairing
from monosome.rna.refinement import Geometry

MIN_CONSENSUS = 3
"""Models that can agree or not: of two neither is nearer to the rest."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """A model, why it stands where it does, and what is off in it.

    `consensus` is the mean TM-score between it and the others (NaN of fewer than MIN_CONSENSUS models), `nearest` the
    one most like it; `pairs_f1` how well its canonical pairs agree with those that ViennaRNA expects.
    """

    name: str
    chain: Chain
    pairs: Pairs
    consensus: float
    nearest: str
    pairs_f1: float
    geometry: Geometry

    @property
    def reasons(self) -> list[str]:
        """In words, the weightiest first."""
        found = self.geometry.stereochemistry
        said = [f"TM-score {self.consensus:.2f} to the others, most like {self.nearest}"] if self.nearest else []
        said.append(f"{len(self.pairs)} canonical pairs, F1 {self.pairs_f1:.2f} with those expected of the sequence")
        if found.links.outliers:
            said.append(f"{len(found.links.outliers)} links broken")
        if found.centres.outliers:
            said.append(f"{len(found.centres.outliers)} chiral centres inverted")
        score = self.geometry.clashes.score
        return [*said, f"clashscore {score:.0f}"] if score is not None else said


def rank(models: Mapping[str, Chain]) -> list[Ranked]:
    """The models by name, the one to be trusted most first.

    What several programs agree on is right more often than what one is sure of (consensus, as in Pcons: Lundström et
    al. 2001, Protein Sci. 10, 2354): the order is by mean TM-score to all others, residues paired as `assess` does. Of
    two models, and between equals, the better agreement with expected base pairs decides. Raises DataError for no
    model, and where two have no residues in common.
    """
    if not models:
        raise DataError("there is no model to rank")
    names = list(models)
    alike = _alike(models)
    ranked = [_described(name, models[name], names, alike[place]) for place, name in enumerate(names)]
    return sorted(ranked, key=lambda each: (-np.nan_to_num(each.consensus), -each.pairs_f1, each.name))


def _alike(models: Mapping[str, Chain]) -> Float[np.ndarray, "k k"]:
    """TM-score of every two models by the longer one; 0 of a model with itself."""
    chains = list(models.values())
    alike = np.zeros((len(chains), len(chains)))
    for i, j in combinations(range(len(chains)), 2):
        shorter, longer = sorted((chains[i], chains[j]), key=len)
        found = assess(shorter, longer, metrics=("tm_score",), mode="residue").tm_score
        alike[i, j] = alike[j, i] = found or 0.0
    return alike


def _described(name: str, chain: Chain, names: list[str], alike: Float[np.ndarray, "k"]) -> Ranked:
    consensus, nearest = float("nan"), ""
    if len(names) >= MIN_CONSENSUS:
        consensus, nearest = float(alike.sum() / (len(names) - 1)), names[int(alike.argmax())]
    pairs = one_per_residue((pair.i, pair.j) for pair in find_interactions(chain).pairs if pair.is_canonical)
    expected = pairs_of(predict_pairing(chain.sequence, np.zeros(len(chain), dtype=np.int64)).mea)
    return Ranked(name, chain, pairs, consensus, nearest, _f1(pairs, expected), Geometry.of(chain))


def _f1(found: Iterable[tuple[int, int]], true: Iterable[tuple[int, int]]) -> float:
    """Of pairs; 1 where there are none on either side."""
    ours, theirs = set(found), set(true)
    return 2 * len(ours & theirs) / (len(ours) + len(theirs)) if ours or theirs else 1.0
