"""Predicted structures as a scene of a report: the candidates laid on the first, the native below them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from monosome.evaluate.scene import Matrix, Model, Scene
from monosome.rna.chain import Chain
from monosome.rna.nucleotides import ATOM_NAMES
from monosome.rna.pairing import pairs_of
from monosome.rna.predict import Prediction
from monosome.rna.superposition import MIN_POINTS, superpose


def scene(name: str, predictions: Sequence[Prediction]) -> Scene:
    """The predictions of one RNA, best first."""
    first = predictions[0]
    models = [
        Model(f"model {number}", each.origin, _laid_on(each.chain, first.chain), each.plddt, pairs_of(each.structure))
        for number, each in enumerate(predictions, start=1)
    ]
    return Scene(name, first.chain.sequence, first.chain.segments.tolist(), ATOM_NAMES, models, matrix=_matrix(first))


def _laid_on(chain: Chain, target: Chain) -> Float[np.ndarray, "n 27 3"]:
    """The atoms of a chain, moved so that its C1' lie on those of another of the same sequence."""
    points, places = chain.atom("C1'"), target.atom("C1'")
    known = np.isfinite(points).all(-1) & np.isfinite(places).all(-1)
    if chain is target or known.sum() < MIN_POINTS:
        return chain.atoms
    rotation, translation = superpose(points[known], places[known])
    return np.asarray(chain.atoms @ rotation.T + translation)


def _matrix(prediction: Prediction) -> Matrix:
    """How sure the network is of each residue seen from each other; where it never saw both, how far they are apart."""
    if prediction.aligned_error is not None:
        return Matrix("predicted aligned error", "Å", prediction.aligned_error)
    points = prediction.chain.atom("C1'").astype(np.float64)
    return Matrix("C1' distance", "Å", np.linalg.norm(points[:, None] - points[None], axis=-1))
