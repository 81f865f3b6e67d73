"""Chains as the network meets them: features, and coordinates to learn from."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float32, Int8, Int64
from torch import Tensor

from monosome.rna.chain import Chain
from monosome.rna.crops import neighbourhood, stretch
from monosome.rna.evidence import EvidenceSource
from monosome.rna.features import Evidence, Features, Input, featurise, layout
from monosome.rna.frames import Frames
from monosome.rna.geometry import duplex, helix_frames, partner_frames, random_hairpin
from monosome.rna.nucleotides import ATOM_INDEX, BASES, FRAME_ATOMS
from monosome.rna.pair_labels import CANONICAL, UNKNOWN, label_pairs, label_structure
from monosome.rna.pairing import pairs_of, sample_structures
from monosome.rna.start import Start, start_frames
from monosome.rna.torsion_head import true_torsions
from monosome.rna.violations import linked
from monosome.task import Batch
from monosome.train.batches import mixed

POINTS = ("C1'", "C4'", "P")
"""Atoms whose places FAPE compares, besides the base's nitrogen: where the frame is, and where the backbone runs."""


@dataclass(frozen=True, eq=False)
class ChainExample:
    """A chain with its features; `group` is the cluster that it is held out with.

    `pairs` are the labels of pair_labels; `starts` are the frames that the network may start from, the first of them
    where nothing is drawn at random. `further` are the other models of an ensemble with the labels of their pairs.
    """

    chain: Chain
    features: Features
    group: str
    pairs: Int8[np.ndarray, "n n"]
    starts: tuple[Frames, ...]
    further: tuple[tuple[Chain, Int8[np.ndarray, "n n"]], ...] = ()

    @property
    def id(self) -> str:
        """Name of the chain."""
        return self.chain.id


@dataclass(frozen=True)
class ChainBatch(Batch):
    """Chains padded to one length. Masks are 1 where there is a residue, a known frame, a known point or torsion.

    `links` are 1 where a residue is bonded to the next; `points` are the atoms of POINTS and the glycosidic nitrogen,
    in Å; `clamp` bounds each chain's FAPE, in Å; `seeds` fix what the network draws at random for each (dropout,
    recycles).
    """

    single: Float[Tensor, "b n f"]
    pair: Float[Tensor, "b n n g"]
    offsets: Int64[Tensor, "b n n"]
    mask: Float[Tensor, "b n"]
    start_rotations: Float[Tensor, "b n 3 3"]
    start_translations: Float[Tensor, "b n 3"]
    bases: Int64[Tensor, "b n"]
    points: Float[Tensor, "b n p 3"]
    points_mask: Float[Tensor, "b n p"]
    frames_mask: Float[Tensor, "b n"]
    torsions: Float[Tensor, "b n t 2"]
    torsions_mask: Float[Tensor, "b n t"]
    links: Float[Tensor, "b n"]
    pairs: Int64[Tensor, "b n n"]
    clamp: Float[Tensor, "b"]
    seeds: Int64[Tensor, "b"]

    @property
    def start(self) -> Frames:
        """The frames that the network starts from."""
        return Frames(self.start_rotations, self.start_translations)

    @property
    def true_frames(self) -> Frames:
        """The native's frames; of no meaning where `frames_mask` is 0."""
        c1, c4, _, nitrogen = self.points.unbind(2)
        return Frames.from_points(c1, nitrogen, c4)


@dataclass(frozen=True, eq=False)
class Recipe:
    """How an example is made of a chain: what is gathered of it, which inputs that becomes, and where it starts."""

    source: EvidenceSource = field(default_factory=EvidenceSource)
    inputs: Mapping[str, Input] = field(default_factory=lambda: layout((), 0))
    start: Start = "helix"
    structures: Mapping[str, str] = field(default_factory=dict)
    """Dot-bracket of chains, by name, whose pairs are known and whose coordinates are not."""
    models: Mapping[str, Float32[np.ndarray, "m n 27 3"]] = field(default_factory=dict)
    """Further coordinates of chains, by name, for training to draw: the other models of an ensemble, Å."""
    varied_starts: bool = False
    """Whether `paired` is also laid out from a sampled structure and from the known pairs, for training to draw."""

    def example(self, chain: Chain, group: str = "") -> ChainExample:
        """The chain with features made of its sequence, its strands and the evidence alone."""
        evidence = self.source.gather(chain.id, chain.sequence, chain.segments)
        return self.example_of(chain, evidence, group)

    def example_of(self, chain: Chain, evidence: Evidence, group: str = "", seed: int = 0) -> ChainExample:
        """The chain with features made of evidence that is given; other seeds lay out its helices in other ways."""
        structure = self.structures.get(chain.id)
        pairs = label_pairs(chain) if structure is None else label_structure(structure)
        features = featurise(chain.sequence, chain.segments, evidence, self.inputs)
        others = [replace(chain, atoms=atoms) for atoms in self.models.get(chain.id, ())]
        further = tuple((each, label_pairs(each)) for each in others)
        return ChainExample(chain, features, group, pairs, tuple(self._starts(chain, evidence, pairs, seed)), further)

    def _starts(self, chain: Chain, evidence: Evidence, labels: Int8[np.ndarray, "n n"], seed: int) -> Iterator[Frames]:
        segments, bases = torch.from_numpy(chain.segments), torch.from_numpy(chain.bases)
        if chain.id in self.structures or self.start != "paired":  # a chain without coordinates has no use for a layout
            yield start_frames("identity" if chain.id in self.structures else self.start, segments, bases)
            return
        yield start_frames("paired", segments, bases, pairs_of(evidence.pairing.structure), seed)
        if self.varied_starts:
            sampled = sample_structures(chain.sequence, 1, seed, evidence.pairing.conditions)[0]
            yield start_frames("paired", segments, bases, pairs_of(sampled), seed + 1)
            known = np.argwhere(np.triu(labels) == CANONICAL).tolist()
            yield start_frames("paired", segments, bases, [(i, j) for i, j in known], seed + 2)


class ChainExamples:
    """A split: chains with their groups, made into examples when they are first asked for.

    `weights` say how often each is drawn; without them all are drawn alike.
    """

    def __init__(
        self,
        chains: Sequence[Chain],
        groups: Sequence[str],
        recipe: Recipe | None = None,
        weights: Sequence[float] | None = None,
    ) -> None:
        self.chains, self.groups, self.recipe = list(chains), list(groups), recipe or Recipe()
        self.weights = None if weights is None else [float(weight) for weight in weights]
        self._made: dict[int, ChainExample] = {}

    def __len__(self) -> int:
        return len(self.chains)

    def __getitem__(self, index: int) -> ChainExample:
        if index not in self._made:
            self._made[index] = self.recipe.example(self.chains[index], self.groups[index])
        return self._made[index]

    @cached_property
    def content_hash(self) -> str:
        """Digest of names, sequences, strands, coordinates, and of weights and files of evidence if there are some."""
        digest = hashlib.sha256()
        for chain, group in zip(self.chains, self.groups, strict=True):
            digest.update(f"{chain.id} {chain.sequence} {group}".encode())
            digest.update(np.nan_to_num(chain.atoms).astype(np.float32).tobytes() + chain.segments.tobytes())
        digest.update(repr(sorted(self.recipe.structures.items())).encode() if self.recipe.structures else b"")
        for name, atoms in sorted(self.recipe.models.items()):
            digest.update(name.encode() + np.nan_to_num(atoms).tobytes())
        digest.update(repr(self.weights).encode() if self.weights else b"")
        if self.recipe.source.folders:
            digest.update(self.recipe.source.digest([chain.id for chain in self.chains]).encode())
        return digest.hexdigest()


def crop(whole: ChainExample, length: int, draw: int, spatial_share: float = 0.0) -> ChainExample:
    """At most that many residues of one of the models, and one of the starts, all fixed by a random number.

    That share of the draws takes the residues nearest to one of them, the others a stretch of the chain. Features and
    starts stay the whole chain's.
    """
    start, place = whole.starts[draw % len(whole.starts)], draw // len(whole.starts)
    models = ((whole.chain, whole.pairs), *whole.further)
    chain, pairs = models[mixed(draw, 1) % len(models)]
    is_spatial = mixed(draw, 2) < spatial_share * 2**63
    residues = neighbourhood(chain.atom("C1'"), length, place) if is_spatial else stretch(len(chain), length, place)
    return ChainExample(
        chain=chain.subset(residues),
        features=whole.features.crop(residues),
        group=whole.group,
        pairs=pairs[np.ix_(residues, residues)],
        starts=(start[torch.from_numpy(residues)],),
    )


def synthetic_chains(num: int, seed: int) -> tuple[list[Chain], list[str]]:
    """Ideal hairpins, and one duplex in four, with groups: those of one stem and loop are held out together."""
    chains = [_duplex(seed + number) if number % 4 == 3 else random_hairpin(seed + number) for number in range(num)]
    return chains, [ideal_shape(chain) for chain in chains]


def ideal_shape(chain: Chain) -> str:
    """How many pairs an ideal hairpin or duplex has and how long its loop is, 0 in a duplex; tails do not count.

    Read off the coordinates: the C1' of ideal pairs, and of no other residues, are one distance apart to 1e-3 Å.
    """
    paired = (helix_frames(1).translations - partner_frames(1).translations).norm()
    c1 = torch.from_numpy(chain.atom("C1'"))
    distances = (c1.unsqueeze(1) - c1.unsqueeze(0)).norm(dim=-1)
    first, last = ((distances - paired).abs() < 1e-3).triu().nonzero(as_tuple=True)
    return f"{len(first)} pairs, loop of {int((last - first).min()) - 1}"


def _duplex(seed: int) -> Chain:
    draw = np.random.default_rng(seed)
    sequence = "".join(draw.choice(list(BASES), size=int(draw.integers(5, 17))))
    made = duplex(sequence)
    return Chain(f"duplex-{seed}", made.sequence, made.atoms, made.residue_numbers, made.segments)


def collate(examples: Sequence[ChainExample], clamp: Float[Tensor, "b"], seeds: Sequence[int] = ()) -> ChainBatch:
    """One padded batch, of the first start of each example; whatever is not known is zero and masked."""
    length = max(len(each.chain) for each in examples)
    starts = [each.starts[0] for each in examples]
    points, points_mask = zip(*(_points(each.chain) for each in examples), strict=True)
    torsions, torsions_mask = zip(*(true_torsions(each.chain) for each in examples), strict=True)
    return ChainBatch(
        single=_padded([torch.from_numpy(each.features.single) for each in examples], length),
        pair=_padded([torch.from_numpy(each.features.pair) for each in examples], length, num_axes=2),
        offsets=_padded([torch.from_numpy(each.features.offsets) for each in examples], length, num_axes=2),
        mask=_padded([torch.ones(len(each.chain)) for each in examples], length),
        start_rotations=_padded([frames.rotations for frames in starts], length),
        start_translations=_padded([frames.translations for frames in starts], length),
        bases=_padded([torch.from_numpy(each.chain.bases) for each in examples], length),
        points=_padded(list(points), length),
        points_mask=_padded(list(points_mask), length),
        frames_mask=_padded([torch.from_numpy(each.chain.has_frame).float() for each in examples], length),
        torsions=_padded([torch.from_numpy(each) for each in torsions], length),
        torsions_mask=_padded([torch.from_numpy(each) for each in torsions_mask], length),
        links=_padded([torch.from_numpy(linked(each.chain)).float() for each in examples], length),
        pairs=_padded([torch.from_numpy(each.pairs.astype(np.int64)) for each in examples], length, 2, UNKNOWN),
        clamp=clamp,
        seeds=torch.tensor(seeds or [0] * len(examples)),
    )


def select_points(
    atoms: Float[Tensor, "*batch n 27 3"], bases: Int64[Tensor, "*batch n"]
) -> Float[Tensor, "*batch n p 3"]:
    """The points of each nucleotide among all its atoms."""
    slots = torch.from_numpy(_POINT_INDICES).to(bases.device)[bases]
    return atoms.gather(-2, slots.unsqueeze(-1).expand(*slots.shape, 3))


_POINT_INDICES = np.stack(
    [np.append([ATOM_INDEX[name] for name in POINTS], FRAME_ATOMS[base, 1]) for base in range(len(BASES))]
)


def _points(chain: Chain) -> tuple[Float[Tensor, "n p 3"], Float[Tensor, "n p"]]:
    chosen = np.take_along_axis(chain.atoms, _POINT_INDICES[chain.bases][:, :, None], axis=1)
    points = torch.from_numpy(chosen)
    return points.nan_to_num(), points.isfinite().all(-1).float()


def _padded(tensors: Sequence[Tensor], length: int, num_axes: int = 1, padding: int = 0) -> Tensor:
    """The tensors stacked, the first `num_axes` axes of each filled up with `padding` to `length`."""
    shape = (len(tensors), *([length] * num_axes), *tensors[0].shape[num_axes:])
    stacked = tensors[0].new_full(shape, padding)
    for row, tensor in zip(stacked, tensors, strict=True):
        row[tuple(slice(size) for size in tensor.shape[:num_axes])] = tensor
    return stacked
