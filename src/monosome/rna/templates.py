"""Known structures that a sequence may share its fold with: a library of them, and the search for the likeliest."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64

from monosome.errors import DataError
from monosome.rna.cache import Values, cached
from monosome.rna.chain import Chain
from monosome.rna.dataset import read_collection
from monosome.rna.dotbracket import one_per_residue
from monosome.rna.frames import Frames
from monosome.rna.interactions import find_interactions
from monosome.rna.nucleotides import FRAME_ATOMS
from monosome.rna.pairing import Pairs, pairs_of, predict_pairing
from monosome.rna.prepared import Entry
from monosome.rna.superposition import MIN_POINTS
from monosome.rna.template_alignment import Query, aligned, best_score, letters
from monosome.rna.tm_score import tm_score
from monosome.rna.trace import trace_frames
from monosome.sequences.identity import compare

NUM_ALIGNED = 25
"""Templates by score of which the alignment is traced back."""
NUM_COMPARED = 8
"""The first of them that are compared with each other."""
MIN_BACKGROUND = 100
"""Templates that tell what scores mean nothing; a smaller library is eked out by its own, shuffled."""
PAIRED_C1 = (8.5, 12.5)
"""C1'–C1' (Å) of a canonical pair, where nothing else is known of the residues."""
EXPECTED = {
    "constant": 0.1282,
    "coverage": 0.0549,
    "agreement": 0.0606,
    "z": -0.0107,
    "z above 5": 0.0432,
    "log length": -0.0027,
    "consensus": 0.2231,
}
"""TM-score of a hit, expected as a sum of its terms; fitted by tools/fit_templates.py to 8,250 hits of 330 chains among
chains of other clusters; of chains left out of the fit the correlation is .70."""
GATE = 0.35
"""Hits are trusted from here: there templates had .32 to .60 and layouts of ViennaRNA's pairs .22 (30 chains); from .3
on .26 and .25 (4 chains); below, .20 and .24 (294 chains)."""


@dataclass(frozen=True, eq=False)
class Template:
    """A known structure: frames of its residues (NaN where there is none) and its canonical pairs."""

    id: str
    sequence: str
    date: str
    frames: Frames
    pairs: Pairs

    @cached_property
    def roles(self) -> Int64[np.ndarray, "n"]:
        """Of each residue 0 if it has no partner, 1 if that comes later, 2 if it came before."""
        roles = np.zeros(len(self.sequence), dtype=np.int64)
        for i, j in self.pairs:
            roles[i], roles[j] = 1, 2
        return roles


@dataclass(frozen=True, eq=False)
class Hit:
    """A template as the query aligns to it: `residues` of both, from 0, and how little of it is chance.

    `z` is the score's distance from those of the library, in their deviations; `coverage` the aligned share of the
    query; `agreement` the share of its expected pairs that the template has, too; `identity` by the best local
    alignment of the letters alone; `consensus` the mean TM-score between it and the other hits.
    """

    template: Template
    residues: Int64[np.ndarray, "k 2"]
    z: float
    coverage: float
    agreement: float
    identity: float
    length: int
    consensus: float = 0.0

    @property
    def terms(self) -> Float[np.ndarray, "7"]:
        """What the TM-score is expected by, in the order of EXPECTED."""
        z = self.z
        return np.array([1.0, self.coverage, self.agreement, z, max(z - 5.0, 0.0), np.log(self.length), self.consensus])

    @property
    def words(self) -> str:
        """What it is, for people."""
        return (
            f"template {self.template.id}: {self.coverage:.0%} aligned, {self.identity:.0%} identical, "
            f"expected TM-score {self.expected_tm:.2f}"
        )

    @property
    def expected_tm(self) -> float:
        """TM-score that such a hit has on average."""
        return float(np.clip(self.terms @ np.array(list(EXPECTED.values())), 0.0, 1.0))


@dataclass(frozen=True, eq=False)
class Templates:
    """A library, and which of it may be used: known before a day ("any" for all), no more alike than `max_identity`.

    There are no defaults: a benchmark that forgets them measures what is known.
    """

    library: "TemplateLibrary"
    before: str
    max_identity: float

    def search(self, sequence: str, probabilities: Float32[np.ndarray, "n n"]) -> list[Hit]:
        """See TemplateLibrary.search."""
        return self.library.search(sequence, probabilities, before=self.before, max_identity=self.max_identity)


class TemplateLibrary:
    """The structures of a folder, a file, or of what `monosome prepare rna` made of them."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        if not entries:
            raise DataError("there is no structure to take as a template")
        ends = np.cumsum([len(entry.chain) for entry in entries])
        total = int(ends[-1])
        shapes = {"rotations": (total, 3, 3), "places": (total, 3), "partners": (total,)}
        values = cached("templates", _digest(entries), shapes, lambda: _described(entries))
        self.templates = [
            Template(
                entry.chain.id,
                entry.chain.sequence,
                entry.date,
                Frames(torch.from_numpy(values["rotations"][here]), torch.from_numpy(values["places"][here])),
                [(i, int(j)) for i, j in enumerate(values["partners"][here]) if j > i],
            )
            for entry, here in zip(entries, map(slice, [0, *ends[:-1]], ends), strict=True)
        ]

    @classmethod
    def read(cls, place: Path) -> "TemplateLibrary":
        """The library of a folder. Raises DataError where it holds no structure."""
        return cls(read_collection(place).entries)

    def search(
        self,
        sequence: str,
        probabilities: Float32[np.ndarray, "n n"],
        *,
        before: str,
        max_identity: float,
        num: int = NUM_ALIGNED,
    ) -> list[Hit]:
        """The hits for a sequence with these base-pair probabilities, the best expected first.

        Only templates of before that day (YYYY-MM-DD; "any" takes all, also those without a date), and with no more
        than that share of equal letters (1 takes all): a benchmark must set both, or it measures what is known.
        """
        allowed = [each for each in self.templates if before == "any" or "" < each.date < before]
        own, rows = len(allowed), np.arange(len(allowed))
        alike = compare([*(each.sequence for each in allowed), sequence], rows, np.full(own, own)).identity
        kept = [number for number in rows if alike[number] <= max_identity]
        if not kept:
            return []
        searched = [allowed[number] for number in kept]
        query = Query.of(sequence, probabilities)
        z = _significance(query, searched)
        hits = []
        for place in np.argsort(-z)[:num]:
            template = searched[place]
            residues = aligned(query.scores(letters(template.sequence), template.roles))
            hits.append(_hit(template, residues, probabilities, float(z[place]), float(alike[kept[place]])))
        return sorted(_compared([hit for hit in hits if len(hit.residues)]), key=lambda hit: -hit.expected_tm)


def _digest(entries: Sequence[Entry]) -> str:
    """Digest of chains, and of the code and the table that describe them."""
    digest = hashlib.sha256()
    for file in ("templates.py", "trace.py", "fragments.npz", "interactions.py"):
        digest.update((resources.files("monosome.rna") / file).read_bytes())
    for entry in entries:
        digest.update(f"{entry.chain.id} {entry.chain.sequence}".encode() + entry.chain.atoms.tobytes())
    return digest.hexdigest()[:32]


def _described(entries: Sequence[Entry]) -> Values:
    frames = [_frames(entry.chain) for entry in entries]
    partners = [np.full(len(entry.chain), -1) for entry in entries]
    for entry, mine in zip(entries, partners, strict=True):
        for i, j in _pairs(entry.chain):
            mine[i], mine[j] = j, i
    return {
        "rotations": np.concatenate([each.rotations.numpy() for each in frames]),
        "places": np.concatenate([each.translations.numpy() for each in frames]),
        "partners": np.concatenate(partners),
    }


def _frames(chain: Chain) -> Frames:
    """Frames by the atoms, by C1' alone where those of a frame are missing."""
    atoms = np.take_along_axis(chain.atoms, FRAME_ATOMS[chain.bases][:, :, None], axis=1)
    own = Frames.from_points(*torch.from_numpy(atoms).unbind(1))
    traced = trace_frames(chain.atom("C1'"), chain.segments)
    known = torch.from_numpy(chain.has_frame)
    rotations = torch.where(known[:, None, None], own.rotations, traced.rotations)
    return Frames(rotations, torch.where(known[:, None], own.translations, traced.translations))


def _pairs(chain: Chain) -> Pairs:
    """Canonical pairs that the atoms show; of C1' alone, those that ViennaRNA finds and that are as far apart."""
    if chain.has_frame.any():
        return one_per_residue((pair.i, pair.j) for pair in find_interactions(chain).pairs if pair.is_canonical)
    likely = pairs_of(predict_pairing(chain.sequence, np.zeros(len(chain), dtype=np.int64)).structure)
    sugar = chain.atom("C1'")
    return [(i, j) for i, j in likely if PAIRED_C1[0] < np.linalg.norm(sugar[i] - sugar[j]) < PAIRED_C1[1]]


def _significance(query: Query, templates: Sequence[Template]) -> Float[np.ndarray, "k"]:
    """How far each score is above what templates of its length have, in robust standard deviations.

    The usual score grows with the logarithm of length (Karlin & Altschul 1990); its line is that of the library, whose
    members mostly have nothing to do with the query.
    """
    scores = [best_score(query.scores(letters(each.sequence), each.roles)) for each in templates]
    lengths = [len(each.sequence) for each in templates]
    draw, usual, long = np.random.default_rng(0), list(scores), list(lengths)
    while len(usual) < MIN_BACKGROUND:
        template = templates[len(usual) % len(templates)]
        order = draw.permutation(len(template.sequence))
        usual.append(best_score(query.scores(letters(template.sequence)[order], template.roles[order])))
        long.append(len(order))
    terms = np.stack([np.ones(len(long)), np.log(long)], axis=1)
    line, *_ = np.linalg.lstsq(terms, np.array(usual), rcond=None)
    off = np.array(usual) - terms @ line
    deviation = 1.4826 * np.median(np.abs(off - np.median(off))) + 1e-6
    return (off / deviation)[: len(scores)]


def _hit(
    template: Template,
    residues: Int64[np.ndarray, "k 2"],
    probabilities: Float32[np.ndarray, "n n"],
    z: float,
    identity: float,
) -> Hit:
    query_of = dict(residues[:, ::-1].tolist())
    shared = sum(probabilities[query_of[i], query_of[j]] for i, j in template.pairs if {i, j} <= query_of.keys())
    length, expected = len(probabilities), float(probabilities.sum()) / 2
    agreement = float(shared) / max(expected, 1.0)
    return Hit(template, residues, z, len(residues) / length, agreement, identity, length)


def _compared(hits: Sequence[Hit]) -> list[Hit]:
    """The hits, the first NUM_COMPARED with their consensus."""
    first = hits[:NUM_COMPARED]
    alike = np.zeros((len(first), len(first)))
    for i, j in combinations(range(len(first)), 2):
        alike[i, j] = alike[j, i] = _alike(first[i], first[j])
    consensus = alike.sum(axis=1) / max(1, len(first) - 1)
    return [
        *(replace(hit, consensus=float(mean)) for hit, mean in zip(first, consensus, strict=True)),
        *hits[NUM_COMPARED:],
    ]


def _alike(one: Hit, other: Hit) -> float:
    """TM-score of what two hits say of the residues that both align."""
    _, first, second = np.intersect1d(one.residues[:, 0], other.residues[:, 0], return_indices=True)
    places = [
        hit.template.frames.translations.numpy()[hit.residues[rows, 1]] for hit, rows in ((one, first), (other, second))
    ]
    known = np.isfinite(places).all(axis=(0, 2))
    return tm_score(places[0][known], places[1][known], one.length).score if known.sum() >= MIN_POINTS else 0.0
