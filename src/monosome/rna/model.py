"""BetaRho: features in, frames and confidences out."""

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor, nn

from monosome.rna.features import NUM_OFFSETS, layout, num_channels
from monosome.rna.frames import Frames
from monosome.rna.ipa import StructureModule
from monosome.rna.losses import NUM_DISTANCE_BINS, NUM_PLDDT_BINS
from monosome.rna.recipe import BetaRhoModelConfig
from monosome.rna.trunk import TrunkBlock


@dataclass(frozen=True)
class Outputs:
    """What the network says of a batch: frames after each iteration (the last is the prediction), and logits."""

    trajectory: list[Frames]
    distogram_logits: Float[Tensor, "b n n k"]
    plddt_logits: Float[Tensor, "b n l"]

    @property
    def frames(self) -> Frames:
        """The predicted frames, Å."""
        return self.trajectory[-1]


class BetaRho(nn.Module):
    """The network. One chain walks: embed → trunk blocks → structure module → heads."""

    def __init__(self, config: BetaRhoModelConfig) -> None:
        super().__init__()
        c, d = config.single_channels, config.pair_channels
        inputs = layout(config.inputs, config.embedding_channels)
        num_single, num_pair = num_channels(inputs, "single"), num_channels(inputs, "pair")
        self.embed_single = nn.Linear(num_single, c)
        self.embed_pair = nn.Linear(num_pair, d)
        self.embed_offset = nn.Embedding(NUM_OFFSETS, d)
        self.embed_left, self.embed_right = nn.Linear(num_single, d), nn.Linear(num_single, d)
        self.trunk = nn.ModuleList(TrunkBlock(c, d, config.num_heads) for _ in range(config.num_trunk_blocks))
        self.structure = StructureModule(config)
        self.distogram = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, NUM_DISTANCE_BINS))
        self.plddt = nn.Sequential(nn.LayerNorm(c), nn.Linear(c, c), nn.ReLU(), nn.Linear(c, NUM_PLDDT_BINS))

    def forward(
        self,
        single: Float[Tensor, "b n f"],
        pair: Float[Tensor, "b n n g"],
        offsets: Int64[Tensor, "b n n"],
        start: Frames,
        mask: Float[Tensor, "b n"],
    ) -> Outputs:
        """Frames and logits for a batch of features; `mask` is 1 where there is a residue."""
        z = self.embed_pair(pair) + self.embed_offset(offsets)
        z = z + self.embed_left(single).unsqueeze(2) + self.embed_right(single).unsqueeze(1)
        s = self.embed_single(single)
        for block in self.trunk:
            s, z = block(s, z, mask)
        last, trajectory = self.structure(s, z, start, mask)
        return Outputs(trajectory, self.distogram(z + z.transpose(1, 2)), self.plddt(last))
