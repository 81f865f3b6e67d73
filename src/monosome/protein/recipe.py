"""What a ProtGPT2 student's recipe says: its proteins, its tokenizer, its size, its teacher and its loss."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from monosome.config import Config, DataConfig, LossConfig, OptimConfig, Place, Section


class ProteinDataConfig(DataConfig):
    """Which proteins are learned from, and how they become blocks of tokens."""

    path: Place = ""
    """A file of proteins, a folder with a train and a valid file, or a data set of the Hub, OWNER/NAME; empty takes the
    package's own set of well-known natural proteins. Files are FASTA, CSV, TSV, parquet, or .txt in ProtGPT2's format,
    .gz too. A single file or split is split by clusters of similar sequences, and fits into memory for that."""
    column: str = ""
    """Column of a table that holds the sequences; empty takes `sequence`, else `input_ids` (blocks of tokens, for which
    data.tokenizer is needed), else `text`."""
    proportion: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the training proteins that is used, drawn by each sequence's digest: 10 % lies within 20 %."""
    valid_share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the proteins of a single file that is held out, in whole clusters."""
    max_valid: Annotated[int, Field(gt=0)] = 1000
    """Held-out proteins that are scored at most, drawn by each sequence's digest."""
    block_length: Annotated[int, Field(ge=16)] = 512
    """Tokens per training block; whole proteins are packed into it. ProtGPT2 was trained on 512."""
    other_letters: Literal["refuse", "skip", "keep"] = "refuse"
    """Proteins with letters beyond the 20 amino acids: refuse the file, skip them, or keep B J O U X Z as letters."""
    min_length: Annotated[int, Field(ge=0)] = 0
    """Proteins of fewer residues are left out."""
    max_length: Annotated[int, Field(ge=0)] = 0
    """Proteins of more residues are left out; 0 sets no limit."""
    duplicates: Literal["keep", "drop"] = "keep"
    """Proteins whose sequence came before: keep or drop them."""
    max_identity: Annotated[float, Field(ge=0.5, le=1)] = 1.0
    """Of proteins about this alike the longest stays: those that share max_identity^6 of the 6-mers of the one that has
    fewer. 1 keeps all. That takes 70 bytes of memory for every residue of the file."""
    num_samples: Annotated[int, Field(ge=0)] = 0
    """Proteins that the teacher samples and that are added to the training set."""
    tokenizer: Place = ""
    """Folder or Hub name of the tokenizer; empty takes the teacher's, and trains one where there is no teacher."""
    vocab_size: Annotated[int, Field(ge=257)] = 512
    """Entries of a tokenizer that is trained here: `<|endoftext|>`, 256 bytes, and merges."""


class GPT2Config(Section):
    """The student's size: a GPT-2 (Radford et al. 2019) with tied embeddings and no dropout."""

    num_layers: Annotated[int, Field(gt=0)] = 4
    """Transformer blocks."""
    num_heads: Annotated[int, Field(gt=0)] = 4
    """Attention heads per block."""
    width: Annotated[int, Field(gt=0)] = 512
    """Channels of the residual stream, a multiple of num_heads."""
    positions: Annotated[int, Field(ge=16)] = 1024
    """Longest sequence in tokens."""
    initial: Literal["random", "teacher"] = "random"
    """What the first step begins with: weights drawn from the seed, or the teacher's, reduced to this size: blocks
    spread evenly, heads and neurons that vary most, channels projected on their principal components."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "GPT2Config":
        if self.width % self.num_heads:
            raise ValueError(f"width {self.width} is no multiple of num_heads {self.num_heads}")
        return self


class DistillationLossConfig(LossConfig):
    """α · cross-entropy + (1 − α) · T² · divergence from the teacher, both softened by T (arXiv 1503.02531, where it is
    KL(teacher ‖ student))."""

    teacher: Place = ""
    """Folder or Hub name of the teacher, such as nferruz/ProtGPT2; empty learns by cross-entropy alone."""
    temperature: Annotated[float, Field(gt=0)] = 2.0
    """T, which both distributions are softened by; 1 is the target that perplexity measures (arXiv 2502.08606). Without
    a teacher it does nothing."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    """α, the weight of the cross-entropy; 1 − α is the teacher's. Without a teacher it does nothing."""
    divergence: Literal[
        "forward_kl",
        "reverse_kl",
        "jensen_shannon",
        "skewed_kl",
        "skewed_reverse_kl",
        "adaptive_kl",
        "total_variation",
    ] = "forward_kl"
    """How far the student is from the teacher: KL(teacher ‖ student); the reverse; the generalised Jensen–Shannon
    divergence (arXiv 2306.13649); KL to a mixture of both, either way (DistiLLM, arXiv 2402.03898); forward and reverse
    KL weighted by where they differ (arXiv 2404.02657); or half the sum of differences, whose weight is T, not T²."""
    beta: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """β of jensen_shannon, the teacher's share of the mixture: near 0 it is β times the forward KL, near 1 it is 1 − β
    times the reverse."""
    skew: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """α of skewed_kl and skewed_reverse_kl: the share of the mixture that is the first distribution itself."""
    head: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """μ of adaptive_kl: the teacher's probability that its most likely tokens, the head, hold together."""
    teacher_logits: Literal["full", "sampled", "top_k"] = "full"
    """What is learned of the teacher's distribution: all of it; num_logits tokens drawn from it once, each of the same
    weight at T = 1 and importance-weighted elsewhere (Sparse Logit Sampling, arXiv 2503.16870), for forward_kl alone;
    or its num_logits likeliest tokens, the rest spread evenly, which is biased. The last two are always cached."""
    num_logits: Annotated[int, Field(gt=0)] = 64
    """Tokens of the teacher's distribution that sampled and top_k keep at each position, 4 bytes each."""
    uncertainty_weighting: Literal["off", "published", "corrected"] = "off"
    """Count the teacher more where it is uncertain: 0.5 at a protein's lowest entropy to 1 at its highest, as published
    (bioRxiv 10.64898/2026.02.17.706304); corrected divides by the protein's mean, so that 1 − α keeps its meaning."""
    calibration_smoothing: Literal["off", "published", "corrected"] = "off"
    """Mix the teacher with the uniform distribution by 0.1 · (1 − its highest probability), as published at T (bioRxiv
    10.64898/2026.02.17.706304); corrected does so before T softens, so that uncertainty is the teacher's, not T's."""

    def weights(self) -> Mapping[str, float]:
        """Weights of "hard" (cross-entropy) and "soft" (divergence at T); without a teacher, of "hard" alone.

        As T grows divergences fall as 1 / T², total variation as 1 / T: the weight makes up for it.
        """
        if not self.teacher:
            return {"hard": 1.0}
        order = 1 if self.divergence == "total_variation" else 2
        return {"hard": self.alpha, "soft": (1 - self.alpha) * self.temperature**order}


class ProteinConfig(Config):
    """A protein language model, distilled from a teacher or trained by cross-entropy alone."""

    domain: Literal["protein"] = "protein"
    """Proteins."""
    data: ProteinDataConfig = ProteinDataConfig()
    """Which proteins are learned from."""
    model: GPT2Config = GPT2Config()
    """The student's size."""
    loss: DistillationLossConfig = DistillationLossConfig()
    """The teacher, and how much it counts."""
    optim: OptimConfig = OptimConfig(weight_decay=0.1, betas=(0.9, 0.99), warmup_steps=100)
    """The optimiser and its schedule."""

    @model_validator(mode="after")
    def _blocks_fit(self) -> "ProteinConfig":
        if self.data.block_length > self.model.positions:
            raise ValueError(
                f"data.block_length {self.data.block_length} exceeds model.positions {self.model.positions}"
            )
        if self.model.initial == "teacher" and not self.loss.teacher:
            raise ValueError("model.initial=teacher needs loss.teacher")
        if self.data.num_samples and not self.loss.teacher:
            raise ValueError("data.num_samples needs loss.teacher, which samples them")
        loss = self.loss
        regularised = loss.uncertainty_weighting != "off" or loss.calibration_smoothing != "off"
        if loss.teacher_logits == "sampled" and (loss.divergence != "forward_kl" or regularised):
            raise ValueError("loss.teacher_logits=sampled is for forward_kl without regularisers")
        return self
