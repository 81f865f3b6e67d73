"""Fit which templates may be trusted; print what `EXPECTED` and `GATE` of src/monosome/rna/templates.py are to be.

    python tools/fit_templates.py FOLDER [NUM]

FOLDER is a library (`monosome prepare rna`). Of NUM of its chains of 15 to 600 residues each is searched for among the
others of another cluster that are no more than 80 % identical. The TM-score (C1', by residue) of what is aligned is
fitted by least squares on the terms of a hit, one cluster out at a time for the figures that are printed: how good the
first hit is beside the layout of ViennaRNA's pairs, which every RNA can have, by what was expected of it.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from monosome.rna.chain import Chain
from monosome.rna.dataset import read_collection
from monosome.rna.layout import paired_frames
from monosome.rna.metrics import assess
from monosome.rna.nucleotides import ATOM_INDEX
from monosome.rna.pairing import pairs_of, predict_pairing
from monosome.rna.templates import EXPECTED, Hit, TemplateLibrary

MAX_IDENTITY = 0.8
RIDGE = 3.0


def with_sugars(chain: Chain, places: np.ndarray) -> Chain:
    """The chain with C1' alone, at these places."""
    atoms = np.full_like(chain.atoms, np.nan)
    atoms[:, ATOM_INDEX["C1'"]] = places
    return replace(chain, atoms=atoms, segments=np.zeros_like(chain.segments))


def tm_score(chain: Chain, places: np.ndarray) -> float:
    """TM-score by residue of C1' at these places, NaN for none."""
    return assess(with_sugars(chain, places), chain, metrics=("tm_score",), mode="residue").tm_score or 0.0


def of_hit(chain: Chain, hit: Hit) -> float:
    """TM-score of what is aligned."""
    places = np.full((len(chain), 3), np.nan, dtype=np.float32)
    query, template = hit.residues.T
    places[query] = hit.template.frames.translations.numpy()[template]
    return tm_score(chain, places)


def fitted(terms: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Weights of terms by ridge regression."""
    scale = terms.std(axis=0) + (terms.std(axis=0) == 0)
    scaled = terms / scale
    return (
        np.linalg.solve(scaled.T @ scaled + RIDGE * np.diag(np.arange(terms.shape[1]) > 0), scaled.T @ scores) / scale
    )


def main() -> None:
    """Search, fit, print."""
    torch.set_num_threads(1)
    folder, num = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200
    entries = read_collection(folder).entries
    library, cluster = TemplateLibrary(entries), {entry.chain.id: entry.cluster for entry in entries}
    everything = library.templates
    fit = [entry for entry in entries if 15 <= len(entry.chain) <= 600]
    drawn = [fit[number] for number in np.random.default_rng(0).permutation(len(fit))[:num]]
    terms, scores, owners, starts = [], [], [], []
    for number, entry in enumerate(drawn):
        chain = entry.chain
        pairing = predict_pairing(chain.sequence, np.zeros(len(chain), dtype=np.int64))
        library.templates = [each for each in everything if cluster[each.id] != entry.cluster]
        hits = library.search(chain.sequence, pairing.probabilities, before="any", max_identity=MAX_IDENTITY)
        terms += [hit.terms for hit in hits]
        scores += [of_hit(chain, hit) for hit in hits]
        owners += [number] * len(hits)
        laid = paired_frames(torch.zeros(len(chain), dtype=torch.long), pairs_of(pairing.structure))
        starts.append(tm_score(chain, laid.translations.numpy()))
        print(number + 1, "of", len(drawn), file=sys.stderr)
    x, y, owner = np.array(terms), np.array(scores), np.array(owners)
    names = sorted({entry.cluster for entry in drawn})
    group = np.array([names.index(drawn[each].cluster) % 5 for each in owners])
    expected = np.empty(len(y))
    for part in range(5):
        expected[group == part] = x[group == part] @ fitted(x[group != part], y[group != part])
    print(
        f"\ncorrelation {np.corrcoef(expected, y)[0, 1]:.3f} over {len(y)} hits of {len(drawn)} chains, other clusters"
    )
    firsts = [np.flatnonzero(owner == each) for each in range(len(drawn))]
    first = np.array([each[expected[each].argmax()] for each in firsts if len(each)])
    begun = np.array([start for start, each in zip(starts, firsts, strict=True) if len(each)])
    for low, high in ((0.0, 0.2), (0.2, 0.25), (0.25, 0.3), (0.3, 0.35), (0.35, 0.4), (0.4, 0.5), (0.5, 1.0)):
        here = (expected[first] >= low) & (expected[first] < high)
        if here.any():
            print(
                f"expected {low:.2f}-{high:.2f}: {here.sum():3d} chains, template {y[first[here]].mean():.3f}, "
                f"layout {begun[here].mean():.3f}"
            )
    print(dict(zip(EXPECTED, np.round(fitted(x, y), 4).tolist(), strict=True)))


if __name__ == "__main__":
    main()
