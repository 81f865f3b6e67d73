"""BetaRho: features in, frames and confidences out."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from monosome.rna.dropout import uniform
from monosome.rna.features import NUM_OFFSETS, layout, num_channels
from monosome.rna.frames import Frames
from monosome.rna.ipa import StructureModule
from monosome.rna.losses import NUM_DISTANCE_BINS, NUM_PAE_BINS, NUM_PLDDT_BINS
from monosome.rna.pair_labels import CLASSES, MIRRORED, NONE
from monosome.rna.pieces import in_pieces
from monosome.rna.recipe import BetaRhoModelConfig
from monosome.rna.start import chained, steps_of
from monosome.rna.torsion_head import TorsionHead
from monosome.rna.trunk import TrunkBlock, zeroed

DISTOGRAM_ATOMS = ("C1'", "P", "C4'")
"""Atoms whose distances the network predicts."""
RECYCLED_EDGES = (3.375, 21.375, 15)
"""First and last edge (Å) of the distance bins that are recycled, and how many (Jumper et al. 2021, Suppl. Alg. 32)."""
RARE = 8.0
"""Logit of no pair at the beginning: of the pairs of residues of 80 nt, one in 160 is a base pair."""
_RECYCLE_SITE = -1


@dataclass(frozen=True, eq=False)
class Outputs:
    """What the network says of a batch: frames after each iteration (the last is the prediction), and logits.

    Logits are computed when they are first asked for: of long chains all of them do not fit in memory.
    """

    trajectory: list[Frames]
    last: Float[Tensor, "b n c"]
    """The single representation that the structure module ends with."""
    pair: Float[Tensor, "b n n d"]
    heads: "Heads"

    @property
    def frames(self) -> Frames:
        """The predicted frames, Å."""
        return self.trajectory[-1]

    @cached_property
    def distogram_logits(self) -> Float[Tensor, "b n n a k"]:
        """Of the distances of each of DISTOGRAM_ATOMS."""
        logits: Tensor = self.heads.distogram(self.pair)
        return logits.unflatten(-1, (len(DISTOGRAM_ATOMS), -1))

    @cached_property
    def pair_logits(self) -> Float[Tensor, "b n n l"]:
        """Of the classes of pair_labels.CLASSES."""
        return self.heads.pairs(self.pair)

    @cached_property
    def torsions(self) -> Float[Tensor, "b n t 2"]:
        """Sine and cosine of each of backbone.TORSIONS, not yet of length 1."""
        return self.heads.torsions(self.last)

    @cached_property
    def plddt_logits(self) -> Float[Tensor, "b n g"]:
        """Of the bins of each residue's lDDT."""
        return self.heads.plddt(self.last)

    @cached_property
    def pae_logits(self) -> Float[Tensor, "b n n m"]:
        """Of the error of residue j seen from residue i."""
        return self.heads.pae(self.last, self.pair)


class BetaRho(nn.Module):
    """The network. One chain walks: embed → trunk blocks → structure module → heads, and round again to recycle.

    `rows_at_once` rows of pairs are worked on at a time; 0 takes all.
    """

    rows_at_once = 0

    def __init__(self, config: BetaRhoModelConfig) -> None:
        super().__init__()
        c, d = config.single_channels, config.pair_channels
        inputs = layout(config.inputs, config.embedding_channels)
        num_single, num_pair = num_channels(inputs, "single"), num_channels(inputs, "pair")
        self.num_recycles = config.num_recycles
        self.embed_single = nn.Linear(num_single, c)
        self.embed_pair = nn.Linear(num_pair, d)
        self.embed_offset = nn.Embedding(NUM_OFFSETS, d)
        self.embed_left, self.embed_right = nn.Linear(num_single, d), nn.Linear(num_single, d)
        self.recycle = Recycling(c, d) if config.num_recycles else nn.Identity()
        self.trunk = nn.ModuleList(TrunkBlock(config, number) for number in range(config.num_trunk_blocks))
        self.bend = LearnedStart(c) if config.start == "learned" else None
        self.structure = StructureModule(config, config.ipa_pair_rank)
        self.heads = Heads(c, d)

    def forward(
        self,
        single: Float[Tensor, "b n f"],
        pair: Float[Tensor, "b n n g"],
        offsets: Int64[Tensor, "b n n"],
        start: Frames,
        mask: Float[Tensor, "b n"],
        seeds: Int64[Tensor, "b"],
    ) -> Outputs:
        """Frames and logits of a batch; `mask` is 1 where there is a residue, `seeds` fix what is drawn."""
        embedded = self.embed(single, pair, offsets)
        s, z = embedded
        if self.num_recycles and self.rows_at_once:
            z = z.clone()  # runs without a graph change it in place
        runs = torch.zeros_like(seeds) + self.num_recycles
        if self.training:
            runs = (uniform(seeds, _RECYCLE_SITE, torch.Size()) * (self.num_recycles + 1)).long()
        for number in range(self.num_recycles):
            with torch.no_grad():
                s, z = self.represent(s, z, mask, seeds)
                last, trajectory = self.place(s, z, start, mask)
            extra_s, extra_z = self.recycle(last, z, trajectory[-1])
            wanted = (number >= self.num_recycles - runs).float()
            s = embedded[0] + extra_s * wanted[:, None, None]
            z = embedded[1] + extra_z * wanted[:, None, None, None]
        s, z = self.represent(s, z, mask, seeds)
        last, trajectory = self.place(s, z, start, mask)
        return Outputs(trajectory, last, z, self.heads)

    def pair_logits(
        self,
        single: Float[Tensor, "b n f"],
        pair: Float[Tensor, "b n n g"],
        offsets: Int64[Tensor, "b n n"],
        mask: Float[Tensor, "b n"],
    ) -> Float[Tensor, "b n n l"]:
        """Logits of the base pairs after one run of the trunk: what a start can be laid out from."""
        seeds = torch.zeros(len(mask), dtype=torch.int64, device=mask.device)
        logits: Tensor = self.heads.pairs(self.represent(*self.embed(single, pair, offsets), mask, seeds)[1])
        return logits

    def embed(
        self, single: Float[Tensor, "b n f"], pair: Float[Tensor, "b n n g"], offsets: Int64[Tensor, "b n n"]
    ) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b n n d"]]:
        """The features as single and pair representation."""
        left, right = self.embed_left(single).unsqueeze(2), self.embed_right(single).unsqueeze(1)

        def embedded(
            pair: Float[Tensor, "b m n g"], offsets: Int64[Tensor, "b m n"], left: Float[Tensor, "b m 1 d"]
        ) -> Float[Tensor, "b m n d"]:
            return self.embed_pair(pair) + self.embed_offset(offsets) + left + right

        return self.embed_single(single), in_pieces(embedded, self.rows_at_once, [pair, offsets, left])

    def represent(
        self,
        s: Float[Tensor, "b n c"],
        z: Float[Tensor, "b n n d"],
        mask: Float[Tensor, "b n"],
        seeds: Int64[Tensor, "b"],
    ) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b n n d"]]:
        """Both representations after the trunk, which knows of no frames."""
        for block in self.trunk:
            s, z = block(s, z, mask, seeds)
        return s, z

    def place(
        self, s: Float[Tensor, "b n c"], z: Float[Tensor, "b n n d"], start: Frames, mask: Float[Tensor, "b n"]
    ) -> tuple[Float[Tensor, "b n c"], list[Frames]]:
        """What the structure module makes of the representations and the start, which it may bend first."""
        return self.structure(s, z, self.bend(s, start) if self.bend else start, mask)


class LearnedStart(nn.Module):
    """A start whose every step from residue to residue is turned and moved by what the trunk knows; at first not."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.update = nn.LayerNorm(channels), zeroed(nn.Linear(channels, 6))

    def forward(self, single: Float[Tensor, "b n c"], start: Frames) -> Frames:
        """The start, bent."""
        with torch.autocast(single.device.type, enabled=False):
            return chained(steps_of(start).compose_update(self.update(self.norm(single.float()))))


class Recycling(nn.Module):
    """What a run tells the next: its representations, and how far C1' lie apart (Suppl. Alg. 32)."""

    def __init__(self, channels: int, pair_channels: int) -> None:
        super().__init__()
        self.single_norm, self.pair_norm = nn.LayerNorm(channels), nn.LayerNorm(pair_channels)
        self.embed_distance = nn.Embedding(RECYCLED_EDGES[2] + 1, pair_channels)

    def forward(
        self, single: Float[Tensor, "b n c"], pair: Float[Tensor, "b n n d"], frames: Frames
    ) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b n n d"]]:
        """What is added to the embedded features."""
        edges = torch.linspace(*RECYCLED_EDGES, device=pair.device)
        bins = torch.bucketize(torch.cdist(frames.translations, frames.translations), edges)
        return self.single_norm(single), self.pair_norm(pair) + self.embed_distance(bins)


class Heads(nn.Module):
    """What is read off the representations."""

    def __init__(self, channels: int, pair_channels: int) -> None:
        super().__init__()
        c, d = channels, pair_channels
        self.pairs = PairHead(d, len(CLASSES), MIRRORED)
        nn.init.zeros_(self.pairs.out.bias)
        self.pairs.out.bias.data[NONE] = RARE / 2  # it is added to itself
        self.distogram = PairHead(d, len(DISTOGRAM_ATOMS) * NUM_DISTANCE_BINS)
        self.plddt = nn.Sequential(nn.LayerNorm(c), nn.Linear(c, c), nn.ReLU(), nn.Linear(c, NUM_PLDDT_BINS))
        self.pae = AlignedErrorHead(c, d)
        self.torsions = TorsionHead(c)


class PairHead(nn.Module):
    """Logits of two residues, the same whichever is named first; `mirrored` names each class the other way round."""

    rows_at_once = 0

    def __init__(self, pair_channels: int, num_classes: int, mirrored: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.mirrored = slice(None) if mirrored is None else list(mirrored)
        self.norm, self.out = nn.LayerNorm(pair_channels), nn.Linear(pair_channels, num_classes)

    def forward(self, pair: Float[Tensor, "b n n d"]) -> Float[Tensor, "b n n k"]:
        """Logits of each class."""
        logits = in_pieces(lambda pair: self.out(self.norm(pair)), self.rows_at_once, [pair])
        return logits + logits.transpose(1, 2)[..., self.mirrored]


class AlignedErrorHead(nn.Module):
    """Logits of the error of residue j as residue i sees it (Suppl. 1.9.7), from pairs and the structure module."""

    rows_at_once = 0

    def __init__(self, channels: int, pair_channels: int) -> None:
        super().__init__()
        self.norm, self.out = nn.LayerNorm(pair_channels), nn.Linear(pair_channels, NUM_PAE_BINS)
        self.single_norm = nn.LayerNorm(channels)
        self.left, self.right = (nn.Linear(channels, pair_channels) for _ in range(2))

    def forward(self, single: Float[Tensor, "b n c"], pair: Float[Tensor, "b n n d"]) -> Float[Tensor, "b n n k"]:
        """Logits of each bin; no gradient passes on into the trunk or the structure module."""
        s = self.single_norm(single.detach())
        left, right = self.left(s).unsqueeze(2), self.right(s).unsqueeze(1)

        def logits(pair: Float[Tensor, "b m n d"], left: Float[Tensor, "b m 1 d"]) -> Float[Tensor, "b m n k"]:
            return self.out(torch.relu(self.norm(pair) + left + right))

        return in_pieces(logits, self.rows_at_once, [pair.detach(), left])
