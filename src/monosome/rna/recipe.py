"""What a BetaRho recipe says: its chains, its network, its loss."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from monosome.config import Config, DataConfig, LossConfig, OptimConfig, Place, Section
from monosome.rna.features import Source
from monosome.rna.pairing import Conditions
from monosome.rna.start import Start

Count = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Day = Annotated[str, BeforeValidator(str)]
"""YYYY-MM-DD or empty; TOML reads a day without quotes as a date."""
Share = Annotated[float, Field(ge=0, le=1)]


def _each_once(sources: tuple[Source, ...]) -> tuple[Source, ...]:
    if len(set(sources)) < len(sources):
        raise ValueError("each input may be named once")
    return sources


class ChainDataConfig(DataConfig):
    """Which chains are learned from."""

    path: Place = ""
    """Folder of structures, of Kaggle CSVs, or prepared by `monosome prepare rna`; empty builds hairpins and duplexes
    from ideal A-form geometry."""
    structures: Place = ""
    """File or folder of secondary structures without coordinates (dot-bracket, CSV) that training learns pairs from;
    none of them is held out."""
    num_synthetic: Count = 256
    """Chains built where there is no path, held-out ones included."""
    msa: Place = ""
    """Folder of alignments (FASTA, a2m, a3m, Stockholm), each named by its chain; see model.inputs."""
    probing: Place = ""
    """Folder of reactivities (RDAT, CSV), each named by its chain."""
    embeddings: Place = ""
    """Folder of language-model embeddings (NPZ, NPY), each named by its chain."""
    valid_share: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """Share of the chains that is held out, in whole clusters."""
    valid_after: Day = ""
    """Day (YYYY-MM-DD) after which chains are held out instead; later relatives of earlier chains, and chains without
    a date, are then in neither split. Empty splits by share."""
    min_length: Annotated[int, Field(ge=4)] = 8
    """Shorter chains are left out: they have next to no fold."""
    max_length: Count = 256
    """Longer chains are left out: their base-pair probabilities and activations grow with length squared."""
    crop_length: Count = 96
    """Residues of a training example at most, drawn anew at each step."""
    spatial_share: Share = 0.0
    """Share of the crops that are the residues nearest to a drawn one in space; the others are stretches of the chain.
    Half of a chain holds 88 % of what its residues pair with if it is cropped in space, 62 % as a stretch."""
    curriculum: tuple[tuple[Annotated[int, Field(ge=0)], Count], ...] = ()
    """Steps from which on crops have at most so many residues, such as [[0, 50], [500, 100], [1000, 200]]; chains of
    more than twice as many wait, but for the last stage. The first begins at step 0. Empty crops alike throughout."""
    weighted_by: tuple[Literal["cluster", "resolution"], ...] = ()
    """What makes training draw some chains less often. cluster: chains of one cluster together count as one chain;
    resolution: 1 up to 3 Å, falling to a half at 5 Å, unknown ones the mean. Empty draws each once an epoch."""
    held_out: Place = ""
    """FASTA file, structure or folder of structures whose relatives are left out of training and validation; the run
    lists them in leakage.json."""


class BetaRhoModelConfig(Section):
    """The network: embedding, trunk, structure module, heads."""

    single_channels: Count = 64
    """Channels per residue."""
    pair_channels: Count = 32
    """Channels per pair of residues."""
    num_trunk_blocks: Annotated[int, Field(ge=0)] = 3
    """Pair-biased transformer blocks."""
    num_heads: Count = 4
    """Attention heads of the trunk."""
    triangle_attention: bool = False
    """Whether pairs also attend to pairs that share a residue with them: n³ work for each head (Jumper et al. 2021,
    Suppl. Alg. 13 and 14)."""
    num_recycles: Annotated[int, Field(ge=0)] = 0
    """Times that the network runs again on what it made of the chain; in training a number up to this is drawn for each
    example, and only the last run has a gradient (Suppl. Alg. 30 to 32)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of what attention and triangles add that is dropped in training, whole rows of pairs at once. AlphaFold 2
    has 0.15 and 0.25."""
    num_ipa_blocks: Count = 4
    """Times that the structure module moves the frames."""
    share_ipa_weights: bool = True
    """One set of weights for all blocks of the structure module, as in AlphaFold 2, or one set each."""
    ipa_heads: Count = 4
    """Heads of invariant point attention."""
    ipa_channels: Count = 16
    """Channels of each head."""
    num_query_points: Count = 4
    """Query and key points of each head."""
    num_value_points: Count = 8
    """Value points of each head."""
    ipa_pair_rank: Annotated[int, Field(ge=0)] = 0
    """Terms of the products that stand for the pairs in the structure module, whose memory then grows with length
    instead of its square (FlashIPA, arXiv 2505.11580); 0 keeps the pairs as they are."""
    stop_rotation_gradient: bool = False
    """Stop the gradient of rotations between iterations, as AlphaFold 2 does for stability. Small models learn faster
    without: after 400 steps on ideal hairpins and duplexes held-out RMSD was 5.6 Å without and 7.2 Å with."""
    start: Start = "helix"
    """Frames before the first block. identity: all at the origin; helix: each strand a straight A-form helix;
    nucleotide: each strand as its bases follow each other most often; paired: laid out from base pairs, helices ideal
    and stacked through small loops; learned: a helix whose every step the trunk turns and moves."""
    inputs: Annotated[tuple[Source, ...], AfterValidator(_each_once)] = ()
    """What the network is told besides the sequence, its strands and its base-pair probabilities. context: the bases
    two before and after; thermodynamics: positional entropy, stacking and opening energies of each residue, energies
    and diversity of the ensemble (ViennaRNA); structures: of minimum free energy, centroid, of maximum expected
    accuracy; samples: how many of 50 structures drawn from the ensemble have a pair; evolution: conservation, gaps,
    depth and covariation of an alignment (data.msa); probing: SHAPE or DMS reactivities, which ViennaRNA takes into
    account too (data.probing); embedding: of an RNA language model (data.embeddings)."""
    embedding_channels: Count = 640
    """Channels of the embeddings: 640 for RNA-FM, 1280 for RiNALMo, 256 for RibonanzaNet."""
    temperature_celsius: Annotated[float, Field(ge=0, le=100)] = 37.0
    """At which molecules fold, in all that ViennaRNA computes."""
    salt_molar: Annotated[float, Field(gt=0)] = 1.021
    """Concentration of monovalent salt that they fold in; 1.021 is that of Turner's energies."""

    @property
    def conditions(self) -> Conditions:
        """What molecules fold in."""
        return Conditions(self.temperature_celsius, self.salt_molar)


class StructureLossConfig(LossConfig):
    """FAPE, distogram and pLDDT, which AlphaFold 2 weighs 1, 0.3 and 0.01 (Jumper et al. 2021, Suppl. 1.9); and terms
    that are off unless they are given a weight."""

    fape: Weight = 1.0
    """Weight of the frame-aligned point error, in units of 10 Å."""
    trace_fape: Weight = 0.0
    """Weight of the same of C1' alone, from frames on three C1' in a row: what natives without other atoms teach."""
    distogram: Weight = 0.3
    """Weight of the cross-entropy of distance bins of C1', of P and of C4'."""
    pairs: Weight = 0.1
    """Weight of the cross-entropy of base pairs and their Leontis–Westhof classes, per residue."""
    pae: Weight = 0.01
    """Weight of the cross-entropy of the predicted aligned error's bins."""
    plddt: Weight = 0.01
    """Weight of the cross-entropy of the predicted lDDT's bins."""
    tm: Weight = 0.0
    """Weight of 1 − TM-score of C1', by the RNA d0 of the chain or crop. It says little of a chain that is far off:
    give it a ramp."""
    smooth_lddt: Weight = 0.0
    """Weight of 1 − smooth lDDT over C1', C4', P and the base's nitrogen, pairs within 30 Å (Abramson et al. 2024,
    Suppl. Alg. 27)."""
    torsion: Weight = 0.5
    """Weight of the torsions' squared distance on the unit circle: in AlphaFold 2 a half, as part of L_aux (Suppl. Eq.
    7)."""
    violation: Weight = 0.0
    """Weight of links that are no bonds and of atoms within each other: 1 in AlphaFold 2's fine-tuning, 0 before. Give
    it a ramp."""
    unclamped_share: Share = 0.5
    """Share of training examples whose FAPE is not clamped at 10 Å. AlphaFold 2 uses 0.1; with a clamp alone an RNA
    that starts far from its fold gets no gradient from most of its pairs."""

    def weights(self) -> Mapping[str, float]:
        """Weights of the terms."""
        names = ("fape", "trace_fape", "distogram", "pairs", "plddt", "pae", "tm", "smooth_lddt", "torsion")
        return {name: getattr(self, name) for name in (*names, "violation")}


class BetaRhoConfig(Config):
    """BetaRho: RNA sequence to 3D structure."""

    domain: Literal["rna"] = "rna"
    """RNA."""
    data: ChainDataConfig = ChainDataConfig()
    """Which chains are learned from."""
    model: BetaRhoModelConfig = BetaRhoModelConfig()
    """The network."""
    loss: StructureLossConfig = StructureLossConfig()
    """What is minimised."""
    optim: OptimConfig = OptimConfig(learning_rate=2e-3, warmup_steps=50)
    """The optimiser and its schedule."""
